"""Finds pairs of pictures whose whitened thumbnails are nearly equal.

Knows: how to compare very many pictures. Does not know what a pair means.

Up to about ten thousand pictures, all pairs are compared exactly: the first :data:`_FEW` whitened
values rule out nearly all of them, because a partial distance is a lower bound of the whole. The
remaining pairs are compared in full.

With more pictures, only those are compared that lie on the same side of several random planes
(locality-sensitive hashing: Charikar 2002, "Similarity estimation techniques from rounding
algorithms"). There are enough tables of planes that a pair with exactly :data:`MIN_SIMILARITY` is
missed once in :data:`_MISSED`, and one with 0.98 once in a hundred thousand. So twice as many
pictures take little more than twice as long. The planes are always the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kerascnn.dataset.check.fingerprints import THUMBNAIL
from kerascnn.dataset.check.whitening import WhitenedSpace

MIN_SIMILARITY = 0.95
"""Cosine similarity from which two pictures are near-duplicates."""

_FEW = 40
"""Number of values to compare first; they are sorted by variance, so a few decide most pairs."""

_ROWS, _COLUMNS = 1024, 8192
"""Block of pairs to compare at a time: 32 MB."""

_MANY = 20_000**2
"""Number of pairs from which tables are faster; above 30,000 pictures they are five times as
fast."""

_MISSED = 500
"""Number of pairs with exactly MIN_SIMILARITY of which the tables miss one on average."""

_GATHERED = 1 << 18
"""Pairs whose first values are gathered at a time: 80 MB."""

_DEARER = 100
"""Cost of comparing one gathered pair, in pairs of a matrix product."""

_Floats = npt.NDArray[np.float32]
_Indices = npt.NDArray[np.int64]
_Keys = npt.NDArray[np.uint32]
Pairs: TypeAlias = tuple[_Indices, _Indices, _Floats]


def similar_pairs(
    space: WhitenedSpace, thumbnails: npt.NDArray[np.uint8], ones: _Indices, others: _Indices
) -> Iterator[Pairs]:
    """Yield arrays of pairs of indices with their similarity.

    Args:
        thumbnails: Thumbnails of all pictures, uint8 ``[pictures, THUMBNAIL]``.
        others: Indices of the second pictures; if it is the same array as ``ones``, every pair of
            different pictures is compared once.
    """
    if len(ones) * len(others) > _MANY:
        tables = _Tables(space, thumbnails, ones, others)
        if tables.candidates() * _DEARER < len(ones) * len(others):
            yield from tables.pairs()
            return
    yield from _all_pairs(space, thumbnails, ones, others)


def _all_pairs(
    space: WhitenedSpace, thumbnails: npt.NDArray[np.uint8], ones: _Indices, others: _Indices
) -> Iterator[Pairs]:
    """Compare every picture with every other."""
    mirrored = ones is others
    rows, columns = (space.project_first(thumbnails[some], _FEW) for some in (ones, others))
    for top in range(0, len(ones), _ROWS):
        row = rows[top : top + _ROWS]
        for left in range(top if mirrored else 0, len(others), _COLUMNS):
            near = _may_be_near(row, columns[left : left + _COLUMNS])
            first, second = near[0] + top, near[1] + left
            if mirrored:
                first, second = first[second > first], second[second > first]
            if len(first):
                yield _near(space, thumbnails, ones[first], others[second])


def _may_be_near(one: _Floats, other: _Floats) -> tuple[_Indices, _Indices]:
    """Return the positions of pairs that the first values do not rule out."""
    # |a - b|^2 as one matrix product, without a further pass over the pairs.
    ones, size = np.ones((len(one), 1), np.float32), (one * one).sum(axis=1, keepdims=True)
    others, length = (
        np.ones((len(other), 1), np.float32),
        (other * other).sum(axis=1, keepdims=True),
    )
    distance = np.hstack([-2 * one, size, ones]) @ np.hstack([other, others, length]).T
    return np.divmod(np.flatnonzero(distance <= 2 - 2 * MIN_SIMILARITY + 1e-4), len(other))


def _near(
    space: WhitenedSpace, thumbnails: npt.NDArray[np.uint8], ones: _Indices, others: _Indices
) -> Pairs:
    # Each of thousands of copies is in thousands of pairs, but is projected once.
    first, row = np.unique(ones, return_inverse=True)
    second, column = np.unique(others, return_inverse=True)
    similarity = (space.project(thumbnails[first]) @ space.project(thumbnails[second]).T)[
        row, column
    ]
    good = similarity >= MIN_SIMILARITY
    return ones[good], others[good], similarity[good]


class _Tables:
    """Hash tables of pictures, keyed by their sides of random planes."""

    def __init__(
        self,
        space: WhitenedSpace,
        thumbnails: npt.NDArray[np.uint8],
        ones: _Indices,
        others: _Indices,
    ) -> None:
        self._space, self._thumbnails, self._ones, self._others = space, thumbnails, ones, others
        self._mirrored = ones is others
        # Enough planes that only a few pictures share all sides.
        self._bits = max(8, min(31, round(math.log2(len(others)))))
        agree = (1 - math.acos(MIN_SIMILARITY) / math.pi) ** self._bits
        tables = math.ceil(-math.log(_MISSED) / math.log1p(-agree))
        draws = np.random.default_rng(0)
        self._planes = draws.standard_normal((THUMBNAIL, tables * self._bits), np.float32)
        self._row_keys, self._rows = self._place(ones)
        self._column_keys, self._columns = (
            (self._row_keys, self._rows) if self._mirrored else self._place(others)
        )

    def _place(self, indices: _Indices) -> tuple[_Keys, _Floats]:
        """Return keys ``[tables, pictures]``, and first values ``[pictures, _FEW]``."""
        weights = 2.0 ** np.arange(self._bits)  # exact in float64, for a matrix product
        keys, first = [], []
        for vectors in self._space.project_in_chunks(self._thumbnails[indices]):
            sides = (vectors @ self._planes > 0).reshape(len(vectors), -1, self._bits)
            keys.append((sides.astype(np.float64) @ weights).astype(np.uint32).T)
            first.append(vectors[:, :_FEW])
        return np.concatenate(keys, axis=1), np.concatenate(first)

    def candidates(self) -> int:
        """Estimate the number of pairs that share a key, over all tables, from the first table."""
        _, start, stop = self._ranges(0)
        return len(self._column_keys) * int((stop - start).sum())

    def pairs(self) -> Iterator[Pairs]:
        """Yield pairs; some occur more than once."""
        for table in range(len(self._column_keys)):
            order, start, stop = self._ranges(table)
            for first, place in _spread(start, stop):
                second = order[place]
                if self._mirrored:
                    first, second = first[second > first], second[second > first]
                apart = self._rows[first] - self._columns[second]
                near = np.einsum("ij,ij->i", apart, apart) <= 2 - 2 * MIN_SIMILARITY + 1e-4
                if near.any():
                    one, other = self._ones[first[near]], self._others[second[near]]
                    yield _near(self._space, self._thumbnails, one, other)

    def _ranges(self, table: int) -> tuple[_Indices, _Indices, _Indices]:
        """Return the columns sorted by key, and the range of columns that match each row."""
        keys, wanted = self._column_keys[table], self._row_keys[table]
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        return order, np.searchsorted(ordered, wanted), np.searchsorted(ordered, wanted, "right")


def _spread(start: _Indices, stop: _Indices) -> Iterator[tuple[_Indices, _Indices]]:
    """Expand ranges to pairs of row and position, some rows at a time."""
    ends = np.cumsum(stop - start)
    row = 0
    while row < len(start):
        before = ends[row - 1] if row else 0
        after = max(row + 1, int(np.searchsorted(ends, before + _GATHERED)))
        counts = (stop - start)[row:after]
        shift = np.repeat(start[row:after] - (np.cumsum(counts) - counts), counts)
        yield np.repeat(np.arange(row, after), counts), shift + np.arange(len(shift))
        row = after
