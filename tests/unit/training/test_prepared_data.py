"""Pictures are decoded before Keras is imported: the memory of both would add up."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerascnn.errors import ConfigError
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.prepared_data import prepare_data

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


def test_a_size_that_the_network_cannot_take_is_told_before_any_picture_is_decoded() -> None:
    class Told(Callback):
        def on_read(self, split: str, done: int, total: int) -> None:
            raise AssertionError(split)

    np.savez("data.npz", x_train=np.zeros((8, 8, 8, 3), np.uint8), y_train=np.arange(8) % 2)
    config = TrainConfig(data="data.npz", model="lenet5", image_size=28, cache="none")
    with pytest.raises(ConfigError, match="too small for lenet5: expected at least 32"):
        prepare_data(config, Told())
