"""Folders around a data set: what unpacking an archive, or giving the folder above, puts there.

Knows: a folder that can hold class folders but is no class itself. Does not know which names are
splits, nor labels.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from kerascnn.dataset.walk import Walk

DATE = re.compile(r"(19|20)\d\d([-_.]?\d\d){0,2}")
"""What many classes are divided by, and is no class."""


def inside_wrapper(folders: Sequence[Path], known: Collection[str]) -> Path | None:
    """Find the one folder that is a wrapper: it holds all the pictures, in folders of its own."""
    wrappers = [folder for folder in folders if _can_wrap(folder, known)]
    if len(wrappers) != 1 or any(_pictures(folder) for folder in folders if folder != wrappers[0]):
        return None
    return wrappers[0] if _pictures(wrappers[0]) else None


def _can_wrap(folder: Path, known: Collection[str]) -> bool:
    walk = Walk()
    inside = [sub for sub in walk.folders(folder) if not DATE.fullmatch(sub.name)]
    if folder.name in known or not inside or walk.loose(folder):
        return False
    # A single folder that holds pictures is as good a class as the one around it.
    return len(inside) > 1 or _can_wrap(inside[0], known)


def _pictures(folder: Path) -> bool:
    return next(Walk().pictures(folder), None) is not None
