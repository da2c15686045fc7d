"""CSV files that list pictures: ``path,label`` and, if wanted, ``split``.

Knows: the columns, and what makes a list unusable, by line. Does not know whether a picture
can be decoded; that is found when it is read.
"""

from __future__ import annotations

import csv
import logging
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerascnn.dataset.folder import SPLIT_FOLDERS
from kerascnn.dataset.pictures import FilePictures
from kerascnn.dataset.split import SPLITS, Dataset, Split
from kerascnn.errors import DataError

log = logging.getLogger(__name__)

_EXPECTED = "Expected a first line path,label or path,label,split"


@dataclass(frozen=True)
class _Row:
    """One line that was understood."""

    line: int
    path: Path
    label: str
    split: str


def load_csv(file: Path) -> Dataset:
    """Read a list of pictures.

    The first line names the columns, in any order; others than these are left alone:

    * ``path``: of a picture, relative to the list's folder, or absolute.
    * ``label``: the name of its class.
    * ``split``: ``train``, ``val`` or ``test``; without this column all is ``train``.

    Args:
        file: UTF-8, with or without a byte order mark.

    Returns:
        The data set. Its classes are the labels of ``train``, sorted by name in Unicode NFC.

    Raises:
        DataError: Naming the line: a column or value is missing, a file is not there, a picture
            is listed twice with two labels or in two splits, a label does not occur in train.
    """
    rows = _without_repeats(file, list(_rows(file)))
    classes = tuple(sorted({row.label for row in rows if row.split == "train"}))
    if not classes:
        found = "only val and test" if rows else "no rows"
        raise DataError(
            f"{file}: nothing to train on ({found}). Expected rows of split train, or no column "
            "split at all."
        )
    _check_labels(file, rows, classes)
    _check_files(file, rows)
    order = {name: label for label, name in enumerate(classes)}
    splits = {}
    for name in SPLITS:
        if chosen := [row for row in rows if row.split == name]:
            pictures = FilePictures(tuple(row.path for row in chosen), file.parent)
            labels = np.asarray([order[row.label] for row in chosen], np.int64)
            splits[name] = Split(pictures, labels)
    return Dataset(str(file), classes, splits)


def _rows(file: Path) -> Iterator[_Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            places = _columns(file, next(reader, []))
            for values in reader:
                if any(value.strip() for value in values):
                    yield _row(file, reader.line_num, places, values)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 ({error}). Save it as CSV UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: not CSV ({error}). Mend it.") from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error


def _columns(file: Path, header: list[str]) -> dict[str, int]:
    """Find the place of each column; ``split`` may be missing."""
    names = [name.strip().lower() for name in header]
    columns: tuple[str, ...] = ("path", "label", "split")
    places = {name: names.index(name) for name in columns if name in names}
    if "path" not in places or "label" not in places:
        raise DataError(
            f"{file}: its first line is {','.join(header) or 'empty'!r}. {_EXPECTED}, with commas."
        )
    twice = [name for name in places if names.count(name) > 1]
    if twice:
        raise DataError(f"{file}: column {twice[0]} occurs twice. {_EXPECTED}.")
    return places


def _row(file: Path, line: int, places: dict[str, int], values: list[str]) -> _Row:
    where = f"{file}, line {line}"
    if len(values) <= max(places.values()):
        raise DataError(
            f"{where}: {len(values)} values ({','.join(values)}), expected one for each of "
            f"{', '.join(places)}. A name with a comma in it stands in quotes."
        )
    found = {name: values[place].strip() for name, place in places.items()}
    for name, value in found.items():
        if not value:
            raise DataError(f"{where}: no {name}. Fill it in, or remove the row.")
    split = SPLIT_FOLDERS.get(found.get("split", "train").lower())
    if split is None:
        raise DataError(f"{where}: split {found['split']!r}. Expected {', '.join(SPLITS)}.")
    path = Path(os.path.normpath(file.parent / found["path"]))
    return _Row(line, path, unicodedata.normalize("NFC", found["label"]), split)


def _without_repeats(file: Path, rows: list[_Row]) -> list[_Row]:
    first: dict[str, _Row] = {}
    for row in rows:
        earlier = first.setdefault(os.path.normcase(row.path), row)
        for what in ("split", "label"):
            one, other = getattr(earlier, what), getattr(row, what)
            if one != other:
                raise DataError(
                    f"{file}, line {row.line}: {row.path} has {what} {other!r} here and {one!r} "
                    f"in line {earlier.line}. Keep one of the two rows."
                )
    if len(first) < len(rows):
        log.warning("%s: %s rows repeat others; left out", file, f"{len(rows) - len(first):,}")
    return list(first.values())


def _check_labels(file: Path, rows: list[_Row], classes: tuple[str, ...]) -> None:
    known = set(classes)
    for row in rows:
        if row.label not in known:
            shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
            raise DataError(
                f"{file}, line {row.line}: label {row.label!r} of split {row.split} does not "
                f"occur in train, whose classes are: {shown}. Correct it, or add pictures of it "
                "to train."
            )


def _check_files(file: Path, rows: list[_Row]) -> None:
    missing = [row for row in rows if not os.path.isfile(row.path)]  # noqa: PTH113 - no raise
    if missing:
        others = f" {len(missing) - 1:,} other rows have none either." if missing[1:] else ""
        raise DataError(
            f"{file}, line {missing[0].line}: no such file: {missing[0].path}.{others} "
            "Expected paths relative to the folder of the list."
        )
