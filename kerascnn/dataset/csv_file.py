"""CSV files that list pictures: ``path,label`` and, if wanted, ``split``.

Knows: the columns, and what makes a list unusable, by line. Does not know whether a picture
can be decoded; that is found when it is read.
"""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerascnn.dataset.faults import STRICT, Faults
from kerascnn.dataset.layout import SPLIT_FOLDERS
from kerascnn.dataset.pictures import FilePictures, LazyPaths
from kerascnn.dataset.split import SPLITS, Dataset, Split
from kerascnn.errors import DataError

_VALID = "is_valid"

_TRUTHS = {
    **dict.fromkeys(("true", "1", "1.0", "yes", "t", "y"), "val"),
    **dict.fromkeys(("false", "0", "0.0", "no", "f", "n"), "train"),
}
"""What spreadsheets and fastai write for is_valid."""

_EXPECTED = "Expected a first line path,label or path,label,split"


class _Row(NamedTuple):
    """One line that was understood."""

    line: int
    path: str
    label: str
    split: str


def load_csv(file: Path, faults: Faults = STRICT) -> Dataset:
    """Read a list of pictures.

    The first line names the columns, in any order; others than these are left alone:

    * ``path``: of a picture, relative to the list's folder, or absolute.
    * ``label``: the name of its class.
    * ``split``: ``train``, ``val`` or ``test``; without this column all is ``train``.
    * ``is_valid``, in place of ``split``: true for ``val``, false for ``train``, as fastai has it.

    Args:
        file: UTF-8, with or without a byte order mark.
        faults: Told what is wrong with each line.

    Returns:
        The data set. Its classes are the labels of ``train``, sorted by name in Unicode NFC.

    Raises:
        DataError: Naming the line: a column or value is missing, a file is not there, a picture
            is listed twice with two labels or in two splits, a label does not occur in train.
    """
    rows = _without_repeats(file, list(_rows(file, faults)), faults)
    classes = tuple(sorted({row.label for row in rows if row.split == "train"}))
    if not classes:
        found = "only val and test" if rows else "no rows"
        raise DataError(
            f"{file}: nothing to train on ({found}). Expected rows of split train, or no column "
            "split at all."
        )
    rows = _of_classes(file, rows, classes, faults)
    rows = _of_files(file, rows, faults)
    order = {name: label for label, name in enumerate(classes)}
    splits = {}
    for name in SPLITS:
        if chosen := [row for row in rows if row.split == name]:
            pictures = FilePictures(LazyPaths([row.path for row in chosen]), file.parent)
            labels = np.asarray([order[row.label] for row in chosen], np.int64)
            splits[name] = Split(pictures, labels)
    return Dataset(str(file), classes, splits)


