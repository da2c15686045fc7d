"""The compiled steps: as Keras' own, alike in both feeds, in every precision."""

import json
import os
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from kerascnn import training
from kerascnn.errors import ConfigError
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.pack import Pack, shuffled_order, steps_per_epoch
from kerascnn.training.distribution.device import choose_device
from kerascnn.training.networks import build_network
from kerascnn.training.trainer import epoch as epochs
from kerascnn.training.trainer.epoch import Trainer
from kerascnn.training.trainer.loss import Loss
from kerascnn.training.trainer.make_backend import make_backend

BATCH = 16


@pytest.fixture(scope="module")
def pack() -> Pack:
    """70 real pictures, normalized already."""
    from kerascnn.dataset import load_dataset
    from kerascnn.training.data.pack import pack as make

    split = load_dataset("fashion-mini").splits["train"]
    made = make(split.take(np.arange(70)), 12, "squash")
    pictures = (made.images / np.float32(255)).astype(np.float32)
    return Pack(pictures, made.labels, made.names, (), "")  # type: ignore[arg-type]


def network() -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_network("cnn", 10, 12)


def adamw() -> keras.optimizers.AdamW:
    # Biases before BatchNormalization have gradients of 0 but for rounding, of which a smaller
    # epsilon would make whole steps.
    return keras.optimizers.AdamW(0.01, weight_decay=0.01, epsilon=1e-4)


def make_training(pack: Pack, resident: bool) -> Trainer:
    model, optimizer = network(), adamw()
    backend = make_backend(model, optimizer, Loss(10, 0.0, None), BATCH)
    return Trainer(model, optimizer, backend, pack, BATCH, resident)


def learn(pack: Pack, resident: bool) -> tuple[list[float], list[np.ndarray]]:
    step = make_training(pack, resident)
    losses = [float(x) for n in (1, 2) for _, found, _ in step.epoch(0, n) for x in found]
    return losses, step.model.get_weights()


def test_steps_are_those_of_keras(pack: Pack) -> None:
    losses, weights = learn(pack, resident=True)
    model, expected = network(), []
    model.compile(
        adamw(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for epoch in (1, 2):
        for chosen in shuffled_order(70, BATCH, 0, epoch).reshape(-1, BATCH):
            expected.append(float(model.train_on_batch(pack.images[chosen], pack.labels[chosen])))
    np.testing.assert_allclose(losses, expected, atol=2e-4)
    for variable, one in zip(model.weights, weights, strict=True):
        # Before BatchNormalization a bias has a gradient of rounding errors alone, and AdamW takes
        # whole steps along them; the moving mean follows it.
        if "conv" not in variable.path or variable.name != "bias":
            within = 1e-2 if variable.name == "moving_mean" else 2e-3
            np.testing.assert_allclose(one, variable, atol=within, err_msg=variable.path)


def test_both_feeds_learn_the_same(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    resident, one = learn(pack, resident=True)
    # So little that an epoch of five steps takes two buffers, the second not full.
    monkeypatch.setattr(epochs, "BUFFER_BYTES", 3 * BATCH * 12 * 12 * 3 * 4)
    streamed, other = learn(pack, resident=False)
    assert len(resident) == len(streamed) == 10
    np.testing.assert_allclose(resident, streamed, atol=1e-5)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(("pictures", "steps"), [(70, 5), (64, 4), (17, 2), (16, 1)])
def test_every_picture_is_dealt_in_every_epoch_and_the_next_one_fills_up(
    pictures: int, steps: int
) -> None:
    first, second = (shuffled_order(pictures, BATCH, 5, epoch).tolist() for epoch in (1, 2))
    assert len(first) == steps * BATCH == steps_per_epoch(pictures, BATCH) * BATCH
    assert sorted(first[:pictures]) == sorted(second[:pictures]) == list(range(pictures))
    assert first[pictures:] == second[: len(first) - pictures]
    assert first != second
    assert first == shuffled_order(pictures, BATCH, 5, 1).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_whatever_the_precision_the_file_is_float32(precision: str, tmp_path: Path) -> None:
    config = TrainConfig(
        out=str(tmp_path / "r"), epochs=2, image_size=12, precision=precision  # type: ignore[arg-type]
    )  # fmt: skip
    run = training.fit(config)
    assert run.history[-1].val_accuracy > 0.5
    assert {layer.dtype_policy.name for layer in run.load_model().layers} == {"float32"}
    assert training.evaluate_run(run, split="val").top1 == pytest.approx(
        run.card.metrics["val_top1"], abs=0.02
    )


def test_a_gpu_that_is_not_there_is_an_error_that_says_why() -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has one")
    with pytest.raises(ConfigError, match=r"no GPU that it can use.*tensorflow\[and-cuda\]"):
        choose_device("gpu")
    assert choose_device("auto") == choose_device("cpu") == "cpu"


BOTH_FEEDS = """
import json
import os
import sys
from kerascnn.training.config import TrainConfig
from kerascnn.training.train import fit
from kerascnn.training.evaluation import report as reporting
reporting.render_page = lambda _content: "not drawn"  # it takes longer than the training
for number, options in enumerate(json.loads(sys.argv[2])):
    found = []
    for feed in ("resident", "streamed"):
        os.environ["KERASCNN_FEED"] = feed
        run = fit(TrainConfig(sys.argv[1], out=f"{feed}-{number}", image_size=12, epochs=1,
                              deterministic=True, **options))
        rows = [[row.loss, row.accuracy, row.val_loss] for row in run.history]
        found.append([rows, run.card.weights_sha256])
    print(json.dumps(found))
"""
OPTIONS: dict[str, list[dict[str, object]]] = {
    "tensorflow": [{"augment": "light"}],
    "jax": [{"cutmix": 1.0, "augment": "light"}],
}
MORE: dict[str, list[dict[str, object]]] = {
    "tensorflow": [{"augment": "shift"}],
    "jax": [{"augment": "light"}, {"mixup": 0.2}, {"random_crop": 0.35}],
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "which", [OPTIONS, pytest.param(MORE, marks=pytest.mark.full)], ids=["some", "more"]
)
@pytest.mark.parametrize("backend", OPTIONS)
def test_deterministic_runs_have_the_same_bits_in_both_feeds(
    backend: str,
    which: dict[str, list[dict[str, object]]],
    preloaded: Callable[[str], list[str]],
    subset: Callable[[int], Path],
    tmp_path: Path,
) -> None:
    """All options of a backend in one process: importing it costs most."""
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [*preloaded(backend), "-c", BOTH_FEEDS, str(subset(900)), json.dumps(which[backend])],
        env={**os.environ, "KERAS_BACKEND": backend}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for options, (resident, streamed) in zip(which[backend], results, strict=True):
        assert resident == streamed, options


def test_doctor_tells_of_a_gpu_that_the_backend_does_not_use(tmp_path: Path) -> None:
    from kerascnn.cli.diagnosis import _unused_gpu

    driver = tmp_path / "nvidiactl"
    assert _unused_gpu("tensorflow", {"cpu:0": ""}, driver) == {}
    driver.touch()
    assert _unused_gpu("tensorflow", {"gpu:0": ""}, driver) == {}
    for backend, extra in (("tensorflow", "tensorflow[and-cuda]"), ("jax", "jax[cuda13]")):
        (told,) = _unused_gpu(backend, {"cpu:0": ""}, driver).values()
        assert told.endswith(f"pip install '{extra}'")
