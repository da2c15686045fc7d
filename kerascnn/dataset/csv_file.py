"""Reads CSV files that list pictures: ``path,label`` and optionally ``split``.

Knows: the columns, and what makes a row invalid. Does not know whether a picture can be decoded,
which is found when it is read.
"""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Collection, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Protocol

import numpy as np

from kerascnn.dataset.csv_checks import of_classes, of_files, without_repeats
from kerascnn.dataset.csv_columns import VALID, Columns, find_columns
from kerascnn.dataset.csv_encoding import not_decodable, text_encoding
from kerascnn.dataset.csv_places import relocated
from kerascnn.dataset.csv_rows import Kind, Rows
from kerascnn.dataset.faults import STRICT, FaultHandler
from kerascnn.dataset.folder_listing import UNLISTED, ListedFolder, list_folder
from kerascnn.dataset.pictures import FilePictures
from kerascnn.dataset.split import SPLITS, Dataset, Split
from kerascnn.dataset.split_names import split_of
from kerascnn.errors import DataError
from kerascnn.files import reading
from kerascnn.uris import is_uri

_TRUTHS = {
    **dict.fromkeys(("true", "1", "1.0", "yes", "t", "y"), "val"),
    **dict.fromkeys(("false", "0", "0.0", "no", "f", "n"), "train"),
}
"""Values of is_valid from spreadsheets and fastai, and their splits."""


def load_csv(file: Path, faults: FaultHandler = STRICT, known: Collection[str] = ()) -> Dataset:
    """Read a list of pictures.

    The first line names the columns, in any order; other columns are ignored, and other names are
    understood where they can mean only one thing (:mod:`kerascnn.dataset.csv_columns`):

    * ``path``: path of a picture, relative to the list's folder, or absolute.
    * ``label``: name of its class; or one column per class, with a 1 in the column of its class.
    * ``split``: ``train``, ``val`` or ``test``; without this column, all rows are ``train``.
    * ``is_valid``, instead of ``split``: true for ``val``, false for ``train``, as in fastai.

    Returns:
        The data set. Its classes are the labels of ``train``, sorted by name in Unicode NFC; or of
        all rows, if none is ``train`` and a model's classes are known.

    Raises:
        DataError: With the line: a column or value is missing, a file does not exist, a picture is
            listed with two labels or in two splits, a label does not occur in train.
    """
    rows = without_repeats(relocated(_read(file, faults)), faults)
    used = {rows.known[kind] for kind in set(rows.kinds)}
    classes = tuple(sorted({kind.label for kind in used if kind.split == "train"}))
    if known and not classes:  # evaluation needs no training pictures
        classes = tuple(sorted({kind.label for kind in used}))
    if not classes:
        found = "only val and test" if used else "no rows"
        raise DataError(
            f"{file}: nothing to train on ({found}). Expected rows of split train, or no column "
            "split at all."
        )
    rows = of_classes(rows, classes, faults)
    rows = of_files(rows, faults)
    order = {name: label for label, name in enumerate(classes)}
    nothing = Split(FilePictures((), file.parent), np.zeros(0, np.int64))
    splits = {"train": nothing} | {
        name: one for name in SPLITS if (one := rows.split(name, order)) is not None
    }
    return Dataset(str(file), classes, splits)


def _read(file: Path, faults: FaultHandler) -> Rows:
    rows = Rows(file)
    try:
        with reading(file, DataError), file.open(encoding=text_encoding(file), newline="") as text:
            header = text.readline()
            text.seek(0)
            said = re.fullmatch(r"sep=(.)", header.strip("\r\n"))  # the first line of Excel's lists
            between = said[1] if said else next((one for one in ",;\t|" if one in header), ",")
            reader = csv.reader(text, strict=True, delimiter=between)
            if said:
                next(reader)
            names, first = next(reader, []), next(filter(any, reader), [])
            columns = find_columns(file, names, first)
            text.seek(0)
            reader = csv.reader(text, strict=True, delimiter=between)
            for _ in range(bool(said) + columns.has_header):
                next(reader, None)
            _Reader(rows, columns, faults).read(reader)
    except UnicodeDecodeError as error:
        faults.error(not_decodable(file, error))
    except csv.Error as error:
        faults.error(f"{file}, line {reader.line_num}: not CSV ({error}). Fix it.")
    return rows


