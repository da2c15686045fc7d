"""Finds folders that wrap a data set, e.g. after unpacking an archive.

Knows: a folder that can contain class folders but is not a class itself. Does not know the names of
splits, or labels.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

from kerascnn.dataset.walk import Walk

DATE = re.compile(r"(19|20)\d\d([-_.]?\d\d){0,2}")
"""Name that is a date, by which classes are often subdivided, and not a class."""


def inside_wrapper(folders: Sequence[Path], known: Collection[str], walk: Walk) -> Path | None:
    """Find the only folder that is a wrapper: it contains all pictures, in subfolders."""
    if not any(_can_wrap(folder, known, walk) for folder in folders):
        return None
    filled = list(islice((folder for folder in folders if _pictures(folder, walk)), 2))
    return filled[0] if len(filled) == 1 and _can_wrap(filled[0], known, walk) else None


def _can_wrap(folder: Path, known: Collection[str], walk: Walk) -> bool:
    inside = [sub for sub in walk.folders(folder) if not DATE.fullmatch(sub.name)]
    if folder.name in known or not inside or walk.loose(folder):
        return False
    # A single subfolder with pictures may be the class as well as its parent.
    return len(inside) > 1 or _can_wrap(inside[0], known, walk)


def _pictures(folder: Path, walk: Walk) -> bool:
    return next(walk.pictures(folder), None) is not None
