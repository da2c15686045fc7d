"""Finds duplicates and near-duplicates among pictures.

Knows: fingerprints, nearest pictures and groups. Does not know how pairs are found
(:mod:`kerascnn.dataset.check.similar_pairs`), labels, splits or files.

*Duplicates* are pictures whose decoded pixels are equal. *Near-duplicates* are pictures whose
whitened thumbnails have a cosine similarity of at least :data:`MIN_SIMILARITY`. Whitening scales
thumbnails so that directions with much and little variance in this data set count equally. Without
it, two pairs of trousers would be as similar as a photograph and its copy in another quality.
Brightness and contrast do not count. A copy that is smaller or more compressed is found; one that
is mirrored, rotated, cropped by more than about 1 %, or converted to gray is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kerascnn.dataset.check.fingerprints import Fingerprints
from kerascnn.dataset.check.similar_pairs import similar_pairs
from kerascnn.dataset.check.whitening import WhitenedSpace

_Floats = npt.NDArray[np.float32]
_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Duplicates or near-duplicates.

    Attributes:
        indices: Indices of at least two pictures, ascending.
        exact: Whether all have equal pixels.
        similarity: Smallest similarity that links two of them; 1 if all are equal.
    """

    indices: tuple[int, ...]
    exact: bool
    similarity: float


@dataclass(frozen=True)
class NearDuplicate:
    """The most similar other picture.

    Attributes:
        exact: Whether the pixels are equal.
    """

    index: int
    similarity: float
    exact: bool


def group_near_duplicates(fingerprints: Fingerprints) -> list[Group]:
    """Group all duplicates and near-duplicates, disjoint, in the order of their first pictures."""
    same = _by_hash(fingerprints, range(len(fingerprints)))
    leaders = np.asarray([members[0] for members in same.values()], np.int64)
    leaders = leaders[~fingerprints.flat[leaders]]
    links = _DisjointSets(len(fingerprints))
    copies = [(members[0], copy) for members in same.values() for copy in members[1:]]
    if copies:
        first, second = np.asarray(copies, np.int64).T
        links.join(first, second, np.ones(len(copies), np.float32))
    if len(leaders) > 1:
        space = WhitenedSpace(fingerprints.thumbnails[leaders])
        for pairs in similar_pairs(space, fingerprints.thumbnails, leaders, leaders):
            links.join(*pairs)
    return [
        Group(tuple(members), len({fingerprints.hashes[i] for i in members}) == 1, similarity)
        for members, similarity in links.groups()
    ]


def find_nearest(
    fingerprints: Fingerprints, of: Sequence[int], among: Sequence[int]
) -> dict[int, NearDuplicate]:
    """Find the near-duplicate in ``among``, if there is one, for pictures in ``of``; by index."""
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
        found |= _nearest(fingerprints.thumbnails, rest, leaders)
    return found


def _nearest(
    thumbnails: npt.NDArray[np.uint8], of: npt.NDArray[np.int64], among: npt.NDArray[np.int64]
) -> dict[int, NearDuplicate]:
    found: dict[int, NearDuplicate] = {}
    space = WhitenedSpace(thumbnails[np.concatenate([of, among])])
    for ones, others, similarities in similar_pairs(space, thumbnails, of, among):
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
