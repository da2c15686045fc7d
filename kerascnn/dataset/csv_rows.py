"""The rows of a list of pictures, as columns.

Knows: the parsed values of each line. Does not know CSV, or what makes a row invalid.
"""

from __future__ import annotations

from array import array
from collections.abc import Container
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerascnn.dataset.pictures import FilePictures
from kerascnn.dataset.split import Split


class Kind(NamedTuple):
    """Label and split of a row."""

    label: str
    split: str


@dataclass
class Rows:
    """The parsed rows as columns, because a million row objects would take 5 s and 300 MB.

    Attributes:
        lines: Line number of each row.
        known: Distinct pairs of label and split.
        missing: Rows whose picture does not exist.
    """

    file: Path
    lines: array[int] = field(default_factory=partial(array, "q"))
    paths: list[str] = field(default_factory=list)
    kinds: array[int] = field(default_factory=partial(array, "q"))
    known: list[Kind] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)

    def where(self, row: int) -> str:
        """Return file and line of a row, for messages."""
        return f"{self.file}, line {self.lines[row]}"

    def kind(self, row: int) -> Kind:
        """Return a row's label and split."""
        return self.known[self.kinds[row]]

    def without(self, rows: Container[int]) -> Rows:
        """Return the rows without some of them."""
        kept = np.fromiter((row not in rows for row in range(len(self.paths))), bool)
        places = np.cumsum(kept) - 1
        return Rows(
            self.file,
            array("q", compress(self.lines, kept)),
            list(compress(self.paths, kept)),
            array("q", compress(self.kinds, kept)),
            self.known,
            [int(places[row]) for row in self.missing if kept[row]],
        )

    def split(self, name: str, order: dict[str, int]) -> Split | None:
        """Return the pictures of a split with their labels; None if there are none."""
        kinds = np.frombuffer(self.kinds, np.int64)
        chosen = np.asarray([kind.split == name for kind in self.known])[kinds]
        if not chosen.any():
            return None
        labels = np.asarray([order.get(kind.label, -1) for kind in self.known], np.int64)
        paths = self.paths if chosen.all() else list(compress(self.paths, chosen.tolist()))
        return Split(FilePictures(paths, self.file.parent), labels[kinds[chosen]])
