"""Which pictures are the same, or nearly.

Knows: prints, how alike two looks are, and how to compare very many. Does not know labels,
splits or files.

*The same* are pictures whose decoded pixels are equal. *Nearly the same* are those whose looks
agree in what sets pictures of this data set apart: looks are whitened, that is, scaled so that
what varies much among the pictures counts no more than what varies little, and two are twins when
the cosine between them is at least :data:`TWINS`. Without that step, two pairs of trousers would
be as much alike as a photograph and its copy in another quality. Brightness and contrast do not
count. A copy that is smaller or more compressed is found; one that is mirrored, turned, cut by
more than about a hundredth, or has lost its colours is not.

Every picture is compared with every other; an index would be guesswork for little gain. The
first :data:`_FEW` of the whitened values decide nearly all pairs, exactly: a part of a distance
is never more than the whole. Pairs that remain are compared in full.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kerascnn.dataset.prints import FLAT, LOOK, SIDE, Prints

TWINS = 0.97
"""Cosine from which two pictures are nearly the same."""

_FEW = 40
_ROWS, _COLUMNS = 1024, 8192
"""Pairs compared at once: 32 MB."""

_SAMPLE = 4000
"""Pictures from which it is learned what varies."""

_SHARE, _NOISE = 0.1, 0.05**2
"""Variances below this share of their mean, or below that of compression, are not scaled up."""

_Floats = npt.NDArray[np.float32]
_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Pictures that are the same or nearly.

    Attributes:
        indices: At least two, rising.
        exact: Whether the pixels of all are equal.
        similarity: The smallest that links two of them; 1 where all are equal.
    """

    indices: tuple[int, ...]
    exact: bool
    similarity: float


@dataclass(frozen=True)
class Twin:
    """The picture that is most alike.

    Attributes:
        index: Its index.
        similarity: From :data:`TWINS` to 1.
        exact: Whether the pixels are equal.
    """

    index: int
    similarity: float
    exact: bool


