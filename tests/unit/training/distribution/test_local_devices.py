"""Several devices share each batch: the same losses as one, on two simulated CPU devices."""

import json
import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kerascnn.errors import ConfigError
from kerascnn.training.config import TrainConfig

pytestmark = pytest.mark.timeout(900)  # each trains many times, in a process of its own

BACKENDS = {"jax": "JAX", "tensorflow": "TensorFlow"}

SIMULATED = """
import os
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from kerascnn.training.evaluation import report as reporting
reporting.render_page = lambda _content: "not drawn"  # it takes longer than the training
"""

CHILD = """
import json, sys
from pathlib import Path
import keras, numpy as np
from kerascnn import training
from kerascnn.errors import ConfigError
from kerascnn.training.trainer import phase as staging
from kerascnn.training.callbacks import Callback

gathered = 2 if os.environ["KERAS_BACKEND"] == "jax" else 1

class StopAfterOne(Callback):
    def on_epoch_end(self, record, is_best):
        raise KeyboardInterrupt

def run(out, progress=None, resume=False, **options):
    # AdamW would hide a gradient that is some times too large.
    options = {"model": "lenet5", "epochs": 2, "seed": 1, "augment": "light", "val": 0.1,
               "batch_size": 64, "calibration": False, "data": sys.argv[1], "optimizer": "sgd",
               "ema": 0.9, "cutmix": 1.0, "accumulate": gathered} | options
    try:
        made = training.fit(training.TrainConfig(out=out, **options), progress, resume)
    except (ConfigError, KeyboardInterrupt) as error:
        return str(error)
    assert made.load_model().count_params() > 0
    return [[row.loss, row.val_loss, row.accuracy] for row in made.history]

found = {
    "one": run("one"),
    "two": run("two", devices="2"),
    "stopped": run("resumed", StopAfterOne(), devices="2"),
    "resumed": run("resumed", resume=True, devices="all"),
    "three": run("three", devices="3"),
    "odd": run("odd", devices="2", batch_size=33),
}
if gathered == 1:
    found["accumulated"] = run("accumulated", devices="2", accumulate=2)
found["machines"] = [json.loads(Path(name, "machine.json").read_text())["devices"]
                     for name in ("one", "two")]
found["left"] = [name for name in ("three", "odd", "accumulated") if Path(name).exists()]

staging.FEW_STEPS = 0  # the statistics stay as the step leaves them

class Steps(Callback):
    def __init__(self):
        self.losses = []
    def on_step_end(self, epoch, step, loss, accuracy):
        self.losses.append(loss * step - sum(self.losses))

found["normalized"] = []
for devices in ("1", "2"):
    seen = Steps()
    made = training.fit(training.TrainConfig(
        data=sys.argv[1], model="cnn", epochs=1, seed=1, val=0.7, batch_size=120, calibration=False,
        out=f"normalized-{devices}", devices=devices),
        seen)
    layers = [layer for layer in made.load_model().layers
              if isinstance(layer, keras.layers.BatchNormalization)]
    found["normalized"].append({
        "losses": seen.losses,
        "synchronized": [layer.synchronized for layer in layers],
        "statistics": [np.asarray(value).tolist() for layer in layers
                       for value in (layer.moving_mean, layer.moving_variance)]})
print(json.dumps(found))
"""

CHANGED = """
import json, sys
from kerascnn import training

def losses(devices, options):
    run = training.fit(training.TrainConfig(
        data=sys.argv[1], model="lenet5", epochs=1, seed=1, val=0.1, batch_size=64,
        calibration=False,
        devices=devices, out=f"{devices}-{next(iter(options))}", **options))
    return [[row.loss, row.val_loss, row.accuracy] for row in run.history]

print(json.dumps([[losses(devices, options) for devices in ("1", "2")]
                  for options in json.loads(sys.argv[2])]))
"""

DROPPED = """
import json
import keras, numpy as np
from kerascnn.training.networks.blocks import flat
from kerascnn.training.trainer.mirrored_backend import separate_random_draws

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    inside = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(0.5, seed=3)])
    network = keras.Sequential([keras.Input((64,)), inside])
alone = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(0.5, seed=3)])

@tf.function
def step():
    with separate_random_draws(network):
        parts = strategy.run(lambda: network(tf.ones((2, 64)), training=True))
    return strategy.experimental_local_results(parts)

found = [[np.asarray(part).tolist() for part in step()] for _ in range(2)]
found.append([np.asarray(alone(tf.ones((2, 64)), training=True)).tolist() for _ in range(2)])
found.append(["next" in vars(layer.seed_generator) for layer in flat(network)
              if hasattr(layer, "seed_generator")])
print(json.dumps(found))
"""

