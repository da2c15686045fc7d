"""Several devices share each batch: the same losses as one, on CPU devices that XLA simulates."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest

from kerascnn.errors import ConfigError
from kerascnn.training.config import TrainConfig
from kerascnn.training.distribution import count_devices

CHILD = """
import json, sys
from pathlib import Path
from kerascnn import training
from kerascnn.errors import ConfigError
from kerascnn.training.progress import Progress

class StopAfterOne(Progress):
    def epoch(self, record, is_best):
        raise KeyboardInterrupt

def run(out, progress=None, resume=False, **options):
    options = {"model": "lenet5", "epochs": 2, "seed": 1, "augment": "light", "val": 0.8} | options
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
    "batchnorm one": run("b1", model="cnn", epochs=1, val=0.9),
    "batchnorm two": run("b2", model="cnn", epochs=1, val=0.9, devices="2"),
    "streamed": run("streamed", devices="2", feed="streamed"),
    "three": run("three", devices="3"),
    "odd": run("odd", devices="2", batch_size=33),
}
found["machines"] = [json.loads(Path(name, "machine.json").read_text())["devices"]
                     for name in ("one", "two")]
found["left"] = [name for name in ("three", "odd") if Path(name).exists()]
print(json.dumps(found))
"""


CHANGED = """
import json, sys
from kerascnn import training

losses = []
for devices in ("1", "2"):
    run = training.fit(training.TrainConfig(
        model="lenet5", epochs=1, seed=1, val=0.9, calibration=False, out=devices, devices=devices,
        **json.loads(sys.argv[1])))
    losses.append([[row.loss, row.val_loss, row.accuracy] for row in run.history])
print(json.dumps(losses))
"""


def on_two_devices(folder: Path, program: str, *arguments: str) -> Any:
    """Run a program where JAX sees two devices; give the JSON that it prints."""
    pytest.importorskip("jax")
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def close(rows: list[list[float]]) -> list[Any]:
    return [pytest.approx(row, rel=1e-4) for row in rows]


@pytest.mark.slow
def test_two_devices_learn_what_one_learns(tmp_path: Path) -> None:
    found = on_two_devices(tmp_path, CHILD)
    assert found["two"] == close(found["one"])
    assert found["resumed"] == close(found["two"])
    assert found["streamed"] == close(found["two"])
    # BatchNormalization sees the whole batch, not each device's half.
    assert found["batchnorm two"][0][0] == pytest.approx(found["batchnorm one"][0][0], rel=1e-6)
    assert found["machines"] == [1, 2]
    assert "--devices 3: JAX sees 2" in found["three"]
    assert "a batch of 33 pictures cannot be shared evenly by 2 devices" in found["odd"]
    assert found["left"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{"ema": 0.9}, {"accumulate": 2}, {"mixup": 0.2}, {"cutmix": 1.0}, {"random_crop": 0.35}],
    ids=lambda options: next(iter(options)),
)
def test_two_devices_average_accumulate_and_change_pictures_alike(
    options: dict[str, float], tmp_path: Path
) -> None:
    one, two = on_two_devices(tmp_path, CHANGED, json.dumps(options))
    assert two == close(one)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="what TensorFlow refuses")
def test_tensorflow_names_the_backend_that_can() -> None:
    assert count_devices("1") == 1
    with pytest.raises(ConfigError, match="KERAS_BACKEND=jax"):
        count_devices("2")


@pytest.mark.parametrize("devices", ["0", "-1", "two", ""])
def test_a_number_that_is_none_is_refused(devices: str) -> None:
    with pytest.raises(ConfigError, match=r"devices is .*a number from 1, or all"):
        TrainConfig(devices=devices)
