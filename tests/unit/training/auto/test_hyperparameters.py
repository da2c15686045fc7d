"""What follows from the number of pictures, and that it makes small data sets work."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kerascnn import training
from kerascnn.errors import ConfigError
from kerascnn.training.auto.hyperparameters import resolve_auto, resolve_keep
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.pack import steps_per_epoch
from kerascnn.training.run.checkpoint import latest_checkpoint

SCENES = ("astronaut", "coffee", "chelsea", "rocket")


def write_scenes(path: Path, each: int) -> Path:
    """Cut crops out of four photographs, one class a photograph."""
    from skimage import data

    rng, crops = np.random.default_rng(0), []
    for name in SCENES:
        picture = getattr(data, name)()
        for _ in range(each):
            top, left = (int(rng.integers(side - 96)) for side in picture.shape[:2])
            crops.append(picture[top : top + 96, left : left + 96])
    np.savez(path, x_train=np.stack(crops), y_train=np.repeat(np.arange(4), each))
    return path


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 photographs in four classes."""
    return write_scenes(tmp_path_factory.mktemp("scenes") / "scenes.npz", 40)


@pytest.mark.parametrize(
    ("pictures", "batch_size", "epochs", "rate"),
    [
        (5, 16, 200, 0.008),  # a step an epoch: 300 of them would take minutes
        (40, 16, 100, 0.004),
        (144, 16, 34, 0.004),
        (900, 32, 11, 0.00566),
        (3_600, 64, 10, 0.008),  # fashion-mini
        (57_000, 64, 10, 0.008),  # Fashion-MNIST: what the defaults were found on
    ],
)
def test_batch_steps_and_rate_follow_from_the_number_of_pictures(
    pictures: int, batch_size: int, epochs: int, rate: float
) -> None:
    settled = resolve_auto(TrainConfig(), pictures)
    assert (settled.batch_size, settled.epochs) == (batch_size, epochs)
    assert settled.learning_rate == rate
    assert pictures == 5 or steps_per_epoch(pictures, batch_size) * epochs >= 300


@pytest.mark.parametrize(("pictures", "epochs"), [(40, 200), (144, 67), (900, 21), (3_600, 11)])
def test_the_network_that_auto_trains_from_random_weights_takes_more_steps(
    pictures: int, epochs: int
) -> None:
    settled = resolve_auto(TrainConfig(model="cnn4"), pictures)
    assert settled.epochs == epochs
    assert settled.learning_rate == resolve_auto(TrainConfig(), pictures).learning_rate


def test_what_is_given_is_kept() -> None:
    given = TrainConfig(batch_size=7, epochs=3, learning_rate=0.1)
    assert resolve_auto(given, 144) == given
    assert resolve_auto(TrainConfig(batch_size=7), 144).learning_rate is None
    assert resolve_auto(TrainConfig(phase=("head:2",)), 144).epochs == "auto"
    # Few steps were asked for, so the rate stays as high as it is for large batches.
    assert resolve_auto(TrainConfig(epochs=5), 144).learning_rate == 0.008


@pytest.mark.parametrize(
    ("options", "validation", "keep"),
    [
        ({}, 4, "newest"),
        ({}, 99, "newest"),
        ({}, 100, "best"),
        ({"epochs": 5}, 4, "best"),  # whoever names the epochs gets the best of them
        ({"phase": ("head:2",)}, 4, "best"),
        ({"keep": "best"}, 4, "best"),
        ({"keep": "newest", "epochs": 5}, 3000, "newest"),
    ],
)
def test_the_best_of_many_epochs_is_not_chosen_on_few_pictures(
    options: dict[str, Any], validation: int, keep: str
) -> None:
    assert resolve_keep(TrainConfig(**options), validation).keep == keep


@pytest.mark.parametrize("option", ["epochs", "batch_size"])
def test_neither_a_number_nor_auto_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} is 'many'; expected at least 1, or auto"):
        TrainConfig(**{option: "many"})  # type: ignore[arg-type]


def test_five_epochs_of_few_photographs_are_learned(scenes: Path) -> None:
    """With the defaults of large data sets this gave 29 % on the validation pictures."""
    run = training.fit(TrainConfig(data=str(scenes), out="run", epochs=5, deterministic=True))
    assert run.card.metrics["val_top1"] >= 0.8
    assert run.config.batch_size == 16
    # The statistics are those of the weights that are kept.
    assert training.evaluate_run(run, split="train").top1 >= 0.8


class CtrlC(Callback):
    """Presses Ctrl-C in the second epoch."""

    def on_step_end(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_run_of_few_pictures_goes_on_bit_by_bit(scenes: Path) -> None:
    options = {"data": str(scenes), "image_size": 12, "deterministic": True, "ema": 0.9}
    whole = training.fit(TrainConfig(out="whole", epochs=4, **options))  # type: ignore[arg-type]
    parts = TrainConfig(out="parts", epochs=4, **options)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        training.fit(parts, CtrlC())
    assert json.loads(Path("parts/config.json").read_text())["batch_size"] == 16
    run = training.fit(parts, resume=True)
    ends = [latest_checkpoint(one.checkpoint_folder) for one in (run, whole)]
    assert ends[0] is not None and ends[1] is not None
    assert all(map(np.array_equal, ends[0].core, ends[1].core))
    assert run.card.weights_sha256 == whole.card.weights_sha256


def test_statistics_are_those_of_the_pictures_and_frozen_ones_stay() -> None:
    from kerascnn.card import Normalization
    from kerascnn.dataset import load_dataset
    from kerascnn.training.data.pack import pack
    from kerascnn.training.networks import build_network
    from kerascnn.training.networks.blocks import set_trainable
    from kerascnn.training.trainer.precise_batchnorm import PreciseBatchNorm, moving

    split = load_dataset("fashion-mini").splits["train"].take(np.arange(400))
    pictures, scale = pack(split, 12, "squash"), Normalization(std=(255.0,) * 3)
    core = build_network("cnn", 10, 12)
    set_trainable(core, "from:block2")
    frozen = [np.array(one) for one in core.get_layer("block1_bn").weights]
    assert [layer.name for layer in moving(core)] == ["block2_bn"]
    # Two calls of 200: what varies from call to call counts too.
    PreciseBatchNorm(core, scale, pictures, 0).estimate()
    layer = core.get_layer("block2_bn")
    before = keras.Model(core.input, layer.input).predict(pictures.images / 255.0, verbose=0)
    np.testing.assert_allclose(layer.moving_mean, before.mean((0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, before.var((0, 1, 2)), rtol=1e-3)
    assert layer.momentum == 0.9
    after = [np.array(one) for one in core.get_layer("block1_bn").weights]
    assert all(map(np.array_equal, frozen, after))
