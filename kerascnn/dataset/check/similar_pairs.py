"""Pairs of pictures whose whitened thumbnails are nearly the same.

Knows: how to compare very many. Does not know: what a pair means.

Up to some ten thousand pictures, every one is compared with every other, exactly: the first
:data:`_FEW` of the whitened values decide nearly all pairs, because a part of a distance is never
more than the whole. The pairs that remain are compared in full.

With more pictures, only those are compared that fall on the same side of each of some random planes
(locality-sensitive hashing: Charikar 2002, "Similarity estimation techniques from rounding
algorithms"), in so many tables of planes that a pair of just :data:`MIN_SIMILARITY` is missed once
in :data:`_MISSED`, and one of 0.98 once in a hundred thousand. So twice as many pictures take
little more than twice as long. The planes are always the same.
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
"""Cosine from which two pictures are nearly the same."""

_FEW = 40
"""Values that are compared first; whitening sorts them by variance, so few decide most pairs."""

_ROWS, _COLUMNS = 1024, 8192
"""Pairs compared at once: 32 MB."""

_MANY = 20_000**2
"""Pairs from which on tables are faster; above 30,000 pictures they are five times as fast."""

_MISSED = 500
"""Of so many pairs of just MIN_SIMILARITY, the tables miss one."""

_GATHERED = 1 << 18
"""Pairs whose first values are gathered at once: 80 MB."""

_DEARER = 100
"""A pair that is gathered takes as long as so many in a product of matrices."""

_Floats = npt.NDArray[np.float32]
_Indices = npt.NDArray[np.int64]
_Keys = npt.NDArray[np.uint32]
Pairs: TypeAlias = tuple[_Indices, _Indices, _Floats]


def similar_pairs(
    space: WhitenedSpace, thumbnails: npt.NDArray[np.uint8], ones: _Indices, others: _Indices
) -> Iterator[Pairs]:
    """Yield pairs of indices with their similarity, some at a time.

    Args:
        space: Whitens thumbnails.
        thumbnails: Of all pictures, uint8 ``[pictures, THUMBNAIL]``.
        ones: Indices of the first pictures.
        others: Indices of the second; the same array as ``ones`` for all pairs among them, each
            once and none of a picture with itself.
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
    """Return the places of pairs whose first values alone do not set them too far apart."""
    # |a - b|^2 as one product: no further pass over all the pairs.
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
    # Of thousands of copies, each is in thousands of pairs: it is placed once.
    first, row = np.unique(ones, return_inverse=True)
    second, column = np.unique(others, return_inverse=True)
    similarity = (space.project(thumbnails[first]) @ space.project(thumbnails[second]).T)[
        row, column
    ]
    good = similarity >= MIN_SIMILARITY
    return ones[good], others[good], similarity[good]


class _Tables:
    """Pictures sorted by the side of random planes on which they lie."""

    def __init__(
        self,
        space: WhitenedSpace,
        thumbnails: npt.NDArray[np.uint8],
        ones: _Indices,
        others: _Indices,
    ) -> None:
        self._space, self._thumbnails, self._ones, self._others = space, thumbnails, ones, others
        self._mirrored = ones is others
        # As many planes as leave a few pictures on the same sides of all.
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
        weights = 2.0 ** np.arange(self._bits)  # exact, and a product of matrices
        keys, first = [], []
        for vectors in self._space.project_in_chunks(self._thumbnails[indices]):
            sides = (vectors @ self._planes > 0).reshape(len(vectors), -1, self._bits)
            keys.append((sides.astype(np.float64) @ weights).astype(np.uint32).T)
            first.append(vectors[:, :_FEW])
        return np.concatenate(keys, axis=1), np.concatenate(first)

    def candidates(self) -> int:
        """Estimate the pairs that share a key in all tables, from one: they differ by chance."""
        _, start, stop = self._ranges(0)
        return len(self._column_keys) * int((stop - start).sum())

    def pairs(self) -> Iterator[Pairs]:
        """Yield pairs; some come more than once."""
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
        """Return columns by key, and where in them those of each row begin and end."""
        keys, wanted = self._column_keys[table], self._row_keys[table]
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        return order, np.searchsorted(ordered, wanted), np.searchsorted(ordered, wanted, "right")


def _spread(start: _Indices, stop: _Indices) -> Iterator[tuple[_Indices, _Indices]]:
    """Yield rows beside each place of their ranges, some rows at a time."""
    ends = np.cumsum(stop - start)
    row = 0
    while row < len(start):
        before = ends[row - 1] if row else 0
        after = max(row + 1, int(np.searchsorted(ends, before + _GATHERED)))
        counts = (stop - start)[row:after]
        shift = np.repeat(start[row:after] - (np.cumsum(counts) - counts), counts)
        yield np.repeat(np.arange(row, after), counts), shift + np.arange(len(shift))
        row = after
