"""Detection of validation pictures that are also training pictures.

Knows: pictures in memory, so none is decoded again. Does not know: which files they are; ``kerascnn
data check`` lists them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kerascnn.dataset import ArrayPictures
from kerascnn.dataset.check.fingerprints import concatenate, fingerprint_pictures
from kerascnn.dataset.check.near_duplicates import find_nearest

COPY = 0.99
"""Minimum similarity of copies; most reach it at two sizes of one picture, neighboring crops do
not."""


def count_leaks(train: npt.NDArray[np.uint8], val: npt.NDArray[np.uint8]) -> int:
    """Count the validation pictures that are equal to a training picture.

    Args:
        train: uint8 ``[pictures, side, side, 3]``.
        val: As ``train``; of another side if training pictures are stored larger for random crops.
            Then nearly equal pictures are counted, which misses some.
    """
    if train.shape[1:] != val.shape[1:]:
        parts = [fingerprint_pictures(ArrayPictures(part, "")) for part in (val, train)]
        fingerprints = concatenate(parts)
        found = find_nearest(fingerprints, range(len(val)), range(len(val), len(fingerprints)))
        return sum(one.similarity >= COPY for one in found.values())
    side = train.shape[1]
    rows = [side // 4, side // 2, 3 * side // 4]
    # Most pictures differ in these rows, so the others need not be read from disk.
    wanted = {one[rows].tobytes() for one in val}
    known = {hash(one.tobytes()) for one in train if one[rows].tobytes() in wanted}
    return sum(hash(one.tobytes()) in known for one in val)
