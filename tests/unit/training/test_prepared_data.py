"""Pictures are decoded before Keras is imported: the memory of both would add up."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FIT = """
import sys
from kerascnn.training.callbacks import Callback
from kerascnn.training import TrainConfig, fit

class Told(Callback):
    read = ()

    def on_read(self, split, done, total):
        self.read = (*self.read, split) if done == total else self.read

    def on_work(self, what, done, total):
        imported = {"keras", "tensorflow", "jax"} & {*sys.modules}
        print(what, *self.read, *sorted(imported))
        raise SystemExit(0)

fit(TrainConfig(data="data.npz", out="run", cache="none", random_crop=0.5, seed=3, **%r), Told())
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("options", [{}, {"model": "resnet18", "weights": "w.safetensors"}])
def test_pictures_are_decoded_before_keras_is_imported(backend: str, options: dict) -> None:
    pytest.importorskip(backend)
    pictures = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), np.uint8)
    np.savez("data.npz", x_train=pictures, y_train=np.arange(40) % 2)
    Path("w.safetensors").touch()
    done = subprocess.run(
        [sys.executable, "-c", FIT % options],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "loading Keras … train val\n"
