"""Which pictures are the same, or nearly.

Knows: fingerprints, how alike two thumbnails are, and how to compare very many. Does not know
labels, splits or files.

*The same* are pictures whose decoded pixels are equal. *Nearly the same* are those whose thumbnails
agree in what sets pictures of this data set apart: thumbnails are whitened, that is, scaled so that
what varies much among the pictures counts no more than what varies little, and two pictures are
near-duplicates when the cosine between them is at least :data:`MIN_SIMILARITY`. Without that step,
two pairs of trousers would be as much alike as a photograph and its copy in another quality.
Brightness and contrast do not count. A copy that is smaller or more compressed is found; one that
is mirrored, turned, cut by more than about a hundredth, or has lost its colors is not.

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

from kerascnn.dataset.check.fingerprints import FLAT, SIDE, THUMBNAIL, Fingerprints

MIN_SIMILARITY = 0.95
"""Cosine from which two pictures are nearly the same."""

_FEW = 40
"""Values that are compared first; whitening sorts them by variance, so few decide most pairs."""

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
class NearDuplicate:
    """The picture that is most alike.

    Attributes:
        index: Its index.
        similarity: From :data:`MIN_SIMILARITY` to 1.
        exact: Whether the pixels are equal.
    """

    index: int
    similarity: float
    exact: bool


class _WhitenedSpace:
    """What varies among the pictures of a data set, and how much."""

    def __init__(self, thumbnails: npt.NDArray[np.uint8]) -> None:
        sample = _normalized(thumbnails[:: max(1, len(thumbnails) // _SAMPLE)]).astype(np.float64)
        # Few pictures cannot tell what varies: then it is what varies in photographs.
        known = max(0.0, 1 - THUMBNAIL / len(sample))
        self._mean = (sample.mean(axis=0) * known).astype(np.float32)
        spread = np.cov(sample.T, bias=True) if known else np.zeros((THUMBNAIL, THUMBNAIL))
        usual = max(float((sample**2).mean()), _NOISE)
        spread = known * spread + (1 - known) * usual * _photographs()
        variances, directions = np.linalg.eigh(spread)
        scale = np.sqrt(np.maximum(variances, 0) + max(_SHARE * usual, _NOISE))
        # What varies most comes first: it decides soonest.
        self._basis = (directions / scale)[:, ::-1].astype(np.float32)

    def project(self, thumbnails: npt.NDArray[np.uint8]) -> _Floats:
        """Return unit vectors, float32 ``[pictures, THUMBNAIL]``."""
        vectors: _Floats = (_normalized(thumbnails) - self._mean) @ self._basis
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        return vectors

    def project_first(self, thumbnails: npt.NDArray[np.uint8]) -> _Floats:
        """Return the first values of each unit vector, float32 ``[pictures, _FEW]``."""
        parts = [
            self.project(thumbnails[start : start + _COLUMNS])[:, :_FEW]
            for start in range(0, len(thumbnails), _COLUMNS)
        ]
        return np.concatenate(parts)


def _photographs() -> npt.NDArray[np.float64]:
    """Return how grey values of photographs vary together, with a mean variance of 1.

    Their power falls with the square of the frequency (Field 1987), so wide shades say little of
    what is seen. Colors are taken as they come.
    """
    place, wave = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    cosines = np.cos(np.pi * (place + 0.5) * wave / SIDE)
    cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
    waves = np.kron(cosines, cosines)
    power = 1 / (1 + np.add.outer(np.arange(SIDE) ** 2, np.arange(SIDE) ** 2).ravel())
    spread = np.eye(THUMBNAIL)
    spread[: SIDE * SIDE, : SIDE * SIDE] = waves.T @ np.diag(power / power.mean()) @ waves
    return spread


def _normalized(thumbnails: npt.NDArray[np.uint8]) -> _Floats:
    """Normalize brightness and contrast."""
    values = thumbnails.astype(np.float32)
    grey, colors = values[:, : SIDE * SIDE], values[:, SIDE * SIDE :]
    contrast = np.maximum(grey.std(axis=1, keepdims=True), FLAT)
    level: _Floats = np.hstack([grey - grey.mean(axis=1, keepdims=True), colors - 128])
    level /= contrast
    return level


def group_near_duplicates(fingerprints: Fingerprints) -> list[Group]:
    """Find all pictures that are the same or nearly.

    Returns:
        Groups, in the order of their first pictures; no picture is in two.
    """
    same = _by_hash(fingerprints, range(len(fingerprints)))
    leaders = np.asarray([members[0] for members in same.values()], np.int64)
    leaders = leaders[~fingerprints.flat[leaders]]
    links = _DisjointSets(len(fingerprints))
    copies = [(members[0], copy) for members in same.values() for copy in members[1:]]
    if copies:
        first, second = np.asarray(copies, np.int64).T
        links.join(first, second, np.ones(len(copies), np.float32))
    if len(leaders) > 1:
        space = _WhitenedSpace(fingerprints.thumbnails[leaders])
        for pairs in _pairs(space, fingerprints.thumbnails, leaders, leaders):
            links.join(*pairs)
    return [
        Group(tuple(members), len({fingerprints.hashes[i] for i in members}) == 1, similarity)
        for members, similarity in links.groups()
    ]


def find_nearest(
    fingerprints: Fingerprints, of: Sequence[int], among: Sequence[int]
) -> dict[int, NearDuplicate]:
    """Find for some pictures the one among others that is most alike.

    Args:
        fingerprints: Fingerprints of all pictures.
        of: Indices to look for.
        among: Indices to look among; none of ``of``.

    Returns:
        By index of ``of``, where there is one: its nearest.
    """
    there = _by_hash(fingerprints, among)
    wanted = [index for index in of if fingerprints.hashes[index]]
    found = {
        index: NearDuplicate(there[fingerprints.hashes[index]][0], 1.0, True)
        for index in wanted
        if fingerprints.hashes[index] in there
    }
    flat = fingerprints.flat
    rest = np.asarray([i for i in wanted if i not in found and not flat[i]], np.int64)
    leaders = np.asarray([m[0] for m in there.values() if not flat[m[0]]], np.int64)
    if len(rest) and len(leaders):
        space = _WhitenedSpace(fingerprints.thumbnails[np.concatenate([rest, leaders])])
        for ones, others, similarities in _pairs(space, fingerprints.thumbnails, rest, leaders):
            order = np.lexsort((-similarities, ones))
            for place in order[np.unique(ones[order], return_index=True)[1]]:
                nearest = NearDuplicate(int(others[place]), float(similarities[place]), False)
                best = found.setdefault(int(ones[place]), nearest)
                if nearest.similarity > best.similarity:
                    found[int(ones[place])] = nearest
    return found


def _by_hash(fingerprints: Fingerprints, indices: Sequence[int]) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = defaultdict(list)
    for index in indices:
        if fingerprints.hashes[index]:
            found[fingerprints.hashes[index]].append(index)
    return found


def _pairs(
    space: _WhitenedSpace, thumbnails: npt.NDArray[np.uint8], ones: _Indices, others: _Indices
) -> Iterator[tuple[_Indices, _Indices, _Floats]]:
    """Return pairs of indices with their similarity, a few at a time; each pair once."""
    mirrored = ones is others
    rows, columns = space.project_first(thumbnails[ones]), space.project_first(thumbnails[others])
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
    space: _WhitenedSpace, thumbnails: npt.NDArray[np.uint8], ones: _Indices, others: _Indices
) -> tuple[_Indices, _Indices, _Floats]:
    # Of thousands of copies, each is in thousands of pairs: it is placed once.
    first, row = np.unique(ones, return_inverse=True)
    second, column = np.unique(others, return_inverse=True)
    similarity = (space.project(thumbnails[first]) @ space.project(thumbnails[second]).T)[
        row, column
    ]
    good = similarity >= MIN_SIMILARITY
    return ones[good], others[good], similarity[good]


class _DisjointSets:
    """Disjoint sets of pictures, merged many at a time."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)
        self._weakest = np.ones(count)

    def join(self, ones: _Indices, others: _Indices, similarities: _Floats) -> None:
        np.minimum.at(self._weakest, ones, similarities)
        while len(ones):
            one, other = self._parent[ones], self._parent[others]
            np.minimum.at(self._parent, np.maximum(one, other), np.minimum(one, other))
            while (self._parent != self._parent[self._parent]).any():
                self._parent = self._parent[self._parent]
            apart = self._parent[ones] != self._parent[others]
            ones, others = ones[apart], others[apart]

    def groups(self) -> Iterator[tuple[list[int], float]]:
        members: dict[int, list[int]] = defaultdict(list)
        sizes = np.bincount(self._parent, minlength=len(self._parent))
        for index in np.flatnonzero(sizes[self._parent] > 1):
            members[int(self._parent[index])].append(int(index))
        for group in members.values():
            yield group, float(self._weakest[group].min())
