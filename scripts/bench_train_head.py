"""Head-only training against one pass over the pictures: for scripts/bench_train --head.

Knows: both, of ResNet50 at 224 pixels. Does not know other tasks.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from bench_train_rounds import CLASSES, pictures_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from kerascnn.training.callbacks import EpochRecord

VALIDATION = 52


def head(count: int = 512, epochs: int = 5) -> None:
    """Compare head-only training of ResNet50 with one pass over the pictures."""
    images, _ = pictures_of(224, count + VALIDATION)
    spent = trained(images, count, epochs)
    passes = passed(images)
    print(
        f"head-only, {count} pictures and {VALIDATION} for validation, {epochs} epochs, all "
        f"written: {spent:.1f} s; one pass over them: {passes[0]:.1f} s with tracing, ratio "
        f"{spent / passes[0]:.2f}; again {passes[1]:.1f} s, ratio {spent / passes[1]:.2f}"
    )


def trained(images: npt.NDArray[np.uint8], count: int, epochs: int) -> float:
    """Give the seconds from the first step to the end of the last epoch."""
    from kerascnn import training
    from kerascnn.training.callbacks import Callback

    class Clock(Callback):
        began = ended = 0.0

        def on_run_begin(self, folder: Path, epochs_done: int) -> None:  # noqa: ARG002 - Callback'
            self.began = time.perf_counter()

        def on_epoch_end(self, record: EpochRecord, best: bool) -> None:  # noqa: ARG002
            self.ended = time.perf_counter()

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(
            data, x_train=images[:count], y_train=np.arange(count) % CLASSES,
            x_val=images[count:], y_val=np.arange(len(images) - count) % CLASSES,
        )  # fmt: skip
        config = training.TrainConfig(
            data=str(data), model="resnet50", trainable="head", epochs=epochs, cache="none",
            calibration=False, out=str(Path(folder) / "run"),
        )  # fmt: skip
        training.fit(config, clock)
    return clock.ended - clock.began


def passed(images: npt.NDArray[np.uint8]) -> list[float]:
    """Give the seconds of two passes; the first traces the network, as training does."""
    from kerascnn.training.networks import build_network, find_network
    from kerascnn.training.networks.from_pixels import from_pixels, predict_logits

    network = build_network("resnet50", CLASSES, 224)
    model = from_pixels(network, find_network("resnet50").normalization)
    model.jit_compile = False
    passes = []
    for _ in range(2):
        began = time.perf_counter()
        predict_logits(model, images)
        passes.append(time.perf_counter() - began)
    return passes
