"""Optimizers, decay, clipping, schedules, averages and accumulation, as the options name them."""

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
from kerascnn.training.data.pack import pack
from kerascnn.training.networks import build_network
from kerascnn.training.optimizers import make_optimizer, schedule
from kerascnn.training.optimizers.ema import ExponentialMovingAverage
from kerascnn.training.phases import phases
from kerascnn.training.trainer.loss import Loss
from kerascnn.training.trainer.make_backend import make_backend

PICTURES = 128


def clothes() -> tuple[np.ndarray, np.ndarray]:
    """Real pictures, float32 0..1, and their labels."""
    from kerascnn.dataset import load_dataset

    train = load_dataset("fashion-mini").splits["train"]
    made = pack(train.take(np.arange(PICTURES)), 32, "pad")
    return made.images / np.float32(255), made.labels.astype(np.int32)


def lenet() -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_network("lenet5", 10, 32)


def after(config: TrainConfig, steps: int, rate: float = 0.01) -> tuple[keras.Model, object]:
    """A LeNet and its optimizer after some steps at about one rate, on the same pictures."""
    model = lenet()
    return model, learn(model, config, steps, rate)


def learn(
    model: keras.Model,
    config: TrainConfig,
    steps: int,
    rate: float = 0.01,
    averages: ExponentialMovingAverage | None = None,
) -> object:
    """Take some steps, and give the optimizer."""
    optimizer = make_optimizer(model, config, rate, 10_000)
    optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(rate, 1, 1.0)
    objective = Loss(10, 0.0, None)
    backend = make_backend(model, optimizer, objective, config.batch_size, averages=averages)
    pictures, labels = clothes()
    order = np.resize(np.arange(PICTURES), steps * config.batch_size).astype(np.int32)
    backend.run(backend.put(pictures, labels), order, 0, steps)
    return optimizer


def moved(model: keras.Model) -> list[np.ndarray]:
    pairs = zip(model.get_weights(), lenet().get_weights(), strict=True)
    return [new - old for new, old in pairs]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_two_batches_gathered_are_one_of_twice_the_size(optimizer: str) -> None:
    options = {"optimizer": optimizer, "clip_norm": 1.0}
    small = after(TrainConfig(batch_size=32, accumulate=2, **options), 4)[0]  # type: ignore[arg-type]
    large = after(TrainConfig(batch_size=64, **options), 2)[0]  # type: ignore[arg-type]
    for one, other in zip(moved(small), moved(large), strict=True):
        assert np.abs(other).max() > 1e-4
        np.testing.assert_allclose(one, other, rtol=0.01, atol=2e-5)


def averaged(config: TrainConfig, steps: int) -> tuple[keras.Model, ExponentialMovingAverage]:
    """A network with BatchNormalization after some steps, and its averages."""
    keras.utils.set_random_seed(3)
    model = build_network("cnn", 10, 32)
    averages = ExponentialMovingAverage(model, config.ema or 0.0, config.accumulate)
    learn(model, config, steps, averages=averages)
    return model, averages


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_average_follows_the_network_and_changes_places_with_it(accumulate: int) -> None:
    config = TrainConfig(batch_size=32, accumulate=accumulate, ema=0.15, optimizer="sgd")
    counts = (accumulate, 2 * accumulate, 3 * accumulate)
    one, two, three = (averaged(config, count)[0].get_weights() for count in counts)
    model, averages = averaged(config, 3 * accumulate)
    averages.exchange_weights()
    # The second step is the warm-up's: 1 / (1 + 9). The third would be 2 / (2 + 9).
    for a, b, c, average in zip(one, two, three, model.get_weights(), strict=True):
        np.testing.assert_allclose(average, 0.15 * (0.1 * a + 0.9 * b) + 0.85 * c, atol=1e-5)
    averages.exchange_weights()
    for weight, again in zip(three, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, again)


def test_the_average_of_a_young_network_answers_as_the_network_does() -> None:
    config = TrainConfig(batch_size=32, ema=0.99, optimizer="sgd")
    model, averages = averaged(config, 60)
    pictures, labels = clothes()
    learned = (model.predict(pictures, verbose=0).argmax(1) == labels).mean()
    averages.exchange_weights()
    average = (model.predict(pictures, verbose=0).argmax(1) == labels).mean()
    assert learned > 0.9
    assert average > learned - 0.05


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_only_kernels_decay(optimizer: str, layer_decay: float) -> None:
    config = TrainConfig(optimizer=optimizer, layer_decay=layer_decay, weight_decay=0.5)  # type: ignore[arg-type]
    network = build_network("cnn", 3, 16)
    made = make_optimizer(network, config, 0.1, 100)
    made.learning_rate = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 1.0)
    variables = network.trainable_variables
    made.build(variables)
    for variable in variables:
        variable.assign(np.ones(variable.shape))
    made.apply([np.zeros(variable.shape, np.float32) for variable in variables], variables)
    for variable in variables:
        kept = np.unique(np.array(variable))
        assert len(kept) == 1
        assert (kept[0] == 1) if len(variable.shape) < 2 else (0.94 < kept[0] < 1)
    # The head is at the full rate; what lies deepest decays least when factors fall.
    head, first = np.array(variables[-2])[0, 0], np.array(variables[0])[0, 0, 0, 0]
    assert head == pytest.approx(0.95, abs=1e-6)
    assert (first > head) == (layer_decay < 1)