def _rows(file: Path, faults: Faults) -> Iterator[_Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            places = _columns(file, next(reader, []))
            read = _Reader(file, places, faults)
            for values in reader:
                row = read.row(reader.line_num, values)
                if row is not None:
                    yield row
    except UnicodeDecodeError as error:
        faults.tell(f"{file}: not UTF-8 ({error}). Save it as CSV UTF-8.")
    except csv.Error as error:
        faults.tell(f"{file}, line {reader.line_num}: not CSV ({error}). Mend it.")
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error


def _columns(file: Path, header: list[str]) -> dict[str, int]:
    """Find the place of each column; ``split`` may be missing."""
    names = [name.strip().lower() for name in header]
    columns: tuple[str, ...] = ("path", "label", "split")
    if "split" not in names:
        columns = ("path", "label", _VALID)
    places = {name: names.index(name) for name in columns if name in names}
    if "path" not in places or "label" not in places:
        raise DataError(
            f"{file}: its first line is {','.join(header) or 'empty'!r}. {_EXPECTED}, with commas."
        )
    twice = [name for name in places if names.count(name) > 1]
    if twice:
        raise DataError(f"{file}: column {twice[0]} occurs twice. {_EXPECTED}.")
    return places


class _Reader:
    """Understands lines, of which there may be millions; labels and folders occur over and over."""

    def __init__(self, file: Path, places: dict[str, int], faults: Faults) -> None:
        self._file, self._places, self._faults = file, places, faults
        self._base = os.path.join(os.path.normpath(file.parent), "")  # noqa: PTH118 - text is quick
        self._classes: dict[tuple[str, ...], tuple[str, str]] = {}
        self._path, self._most = places["path"], max(places.values())
        self._rest = [place for name, place in places.items() if name != "path"]

    def row(self, line: int, values: list[str]) -> _Row | None:
        """Understand one line, or tell what is wrong with it; None: it is none."""
        if len(values) <= self._most:
            if any(map(str.strip, values)):
                self._tell_short(line, values)
            return None
        path = values[self._path].strip()
        rest = tuple([values[place] for place in self._rest])
        known = self._classes.get(rest)
        if known is None or not path:
            if not any(map(str.strip, values)):
                return None
            known = self._understood(line, values)
            if known is None:
                return None
            self._classes[rest] = known
        return _Row(line, os.path.normpath(os.path.join(self._base, path)), *known)  # noqa: PTH118

    def _tell_short(self, line: int, values: list[str]) -> None:
        self._faults.tell(
            f"{self._file}, line {line}: {len(values)} values ({','.join(values)}), expected one "
            f"for each of {', '.join(self._places)}. A name with a comma in it stands in quotes."
        )

    def _understood(self, line: int, values: list[str]) -> tuple[str, str] | None:
        """Give label and split of a line."""
        where = f"{self._file}, line {line}"
        found = {name: values[place].strip() for name, place in self._places.items()}
        missing = [name for name, value in found.items() if not value]
        if missing:
            self._faults.tell(f"{where}: no {missing[0]}. Fill it in, or remove the row.")
            return None
        split = _split(found)
        if split is None:
            name = "split" if "split" in found else _VALID
            expected = ", ".join(SPLITS) if name == "split" else "True or False"
            self._faults.tell(f"{where}: {name} {found[name]!r}. Expected {expected}.")
            return None
        return unicodedata.normalize("NFC", found["label"]), split


def _split(found: dict[str, str]) -> str | None:
    if _VALID in found:
        return _TRUTHS.get(found[_VALID].lower())
    return SPLIT_FOLDERS.get(found.get("split", "train").lower())


def _without_repeats(file: Path, rows: list[_Row], faults: Faults) -> list[_Row]:
    first: dict[str, _Row] = {}
    repeated = 0
    for row in rows:
        earlier = first.setdefault(os.path.normcase(row.path), row)
        if earlier is row:
            continue
        for what in ("split", "label"):
            one, other = getattr(earlier, what), getattr(row, what)
            if one != other:
                faults.tell(
                    f"{file}, line {row.line}: {row.path} has {what} {other!r} here and {one!r} "
                    f"in line {earlier.line}. Keep one of the two rows."
                )
        repeated += (earlier.split, earlier.label) == (row.split, row.label)
    if repeated:
        faults.mention(f"{file}: {repeated:,} rows repeat others; left out")
    return list(first.values())


def _of_classes(
    file: Path, rows: list[_Row], classes: tuple[str, ...], faults: Faults
) -> list[_Row]:
    known = set(classes)
    shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
    for row in rows:
        if row.label not in known:
            faults.tell(
                f"{file}, line {row.line}: label {row.label!r} of split {row.split} does not "
                f"occur in train, whose classes are: {shown}. Correct it, or add pictures of it "
                "to train."
            )
    return [row for row in rows if row.label in known]


def _of_files(file: Path, rows: list[_Row], faults: Faults) -> list[_Row]:
    folders: dict[str, set[str]] = {}
    missing = [row for row in rows if not _is_file(row.path, folders)]
    for number, row in enumerate(missing):
        # Who stops at the first shall know that there are more.
        left = len(missing) - number - 1
        others = f" {left:,} other rows have none either." if left and not number else ""
        faults.tell(
            f"{file}, line {row.line}: no such file: {row.path}.{others} "
            "Expected paths relative to the folder of the list."
        )
    gone = {row.line for row in missing}
    return [row for row in rows if row.line not in gone] if gone else rows


def _is_file(path: str, folders: dict[str, set[str]]) -> bool:
    """Tell whether a file is there, by listing its folder once: asking for each takes longer."""
    folder, _, name = path.rpartition(os.sep)
    found = folders.get(folder)
    if found is None:
        found = folders[folder] = _files(folder + os.sep)
    # Some systems know more names for a file than they list.
    return name in found or os.path.isfile(path)  # noqa: PTH113 - no raise


def _files(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (OSError, ValueError):
        return set()
