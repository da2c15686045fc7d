"""Resumes ``predict --json``: reads the predictions in its previous output.

Knows: JSON lines, and that the last one may be cut off. Does not know how predictions are made or
where they are printed.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerascnn.errors import DataError, KerascnnError


@dataclass(frozen=True)
class PreviousOutput:
    """The output of an interrupted run.

    Attributes:
        answered: Paths that have a prediction; those that could not be read are not included.
        whole: Bytes of complete lines; anything after them was cut off.
        ended: Whether the last complete line ends with a newline.
    """

    file: Path
    answered: frozenset[str]
    whole: int
    ended: bool


def read_previous(file: str | Path, classes: Collection[str]) -> PreviousOutput:
    """Read a previous output. A million lines take about 160 MB of memory.

    ``classes``: those of the current model, to detect the output of another one.

    Raises:
        DataError: No such file, a line that is not a prediction, or predictions of another model.
    """
    path = Path(file)
    try:
        with path.open("rb") as lines:
            return _read(path, lines, classes)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Expected an earlier output of "
            "`kerascnn predict --json`; the first time, leave out `resume`."
        ) from error


def _read(path: Path, lines: Iterable[bytes], classes: Collection[str]) -> PreviousOutput:
    answered: set[str] = set()
    whole, ended = 0, True
    for number, line in enumerate(lines, 1):
        complete = line.endswith(b"\n")
        if complete and not line.strip():  # left by an editor
            whole += len(line)
            continue
        row = _row(line)
        if row is None and not complete:
            break  # killed in the middle of writing it
        if row is None:
            raise DataError(
                f"{path}, line {number}: {line[:60]!r} is not a prediction. Expected a "
                "file that `kerascnn predict --json` wrote, and nothing else in it."
            )
        _check_model(f"{path}, line {number}", row, classes)
        if "top" in row:
            answered.add(row["path"])
        whole, ended = whole + len(line), complete
    return PreviousOutput(path, frozenset(answered), whole, ended)


def repair(earlier: PreviousOutput, descriptor: int) -> None:
    """Repair a previous output that new lines may be appended to.

    A line that was cut off is removed: the next line would otherwise continue it, and its picture
    is classified again anyway. New lines go to ``descriptor``: the previous output itself, or a
    pipe, behind which a program like ``tee -a`` may append to it. With any other file the previous
    output stays unchanged.

    Raises:
        KerascnnError: The file cannot be written.
    """
    try:
        old, new = earlier.file.stat(), os.fstat(descriptor)
        whole = earlier.ended and earlier.whole == old.st_size
        if whole or not (os.path.samestat(new, old) or stat.S_ISFIFO(new.st_mode)):
            return
        with earlier.file.open("rb+") as file:
            file.truncate(earlier.whole)
            if not earlier.ended:
                file.seek(0, os.SEEK_END)
                file.write(b"\n")
    except OSError as error:
        raise KerascnnError(
            f"{earlier.file}: its last line was cut off, and it cannot be repaired "
            f"({error.strerror}). Make it writable, or write the new lines to another file."
        ) from error


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("path"), str):
        return None
    top = row.get("top", [{}] if "error" in row else None)
    whole = isinstance(top, list) and top and all(isinstance(one, dict) for one in top)
    return row if whole else None


def _refuse_constant(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity, which earlier versions wrote


def _check_model(where: str, row: dict[str, Any], classes: Collection[str]) -> None:
    labels = [top.get("label") for top in row.get("top", [])]
    unknown = [label for label in labels if label not in classes]
    if unknown:
        raise DataError(
            f"{where}: {unknown[0]!r} is not a class of this model, so a different model wrote "
            "the file. Continue with that model, or start again without `resume`."
        )
