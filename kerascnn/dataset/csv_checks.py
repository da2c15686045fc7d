"""Removes invalid rows of a list of pictures, and reports them.

Knows: repeated pictures, labels that do not occur in train, missing files. Does not know CSV.
"""

from __future__ import annotations

import os
from functools import cache, partial

from kerascnn.dataset.class_names import similar_class
from kerascnn.dataset.csv_places import elsewhere
from kerascnn.dataset.csv_rows import Rows
from kerascnn.dataset.faults import FaultHandler
from kerascnn.printable import first_few
from kerascnn.uris import is_uri


def without_repeats(rows: Rows, faults: FaultHandler) -> Rows:
    """Return the rows without those whose picture was listed before."""
    alike = rows.paths if os.sep == "/" else list(map(os.path.normcase, rows.paths))
    if len(set(alike)) == len(alike):
        return rows
    first: dict[str, int] = {}
    repeats: dict[int, int] = {}
    for row, path in enumerate(alike):
        earlier = first.setdefault(path, row)
        if earlier != row:
            repeats[row] = earlier
    for row, earlier in repeats.items():
        _tell_difference(rows, row, earlier, faults)
    repeated = sum(rows.kinds[row] == rows.kinds[earlier] for row, earlier in repeats.items())
    if repeated:
        faults.notice(f"{rows.file}: {repeated:,} duplicate rows were skipped")
    return rows.without(repeats)


def _tell_difference(rows: Rows, row: int, earlier: int, faults: FaultHandler) -> None:
    here, there = rows.kind(row), rows.kind(earlier)
    for what in ("split", "label"):
        one, other = getattr(there, what), getattr(here, what)
        if one != other:
            faults.error(
                f"{rows.where(row)}: {rows.paths[row]} has {what} {other!r} here and {one!r} in "
                f"line {rows.lines[earlier]}. Keep one of the two rows."
            )


def of_classes(rows: Rows, classes: tuple[str, ...], faults: FaultHandler) -> Rows:
    """Return the rows whose label is a class of the training pictures."""
    names = set(classes)
    odd = {number for number, kind in enumerate(rows.known) if kind.label not in names}
    strange = {row for row, kind in enumerate(rows.kinds) if kind in odd} if odd else set()
    shown, similar = first_few(classes, 20), cache(partial(similar_class, classes=classes))
    order = sorted(strange)

    def describe(number: int) -> str:
        label, split = rows.kind(order[number])
        return (
            f"{rows.where(order[number])}: label {label!r} of split {split} does not occur in "
            f"train, whose classes are: {shown}. Correct it, or add pictures of it to train."
            f"{similar(label)}"
        )

    faults.errors(len(order), describe)
    return rows.without(strange) if strange else rows


def of_files(rows: Rows, faults: FaultHandler) -> Rows:
    """Return the rows whose picture exists."""
    faults.errors(len(rows.missing), partial(_missing, rows, faults.goes_on))
    return rows.without(set(rows.missing)) if rows.missing else rows


def _missing(rows: Rows, all_are_told: bool, number: int) -> str:
    row = rows.missing[number]
    left = 0 if all_are_told else len(rows.missing) - number - 1
    others = f" {left:,} other rows have no file either." if left else ""
    if is_uri(rows.paths[row]):
        return (
            f"{rows.where(row)}: {rows.paths[row]} is a URL, and URLs are not fetched.{others} "
            "Expected paths of files: download the pictures first."
        )
    return (
        f"{rows.where(row)}: no such file: {rows.paths[row]}.{others} "
        "Expected paths relative to the folder of the list."
        f"{'' if number else elsewhere(rows, row)}"
    )
