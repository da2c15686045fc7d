"""Running a network over many pictures."""

import tracemalloc

import numpy as np

from kerascnn.training.networks.from_pixels import predict_logits

CLASSES = 2000


class Constant:
    """A network whose logits are the first value of a picture."""

    def predict_on_batch(self, pictures: np.ndarray) -> np.ndarray:
        return np.repeat(pictures[:, :1, 0, 0].astype(np.float32), CLASSES, axis=1)


def test_outputs_are_held_once_and_in_order() -> None:
    """Of 50,000 pictures and 2,000 classes, 400 MB that were there twice."""
    pictures = np.random.default_rng(0).integers(0, 256, (5003, 16, 16, 3), np.uint8)
    done: list[int] = []
    tracemalloc.start()
    try:
        logits = predict_logits(Constant(), pictures, done.append)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.array_equal(logits, np.repeat(pictures[:, :1, 0, 0], CLASSES, axis=1))
    assert done[-1] == len(pictures)
    assert most < 1.7 * logits.nbytes