def test_a_gradient_is_no_longer_than_clip_norm() -> None:
    config = {"optimizer": "sgd", "weight_decay": 0.0, "batch_size": 32}
    free = moved(after(TrainConfig(**config), 1)[0])  # type: ignore[arg-type]
    clipped = moved(after(TrainConfig(**config, clip_norm=0.01), 1)[0])  # type: ignore[arg-type]
    lengths = [np.sqrt(sum((part**2).sum() for part in step)) for step in (free, clipped)]
    # Nesterov's first step is 1 + momentum times rate times gradient.
    assert lengths[0] > 10 * lengths[1]
    assert lengths[1] == pytest.approx(1.9 * 0.01 * 0.01, rel=0.01)


def test_the_schedule_rises_to_its_peak_and_falls_to_nothing() -> None:
    peak = 10
    rates = np.array([float(schedule(0.5, 100)(step)) for step in range(101)])
    assert rates.argmax() == peak
    assert rates[peak] == pytest.approx(0.5)
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-6)


def test_sgd_takes_a_rate_of_its_own() -> None:
    adamw, sgd = phases(TrainConfig())[0], phases(TrainConfig(optimizer="sgd"))[0]
    assert sgd.learning_rate == pytest.approx(10 * adamw.learning_rate)


@pytest.mark.parametrize(
    "options",
    [{"optimizer": "x"}, {"weight_decay": -1.0}, {"clip_norm": 0.0},
     {"ema": 1.0}, {"accumulate": 0}],
)  # fmt: skip
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        TrainConfig(**options)  # type: ignore[arg-type]


def test_gathering_more_batches_than_there_are_is_refused(tmp_path: Path) -> None:
    config = TrainConfig(out=str(tmp_path / "r"), model="lenet5", epochs=1, accumulate=1000)
    with pytest.raises(ConfigError, match="has 57 batches in all: nothing would be trained"):
        training.fit(config)


def test_a_configuration_of_before_these_options_is_read() -> None:
    old = json.loads(TrainConfig().to_json())
    for name in ("optimizer", "weight_decay", "clip_norm", "ema", "accumulate"):
        old.pop(name)
    assert TrainConfig.from_json(json.dumps(old), "config.json") == TrainConfig()


INTERRUPTED = """
import json, sys
from kerascnn.training.config import TrainConfig
from kerascnn.training.run.checkpoint import latest_checkpoint
from kerascnn.training.train import fit
from kerascnn.training.callbacks import Callback
from kerascnn.training.evaluation import report as reporting
reporting.render_page = lambda _content: "not drawn"  # it takes longer than the training
class CtrlC(Callback):
    def on_step_end(self, epoch, step, loss, accuracy):
        if epoch == 2:
            raise KeyboardInterrupt
options = dict(model=sys.argv[4], image_size=int(sys.argv[5]), phase=("all:2", "head:1"),
               batch_size=50, val=0.2, deterministic=True, calibration=False,
               data=sys.argv[1], precision=sys.argv[2], optimizer=sys.argv[3], ema=0.9,
               accumulate=2, clip_norm=5.0)
whole = fit(TrainConfig(out="whole", **options))
try:
    fit(TrainConfig(out="parts", **options), CtrlC())
except KeyboardInterrupt:
    pass
parts = fit(TrainConfig(out="parts", **options), resume=True)
for run in (whole, parts):
    rows = [[row.loss, row.val_loss, row.val_accuracy] for row in run.history]
    print(json.dumps([rows, run.card.weights_sha256]))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)  # float16 is slow on processors
@pytest.mark.parametrize(
    ("backend", "precision", "optimizer", "model", "size"),
    [
        ("tensorflow", "mixed_float16", "adamw", "cnn", 12),
        ("jax", "float32", "sgd", "lenet5", 32),
    ],
)
def test_averaged_and_gathered_a_run_goes_on_bit_by_bit(
    backend: str,
    precision: str,
    optimizer: str,
    model: str,
    size: int,
    preloaded: Callable[[str], list[str]],
    subset: Callable[[int], Path],
) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    options = [str(subset(900)), precision, optimizer, model, str(size)]
    found = subprocess.run(
        [*preloaded(backend), "-c", INTERRUPTED, *options],
        env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    whole, parts = (json.loads(line) for line in found.stdout.splitlines())
    assert whole == parts
    assert whole[0][-1][2] > 0.3
