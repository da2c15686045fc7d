"""Which files lie in a folder, found by listing it once.

Knows: that a name may be there which no listing shows. Does not know what the files hold.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from functools import cached_property


@dataclass
class ListedFolder:
    """The files of a folder.

    Attributes:
        path: Path of the folder, with a separator at its end.
        names: Names of its files.
        complete: Whether only a name that is like one of these may be there, too.
    """

    path: str
    names: set[str]
    complete: bool

    def is_complete_without(self, name: str) -> bool:
        """Return whether a name that is not listed is not there, without asking the system.

        Many systems find a file whatever the case of its letters or the Unicode form of its name;
        asking them for each of a million files that are not there takes seconds.
        """
        return (
            self.complete
            and name not in ("", os.curdir, os.pardir)
            and not (self.names and _folded(name) in self._folded)
        )

    @cached_property
    def _folded(self) -> frozenset[str]:
        return frozenset(map(_folded, self.names))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFD", name.casefold())


def list_folder(folder: str) -> ListedFolder:
    """List the files of a folder; one that is not there has none."""
    path = "" if folder == os.curdir else os.path.join(folder, "")  # noqa: PTH118 - quick
    try:
        with os.scandir(folder) as entries:
            names = {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return ListedFolder(path, set(), complete=True)
    except (OSError, ValueError):  # it may be entered, though not listed
        return ListedFolder(path, set(), complete=False)
    # Windows has short names, too.
    return ListedFolder(path, names, complete=os.name != "nt")


UNLISTED = ListedFolder("", set(), complete=False)
"""Any folder that was not listed: each name may be there."""
