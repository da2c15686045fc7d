"""Public names of a package that are imported when they are first used (PEP 562).

Knows: where each name lives. Does not know what importing it costs, which is why it waits.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str,
    homes: Mapping[str, str | None],
    load: Callable[[str, str], Any] = import_module,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make a package's ``__getattr__`` and ``__dir__``.

    Args:
        package: Its name.
        homes: The module of each name, relative to the package (``.classifier``) or absolute; a
            module of the package that is itself a name has none.
        load: Imports a module, called as :func:`importlib.import_module` is.
    """

    def getattribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes[name]
        if home is None:
            return load(f".{name}", package)
        return getattr(load(home, package), name)

    return getattribute, lambda: sorted(homes)
