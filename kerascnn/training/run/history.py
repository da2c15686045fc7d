"""The file of a run's metrics, one row per epoch.

Knows: its format, and how an edited one is noticed. Does not know: run folders.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from kerascnn.errors import ModelFileError, kind_and_line
from kerascnn.files import read_text, write_text
from kerascnn.training.callbacks import EpochRecord
from kerascnn.typed_json import build


def read_history(path: Path) -> list[EpochRecord]:
    """Read the rows of a ``history.csv``.

    Raises:
        ModelFileError: It is missing, or was edited.
    """
    rows = csv.DictReader(io.StringIO(read_text(path)), strict=True)
    try:
        records = [_record(row) for row in rows]
        if [record.epoch for record in records] != [*range(1, len(records) + 1)]:
            raise ValueError("its epochs are not numbered 1, 2, 3 and so on")
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise ModelFileError(
            f"{path}: not the history of a run ({kind_and_line(error)}). "
            "Expected one row of numbers per epoch, as kerascnn train writes them."
        ) from error
    return records


def _record(row: dict[str, str]) -> EpochRecord:
    if None in row or None in row.values():  # csv.DictReader's marks of these
        raise ValueError("a row has more or fewer values than the first line")
    return build(EpochRecord, {k: float(v) for k, v in row.items()} | {"epoch": int(row["epoch"])})


def write_history(path: Path, records: Sequence[EpochRecord]) -> None:
    """Write a ``history.csv``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(EpochRecord)])
    writer.writeheader()
    writer.writerows(asdict(record) for record in records)
    write_text(path, text.getvalue())