class _Space:
    """What varies among the pictures of a data set, and how much."""

    def __init__(self, looks: npt.NDArray[np.uint8]) -> None:
        sample = _normalised(looks[:: max(1, len(looks) // _SAMPLE)]).astype(np.float64)
        # Few pictures cannot tell what varies: then all values count alike.
        known = max(0.0, 1 - LOOK / len(sample))
        self._mean = (sample.mean(axis=0) * known).astype(np.float32)
        spread = np.cov(sample.T, bias=True) if len(sample) > 1 else np.eye(LOOK)
        usual = max(np.trace(spread) / LOOK, _NOISE)
        spread = known * spread + (1 - known) * usual * np.eye(LOOK)
        variances, directions = np.linalg.eigh(spread)
        scale = np.sqrt(np.maximum(variances, 0) + max(_SHARE * usual, _NOISE))
        # What varies most comes first: it decides soonest.
        self._basis = (directions / scale)[:, ::-1].astype(np.float32)

    def place(self, looks: npt.NDArray[np.uint8]) -> _Floats:
        """Give unit vectors, float32 ``[pictures, LOOK]``."""
        vectors: _Floats = (_normalised(looks) - self._mean) @ self._basis
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        return vectors

    def begin(self, looks: npt.NDArray[np.uint8]) -> _Floats:
        """Give the first values of each unit vector, float32 ``[pictures, _FEW]``."""
        parts = [
            self.place(looks[start : start + _COLUMNS])[:, :_FEW]
            for start in range(0, len(looks), _COLUMNS)
        ]
        return np.concatenate(parts)


def _normalised(looks: npt.NDArray[np.uint8]) -> _Floats:
    """Take away brightness and contrast."""
    values = looks.astype(np.float32)
    grey, colours = values[:, : SIDE * SIDE], values[:, SIDE * SIDE :]
    contrast = np.maximum(grey.std(axis=1, keepdims=True), FLAT)
    level: _Floats = np.hstack([grey - grey.mean(axis=1, keepdims=True), colours - 128])
    level /= contrast
    return level


def group_twins(prints: Prints) -> list[Group]:
    """Find all pictures that are the same or nearly.

    Args:
        prints: Of all pictures.

    Returns:
        Groups, in the order of their first pictures; no picture is in two.
    """
    same = _by_hash(prints, range(len(prints)))
    leaders = np.asarray([members[0] for members in same.values()], np.int64)
    leaders = leaders[~prints.flat[leaders]]
    links = _Links(len(prints))
    for members in same.values():
        for member in members[1:]:
            links.join(members[0], member, 1.0)
    if len(leaders) > 1:
        space = _Space(prints.looks[leaders])
        for one, other, similarity in _pairs(space, prints.looks, leaders, leaders):
            links.join_all(one, other, similarity)
    return [
        Group(tuple(members), len({prints.hashes[i] for i in members}) == 1, similarity)
        for members, similarity in links.groups()
    ]


def find_twins(prints: Prints, of: Sequence[int], among: Sequence[int]) -> dict[int, Twin]:
    """Find for some pictures the one among others that is most alike.

    Args:
        prints: Of all pictures.
        of: Indices to look for.
        among: Indices to look among; none of ``of``.

    Returns:
        By index of ``of``, where there is one: its twin.
    """
    there = _by_hash(prints, among)
    wanted = [index for index in of if prints.hashes[index]]
    found = {
        index: Twin(there[prints.hashes[index]][0], 1.0, True)
        for index in wanted
        if prints.hashes[index] in there
    }
    flat = prints.flat
    rest = np.asarray([i for i in wanted if i not in found and not flat[i]], np.int64)
    leaders = np.asarray([m[0] for m in there.values() if not flat[m[0]]], np.int64)
    if len(rest) and len(leaders):
        space = _Space(prints.looks[np.concatenate([rest, leaders])])
        for ones, others, similarities in _pairs(space, prints.looks, rest, leaders):
            for one, other, similarity in zip(ones, others, similarities, strict=True):
                if int(one) not in found or similarity > found[int(one)].similarity:
                    found[int(one)] = Twin(int(other), float(similarity), False)
    return found


def _by_hash(prints: Prints, indices: Sequence[int]) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = defaultdict(list)
    for index in indices:
        if prints.hashes[index]:
            found[prints.hashes[index]].append(index)
    return found


def _pairs(
    space: _Space, looks: npt.NDArray[np.uint8], ones: _Indices, others: _Indices
) -> Iterator[tuple[_Indices, _Indices, _Floats]]:
    """Give pairs of indices with their similarity, a few at a time; each pair once."""
    mirrored = ones is others
    rows, columns = space.begin(looks[ones]), space.begin(looks[others])
    for top in range(0, len(ones), _ROWS):
        row = rows[top : top + _ROWS]
        for left in range(top if mirrored else 0, len(others), _COLUMNS):
            near = _may_be_near(row, columns[left : left + _COLUMNS])
            first, second = near[0] + top, near[1] + left
            if mirrored:
                first, second = first[second > first], second[second > first]
            # Of very many alike, the vectors are too large to be made all at once.
            for start in range(0, len(first), _ROWS * 8):
                part = slice(start, start + _ROWS * 8)
                yield from _near(space, looks, ones[first[part]], others[second[part]])


def _may_be_near(one: _Floats, other: _Floats) -> tuple[_Indices, _Indices]:
    """Give the places of pairs whose first values alone do not set them too far apart."""
    # |a - b|^2 as one product: no further pass over all the pairs.
    ones, size = np.ones((len(one), 1), np.float32), (one * one).sum(axis=1, keepdims=True)
    others, length = (
        np.ones((len(other), 1), np.float32),
        (other * other).sum(axis=1, keepdims=True),
    )
    distance = np.hstack([-2 * one, size, ones]) @ np.hstack([other, others, length]).T
    return np.divmod(np.flatnonzero(distance <= 2 - 2 * TWINS + 1e-4), len(other))


def _near(
    space: _Space, looks: npt.NDArray[np.uint8], ones: _Indices, others: _Indices
) -> Iterator[tuple[_Indices, _Indices, _Floats]]:
    if len(ones):
        similarity = (space.place(looks[ones]) * space.place(looks[others])).sum(axis=1)
        good = similarity >= TWINS
        yield ones[good], others[good], similarity[good]


class _Links:
    """Which pictures hang together (disjoint sets)."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)
        self._weakest: dict[int, float] = {}

    def join(self, one: int, other: int, similarity: float) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        weakest = min(similarity, self._weakest.get(first, 1.0), self._weakest.pop(second, 1.0))
        self._parent[second] = first
        self._weakest[first] = weakest

    def join_all(self, ones: _Indices, others: _Indices, similarities: _Floats) -> None:
        # Of very many pairs, most are within a group already.
        for one, other, similarity in zip(ones, others, similarities, strict=True):
            if self._root(int(one)) != self._root(int(other)):
                self.join(int(one), int(other), float(similarity))

    def groups(self) -> Iterator[tuple[list[int], float]]:
        members: dict[int, list[int]] = defaultdict(list)
        for index in np.flatnonzero(self._parent != np.arange(len(self._parent))):
            members[self._root(int(index))].append(int(index))
        for root in sorted(members):
            yield [root, *members[root]], self._weakest[root]

    def _root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = int(self._parent[index])
        return index
