"""Public names of a package that are imported when they are first used (PEP 562).

Knows: where each name lives. Does not know what importing it costs, which is why it waits.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazy_names(
    package: str,
    homes: dict[str, str],
    load: Callable[[str, str], Any] = import_module,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make a package's ``__getattr__`` and ``__dir__``.

    Args:
        package: Its name.
        homes: The module of each name, relative to the package (``.classifier``) or absolute.
        load: Imports a module, called as :func:`importlib.import_module` is.
    """

    def getattribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(load(homes[name], package), name)

    return getattribute, lambda: sorted(homes)
