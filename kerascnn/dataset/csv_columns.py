"""Finds the columns of a list that hold path, label and split.

Knows: common names of columns, and what the values of the first row tell. Does not know other rows.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kerascnn.dataset.split_names import split_folder, split_of
from kerascnn.errors import ONCE, DataError
from kerascnn.images import SUFFIXES
from kerascnn.printable import first_few

log = logging.getLogger(__name__)

VALID = "is_valid"
"""Name of fastai's column for the split."""

_PATHS = {
    "filename",
    "filenames",
    "file",
    "filepath",
    "filepaths",
    "fname",
    "image",
    "images",
    "imagefile",
    "imagepath",
    "imagename",
    "imageid",
    "img",
    "imgpath",
    "picture",
    "paths",
}
_LABELS = {"class", "classes", "classname", "category", "target", "labels", "labelname"}
_SPLITS = {"set", "subset", "partition", "phase", "usage", "fold", "istrain", "istest", "dataset"}
"""Common names of columns, as :func:`_plain` gives them."""

_NO_LABELS = {"", "id", "index", "unnamed:0"}
"""Names of columns that number the rows."""

_PIXELS = re.compile(r"pixels?\d*|\d+x\d+")
_FLAGS = {"0": False, "0.0": False, "1": True, "1.0": True}
_EXPECTED = "Expected a first line path,label or path,label,split"
_MANY = 100
"""Number of columns above which a list without paths is likely to hold pixels."""


@dataclass
class Columns:
    """The columns of a list.

    Attributes:
        names: Name of each column.
        places: Index of ``path``, ``label``, and ``split`` or ``is_valid`` if there is one.
        classes: Instead of ``label``, the name of each column with a 1 for the class of a picture.
        has_header: Whether the first line holds names, not values.
    """

    names: list[str]
    places: dict[str, int]
    classes: dict[int, str] = field(default_factory=dict)
    has_header: bool = True

    def like_split(self) -> str | None:
        """Return the name of a column that may hold the split, if none is read."""
        names = (name for name in self.names if _plain(name) in _SPLITS)
        return None if {"split", VALID} & self.places.keys() else next(names, None)

    def class_of(self, values: list[str]) -> str:
        """Return the only class that has a 1 in a row; empty if that is not so."""
        flags = [_FLAGS.get(values[place].strip()) for place in self.classes]
        known = None not in flags and flags.count(True) == 1
        return list(self.classes.values())[flags.index(True)] if known else ""

    def flags(self, values: list[str]) -> str:
        """Describe the values that a row has for the classes, except zeros."""
        shown = {name: values[place].strip() for place, name in self.classes.items()}
        found = [f"{name} {value!r}" for name, value in shown.items() if _FLAGS.get(value) != 0]
        return first_few(found) or "no class has a 1"


def _plain(name: str) -> str:
    """Return a name in lower case and without what separates its words."""
    return re.sub(r"[ _-]", "", name.lower())


def find_columns(file: Path, header: list[str], first: Sequence[str]) -> Columns:
    """Find the columns by their names, or where these say nothing, by the first row.

    Raises:
        DataError: Path or label may be in several columns, or in none.
    """
    has_header = not any(map(_is_picture, header))
    names = header if has_header else [f"column {place + 1}" for place in range(len(header))]
    plain = [_plain(name) for name in names]
    wanted = ("path", "label", "split" if "split" in plain else VALID)
    named = {one: plain.index(_plain(one)) for one in wanted if _plain(one) in plain}
    columns = Columns(names, dict(named), {}, has_header)
    if twice := [name for name in named if plain.count(_plain(name)) > 1]:
        raise DataError(f"{file}: column {twice[0]} occurs twice. {_EXPECTED}.")
    _guess(columns, plain, [*(first if has_header else header), *([""] * len(names))])
    if "path" not in columns.places or not ("label" in columns.places or columns.classes):
        shown = first_few(header, 20) if len(header) > _MANY else ",".join(header)
        raise DataError(
            f"{file}: its first line is {repr(shown) if header else 'empty'}. "
            f"{_EXPECTED}, with commas.{_advice(columns, plain)}"
        )
    _tell(file, columns, named)
    return columns


def _is_picture(value: str) -> bool:
    return value.strip().lower().endswith(SUFFIXES)


def _guess(columns: Columns, names: list[str], first: Sequence[str]) -> None:
    """Fill in the columns that are not called path, label or split."""
    places = columns.places

    def free() -> list[int]:
        return [place for place in range(len(names)) if place not in places.values()]

    def take(column: str, found: list[int]) -> None:
        if len(found) == 1 and column not in places:
            places[column] = found[0]

    paths = [place for place in free() if names[place] in _PATHS]
    take("path", paths)
    take("path", [place for place in paths or free() if _is_picture(first[place])])
    take("path", [place for place in free() if names[place] == "id" and not paths])
    labels = [place for place in free() if names[place] in _LABELS]
    take("label", labels)
    if VALID not in places:
        take("split", [p for p in free() if names[p] in _SPLITS and split_of(first[p])])
        take("split", [p for p in free() if split_folder(first[p]) and len(free()) > 1])
    others = [place for place in free() if names[place] not in _NO_LABELS]
    take("label", labels or others)
    flags = {p: _FLAGS[first[p].strip()] for p in others if first[p].strip() in _FLAGS}
    if sum(flags.values()) == 1 < len(flags) and not labels and "label" not in places:
        columns.classes = {place: columns.names[place].strip() for place in flags}


def _advice(columns: Columns, names: list[str]) -> str:
    """Say what to change in the first line; empty if that cannot be told."""
    if len(names) == 1 and "," in names[0]:
        return " Remove the quotes around the whole line."
    missing = "path" if "path" not in columns.places else "label"
    if missing == "path" and (len(names) > _MANY or any(map(_PIXELS.fullmatch, names))):
        return (
            " It seems to hold pixels: read it with NumPy, and save x_train and y_train in an .npz "
            "file; docs/data.md has a program for that."
        )
    taken = columns.places.values()
    free = [name.strip() for place, name in enumerate(columns.names) if place not in taken]
    if not free or not columns.places:
        return ""
    return f" If one of {first_few(free, 20)} is the {missing}, rename it to {missing}."


def _tell(file: Path, columns: Columns, named: Collection[str]) -> None:
    """Say which columns are read, where their names do not."""
    read = [
        f"{column} = {columns.names[at].strip()}"
        for column, at in columns.places.items()
        if column not in named
    ]
    if read:
        log.warning("%s: these columns are read: %s.", file, ", ".join(read), extra=ONCE)
    if columns.classes:
        names = first_few(list(columns.classes.values()), 20)
        log.warning("%s: the label is the column with a 1, of %s.", file, names, extra=ONCE)
