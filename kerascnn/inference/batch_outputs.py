"""Outputs of the network for a batch, some pictures of which may be unreadable.

Knows: errors of pictures, outputs that are not finite. Does not know how pictures are read or the
network is run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerascnn.errors import PictureError
from kerascnn.images import UInt8Array
from kerascnn.inference.prediction import finite_rows, not_finite_error
from kerascnn.inference.reading import SizedPicture

Float32Array = npt.NDArray[np.float32]


class BatchOutputs(NamedTuple):
    """Outputs of the network for a batch of pictures.

    Attributes:
        logits: float32 ``[pictures, classes]``, of the pictures with finite outputs, in order.
        probabilities: Likewise.
        errors: Errors of the other pictures, by index in the batch.
        seconds: Duration of the network's run.
    """

    logits: Float32Array
    probabilities: Float32Array
    errors: dict[int, PictureError]
    seconds: float


def run_batch(
    run: Callable[[UInt8Array], tuple[Float32Array, Float32Array]],
    batch: Sequence[SizedPicture],
    shape: tuple[int, int],
) -> BatchOutputs:
    """Run a network on the readable pictures of a batch, which have height and width ``shape``."""
    good: dict[int, UInt8Array] = {}
    errors: dict[int, PictureError] = {}
    for place, (_, sized) in enumerate(batch):
        if isinstance(sized, PictureError):
            errors[place] = sized
        else:
            good[place] = sized
    none = np.empty((0, *shape, 3), np.uint8)
    pictures = np.stack(list(good.values())) if good else none
    start = time.perf_counter()
    logits, probabilities = run(pictures)
    seconds = time.perf_counter() - start
    finite = finite_rows(logits, probabilities)
    if not finite.all():
        bad = [place for place, sound in zip(good, finite, strict=True) if not sound]
        errors |= {place: not_finite_error(batch[place][0]) for place in bad}
        logits, probabilities = logits[finite], probabilities[finite]
    return BatchOutputs(logits, probabilities, errors, seconds)
