"""Finds the pictures of a list that are not where it says.

Knows: lists of another machine or folder, `\\` between folders, other case, missing extensions.
Does not know labels.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

from kerascnn.dataset.csv_rows import Rows
from kerascnn.dataset.folder_listing import list_folder
from kerascnn.dataset.split_names import split_of
from kerascnn.dataset.walk import Walk, is_picture
from kerascnn.errors import ONCE
from kerascnn.uris import is_uri

log = logging.getLogger(__name__)

_ELSEWHERE = re.compile(r"(\.\.|[A-Za-z][\w+.-]*:)?[/\\]")
"""What a path begins with whose first folders are those of another machine, drives and URLs too."""

_ABOVE = 3
"""Number of folders above the list's that a path may begin in."""


_Names: TypeAlias = tuple[str, dict[str, str]]
"""What the paths in a folder begin with, and its pictures."""


class _Place(NamedTuple):
    """A folder that may hold the pictures, and how many folders of each path do not count."""

    folder: str
    dropped: int


def relocated(rows: Rows) -> Rows:
    """Return the rows with the paths of their pictures, if none is where its row says.

    They are read from the one folder that has the first picture, whose path may lack its extension
    or begin with folders of another machine. Folders inside a relative path may be the classes, so
    they must exist.
    """
    if not rows.paths or len(rows.missing) < len(rows.paths):
        return rows
    names = cache(_names)
    places, inside = _places(rows, 0, names), _inside(rows)
    first = _written(rows.paths[0], inside)
    if len(places) != 1 or (places[0].dropped and not _ELSEWHERE.match(first)):
        return rows
    found = [_found(_parts(path, inside), places[0], names) for path in rows.paths]
    read = {old: new for old, new in zip(rows.paths, found, strict=True) if new}
    if len(set(read.values())) < len(read):
        return rows
    log.warning(
        "%s: no path exists as it is written, so %s is read as %s, and the others likewise.",
        *(rows.file, first, found[0]),
        extra=ONCE,
    )
    paths = [new or old for new, old in zip(found, rows.paths, strict=True)]
    return replace(rows, paths=paths, missing=[row for row, new in enumerate(found) if not new])


def elsewhere(rows: Rows, row: int) -> str:
    """Say where the picture of a row may be; empty if it was not found."""
    parts = _parts(rows.paths[row], _inside(rows))
    names = cache(_names)
    there = (_found(parts, place, names) for place in _places(rows, row, names))
    found = [Path(os.path.relpath(path, rows.file.parent)).as_posix() for path in there]
    if len(found) > 1:
        return f" It may be {found[0]} or {found[1]}: write the one that it is."
    return f" {found[0]} exists: write that if it is this picture." if found else ""


def _inside(rows: Rows) -> str:
    """Return what the paths of pictures in the list's folder begin with."""
    base = os.path.normpath(rows.file.parent)
    return "" if base == os.curdir else os.path.join(base, "")  # noqa: PTH118 - as in the rows


def _written(path: str, inside: str) -> str:
    """Return the path of a picture as the list has it, relative to its folder."""
    if path.startswith(inside) or is_uri(path) or os.path.isabs(path):  # noqa: PTH117 - quick
        return path.removeprefix(inside)
    return f"../{path}"


def _parts(path: str, inside: str) -> list[str]:
    return re.split(r"[/\\]+", _written(path, inside))


def _places(rows: Rows, row: int, names: Callable[[str], _Names]) -> list[_Place]:
    """Find where the picture of a row is, with as much of its path as possible.

    Of two folders, the one for the split that the list is named after: ``train.csv``, ``train/``.
    """
    base, parts, walk = rows.file.parent, _parts(rows.paths[row], _inside(rows)), Walk()
    inside = walk.folders(base)
    folders = [base, *inside, *(sub for folder in inside for sub in walk.folders(folder))]
    for dropped in range(len(parts)):
        above = [] if dropped else base.absolute().parents[:_ABOVE]
        places = [_Place(os.path.normpath(one), dropped) for one in (*folders, *above)]
        found = {path: place for place in places if (path := _found(parts, place, names))}
        meant = split_of(rows.file.stem)
        same = {
            path: one for path, one in found.items() if split_of(Path(one.folder).name) == meant
        }
        if found:
            return list((same if meant and len(same) == 1 else found).values())
    return []


def _found(parts: list[str], place: _Place, names: Callable[[str], _Names]) -> str:
    """Return the path of a picture in a place; empty if it is not there."""
    *above, name = parts[place.dropped :]
    folder = os.path.join(place.folder, *above)  # noqa: PTH118 - quick
    begin, listed = names(folder)
    there = listed.get(name) or listed.get(name.casefold())
    return begin + there if there else ""


def _names(folder: str) -> _Names:
    """Return the pictures of a folder by name, by name in lower case, and without extension.

    What two pictures have in common leads to neither.
    """
    pictures = list(filter(is_picture, list_folder(folder).names))
    found: dict[str, str] = {}
    for key_of in (_stem, str.casefold, str):
        times = Counter(map(key_of, pictures))
        found |= {key: name for name in pictures if times[key := key_of(name)] == 1}
    place = os.path.normpath(folder)
    return "" if place == os.curdir else os.path.join(place, ""), found  # noqa: PTH118 - quick


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].casefold()  # noqa: PTH122 - quick
