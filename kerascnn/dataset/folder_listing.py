"""Lists the files of a folder once, to check whether names exist.

Knows: that a name may exist without being listed. Does not know the content of files.
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
        path: Path of the folder, with a trailing separator.
        complete: Whether only these names exist, and perhaps variants of them in case or Unicode.
    """

    path: str
    names: set[str]
    complete: bool

    def is_complete_without(self, name: str) -> bool:
        """Return whether an unlisted name certainly does not exist, without a system call.

        Many file systems ignore the case or the Unicode form of a name, and a system call for each
        of a million missing files takes seconds.
        """
        return (
            self.complete
            and name not in ("", os.curdir, os.pardir)
            and not (self.names and folded(name) in self._folded)
        )

    @cached_property
    def _folded(self) -> frozenset[str]:
        return frozenset(map(folded, self.names))


def folded(name: str) -> str:
    """Return what names have in common that some file systems take for the same."""
    return unicodedata.normalize("NFD", name.casefold())


def list_folder(folder: str) -> ListedFolder:
    """List the files of a folder; a missing folder has none."""
    path = "" if folder == os.curdir else os.path.join(folder, "")  # noqa: PTH118 - quick
    try:
        with os.scandir(folder) as entries:
            names = {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return ListedFolder(path, set(), complete=True)
    except (OSError, ValueError):  # its files may be readable without permission to list it
        return ListedFolder(path, set(), complete=False)
    # On Windows files also have short names, which are not listed.
    return ListedFolder(path, names, complete=os.name != "nt")


UNLISTED = ListedFolder("", set(), complete=False)
"""A folder that was not listed: any name may exist."""
