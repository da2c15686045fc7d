"""From RGB to the one channel of a gray model.

Knows: the formula. Does not know models: the exported graph does the same in
``kerascnn.training.export.preprocessing``.
"""

from __future__ import annotations

import numpy as np

from kerascnn.images.resizing import UInt8Array

GREY_WEIGHTS = (19595, 38470, 7471)
"""Of red, green and blue, in 65536ths: ITU-R BT.601 as Pillow's ``convert("L")`` rounds it. They
sum to 65536, so a picture that is grey already keeps its values."""


def grey(pictures: UInt8Array) -> UInt8Array:
    """Turn RGB, uint8 ``[..., 3]``, into gray, exactly as Pillow does.

    Returns:
        uint8 ``[..., 1]``.

    Examples:
        >>> grey(np.asarray([[255, 0, 0], [7, 7, 7]], np.uint8)).tolist()
        [[76], [7]]
    """
    total = pictures.astype(np.int32) @ np.asarray(GREY_WEIGHTS, np.int32)
    return ((total + 32768) >> 16).astype(np.uint8)[..., None]
