"""Converts RGB to the single channel of a gray model.

Knows: the formula. Does not know models; ``kerascnn.training.export.preprocessing`` builds the same
arithmetic into the exported graph.
"""

from __future__ import annotations

import numpy as np

from kerascnn.images.resizing import UInt8Array

GRAY_WEIGHTS = (19595, 38470, 7471)
"""Weights of red, green and blue, in 65536ths: ITU-R BT.601 as rounded by Pillow's
``convert("L")``. They sum to 65536, so a gray picture keeps its values."""


def gray(pictures: UInt8Array) -> UInt8Array:
    """Convert RGB, uint8 ``[..., 3]``, to gray, uint8 ``[..., 1]``, exactly as Pillow does.

    Examples:
        >>> gray(np.asarray([[255, 0, 0], [7, 7, 7]], np.uint8)).tolist()
        [[76], [7]]
    """
    total = pictures.astype(np.int32) @ np.asarray(GRAY_WEIGHTS, np.int32)
    return ((total + 32768) >> 16).astype(np.uint8)[..., None]
