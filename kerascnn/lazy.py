"""Imports the public names of a package on first use (PEP 562).

Knows: the module of each name. Does not know the modules.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str | None], load: Callable[[str, str], Any] = import_module
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Create a package's ``__getattr__`` and ``__dir__``.

    Args:
        package: Name of the package.
        homes: Module of each name, relative to the package (``.classifier``) or absolute; None if
            the name is itself a module of the package.
        load: Imports a module, with the signature of :func:`importlib.import_module`.
    """

    def getattribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes[name]
        if home is None:
            return load(f".{name}", package)
        return getattr(load(home, package), name)

    return getattribute, lambda: sorted(homes)