OPTIONS: list[dict[str, Any]] = [
    {"ema": 0.9}, {"cutmix": 1.0}, {"mixup": 0.2}, {"random_crop": 0.35}, {"clip_norm": 0.1},
    {"optimizer": "sgd"}, {"augment": "light"}, {"layer_decay": 0.7}, {"trainable": "head"},
    {"class_weights": "balanced"}, {"precision": "mixed_float16"},
]  # fmt: skip


@pytest.fixture(scope="module")
def on_two_devices(preloaded: Callable[[str], list[str]]) -> Callable[..., Any]:
    """Run a program where the backend sees two devices; give the JSON that it prints."""

    def run(backend: str, folder: Path, program: str, *arguments: str) -> Any:
        pytest.importorskip(backend)
        environment = os.environ | {
            "KERAS_BACKEND": backend,
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        }
        done = subprocess.run(
            [*preloaded(backend), "-c", SIMULATED + program, *arguments],
            env=environment, cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def close(rows: list[list[float]]) -> list[Any]:
    return [pytest.approx(row, rel=1e-4) for row in rows]


@pytest.fixture(scope="module")
def learned(
    tmp_path_factory: pytest.TempPathFactory,
    on_two_devices: Callable[..., Any],
    subset: Callable[[int], Path],
) -> Callable[[str], Any]:
    """What one process found that trained on one device and on two, by backend."""
    return cache(
        lambda backend: on_two_devices(
            backend, tmp_path_factory.mktemp("learned"), CHILD, str(subset(400))
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_two_devices_learn_what_one_learns(backend: str, learned: Callable[[str], Any]) -> None:
    found = learned(backend)
    assert found["two"] == close(found["one"])
    assert found["resumed"] == close(found["two"])
    if backend == "tensorflow":
        assert "`accumulate` 2 with `devices` 2 needs the backend jax" in found["accumulated"]
    assert found["machines"] == [1, 2]
    assert f"`devices` 3: {BACKENDS[backend]} sees 2" in found["three"]
    assert "a batch of 33 pictures cannot be divided evenly among 2 devices" in found["odd"]
    assert found["left"] == []


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_batchnorm_sees_the_whole_batch(backend: str, learned: Callable[[str], Any]) -> None:
    """Not each device's half: of the first step the loss is the same, and what it leaves behind."""
    one, two = learned(backend)["normalized"]
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-3)
    assert two["losses"][0] == pytest.approx(one["losses"][0], rel=1e-5)
    for ours, theirs in zip(two["statistics"], one["statistics"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4)
    assert one["synchronized"] == two["synchronized"] == [False, False]


@pytest.mark.slow
def test_on_tensorflow_dropout_differs_from_part_to_part(
    on_two_devices: Callable[..., Any], tmp_path: Path
) -> None:
    (first, second), (again, once_more), alone, left = on_two_devices(
        "tensorflow", tmp_path, DROPPED
    )
    assert [first, again] == alone
    drawn = [first, second, again, once_more]
    assert all(drawn.count(mask) == 1 for mask in drawn)
    assert left == [False]


@pytest.mark.full
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_option_does_the_same_on_two_devices(
    backend: str,
    on_two_devices: Callable[..., Any],
    subset: Callable[[int], Path],
    tmp_path: Path,
) -> None:
    """All options in one process: importing the backend costs most."""
    results = on_two_devices(backend, tmp_path, CHANGED, str(subset(400)), json.dumps(OPTIONS))
    for options, (one, two) in zip(OPTIONS, results, strict=True):
        if "precision" in options:  # one picture more or less may be right
            assert two[0][:2] == pytest.approx(one[0][:2], rel=1e-3), options
        else:
            assert two == close(one), options


@pytest.mark.parametrize("devices", ["0", "-1", "two", ""])
def test_a_number_that_is_none_is_refused(devices: str) -> None:
    with pytest.raises(ConfigError, match=r"devices is .*a number from 1, or all"):
        TrainConfig(devices=devices)