class _Lines(Protocol):
    """The interface of csv.reader."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]:
        """Return an iterator over the values of each line."""


class _Reader:
    """Parses lines, perhaps millions; caches labels and folders, which recur."""

    def __init__(self, rows: Rows, columns: Columns, faults: FaultHandler) -> None:
        self._rows, self._file, self._columns, self._faults = rows, rows.file, columns, faults
        self._places, self._header = columns.places, columns.names
        self._base = os.path.join(os.path.normpath(rows.file.parent), "")  # noqa: PTH118 - quick
        self._kinds: dict[object, int] = {}
        if alike := columns.like_split():
            faults.warning(
                f"{rows.file}: column {alike} is ignored, so all pictures are training pictures. "
                "If it holds the split, rename it to split, with the values train, val and test."
            )
        self._numbers: dict[Kind, int] = {}
        self._folders: dict[str, ListedFolder] = {}
        self._met: set[str] = set()

    def read(self, reader: _Lines) -> None:
        """Parse all lines, and report problems."""
        rows, known, folders = self._rows, self._kinds, self._folders
        add_path, add_kind, add_line = rows.paths.append, rows.kinds.append, rows.lines.append
        add_missing, place, width = rows.missing.append, self._places["path"], len(self._header)
        rest = [at for name, at in self._places.items() if name != "path"]
        rest_of = itemgetter(*rest, *self._columns.classes)
        for values in reader:
            try:
                path, kind = values[place].strip(), known[rest_of(values)]
            except LookupError:
                path, kind = "", -1
            if not path or len(values) > width:
                if (understood := self._understood(reader.line_num, values)) is None:
                    continue
                path, kind = values[place].strip(), self._number(understood)
                known[rest_of(values)] = kind
            head, slash, name = path.rpartition("/")
            folder = folders.get(head) or self._list(head, slash, path)
            if name in folder.names:
                path = folder.path + name
            elif folder.is_complete_without(name):
                path = folder.path + name
                add_missing(len(rows.paths))
            else:
                path = os.path.normpath(os.path.join(self._base, path))  # noqa: PTH118
                if not os.path.isfile(path):  # noqa: PTH113 - Path raises for odd names
                    add_missing(len(rows.paths))
            add_path(path)
            add_kind(kind)
            add_line(reader.line_num)

    def _list(self, head: str, slash: str, path: str) -> ListedFolder:
        """List a folder at its second file: for many files this is faster than checking each."""
        if is_uri(path):  # to be reported unchanged
            self._folders[head] = ListedFolder(head + slash, set(), complete=True)
            return self._folders[head]
        if head not in self._met:
            self._met.add(head)
            return UNLISTED
        found = list_folder(os.path.normpath(os.path.join(self._base, head + slash)))  # noqa: PTH118
        self._folders[head] = found
        return found

    def _number(self, kind: Kind) -> int:
        number = self._numbers.setdefault(kind, len(self._numbers))
        if number == len(self._rows.known):
            self._rows.known.append(kind)
        return number

    def _understood(self, line: int, values: list[str]) -> Kind | None:
        """Return label and split of a line; None if it is empty or invalid, which is reported."""
        if not any(map(str.strip, values)):
            return None
        try:
            return self._kind_of(values, f"{self._file}, line {line}")
        except ValueError as fault:
            self._faults.error(str(fault))
            return None

    def _kind_of(self, values: list[str], where: str) -> Kind:
        """Return label and split of a line that is not empty, or raise a ValueError."""
        surplus = values[len(self._header) :]  # spreadsheets add empty values
        last = max(*self._places.values(), *self._columns.classes)
        if len(values) <= last or any(map(str.strip, surplus)):
            raise ValueError(
                f"{where}: {len(values)} values ({','.join(values)}), expected one for each of "
                f"{', '.join(self._header)}. Put a name with a comma in quotes."
            )
        found = {name: values[place].strip() for name, place in self._places.items()}
        if missing := next((name for name, value in found.items() if not value), None):
            raise ValueError(f"{where}: no {missing}. Fill it in, or remove the row.")
        label = self._columns.class_of(values) if self._columns.classes else found["label"]
        if not label:
            raise ValueError(
                f"{where}: {self._columns.flags(values)}. Expected 1 in the column of the "
                "picture's class and 0 in those of the others."
            )
        return Kind(unicodedata.normalize("NFC", label), _split(found, where))


def _split(found: dict[str, str], where: str) -> str:
    if VALID in found:
        if split := _TRUTHS.get(found[VALID].lower()):
            return split
        raise ValueError(f"{where}: is_valid {found[VALID]!r}. Expected True or False.")
    if split := split_of(found.get("split", "train")):
        return split
    raise ValueError(f"{where}: split {found['split']!r}. Expected {', '.join(SPLITS)}.")
