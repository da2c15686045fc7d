"""16 bits on a processor that only emulates them: told, not left to be found out."""

from itertools import cycle
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.training import mixed_precision as precision

TENSORFLOW = keras.config.backend() == "tensorflow"


def said(*options: str, out: Path) -> str:
    asked = [
        "train",
        "fashion-mini",
        "--model",
        "lenet5",
        "--epochs",
        "1",
        "--val",
        "0.97",
        "--no-calibration",
    ]
    done = CliRunner().invoke(main, [*asked, "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    return " ".join(done.stderr.split())


def test_the_shortest_of_several_times_counts_and_the_first_does_not(monkeypatch) -> None:
    """What else the machine does makes a time longer, and the first loads kernels."""
    seconds = {"float32": [0.01, 9, 2, 4, 9, 9], "bfloat16": [0.01, 9, 9, 9, 7, 5]}
    times = {dtype: cycle(those) for dtype, those in seconds.items()}
    order = []
    monkeypatch.setattr(precision, "_convolved", lambda d: order.append(d) or next(times[d]))
    assert precision.slowdown("mixed_bfloat16") == 2.5
    assert order == ["float32", "bfloat16"] * 6  # in turn: a busy second slows both


@pytest.mark.skipif(not TENSORFLOW, reason="JAX calculates in float32 and rounds")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_each_arithmetic_can_be_timed(dtype: str) -> None:
    assert precision._convolved(dtype) > 0


@pytest.mark.skipif(not TENSORFLOW, reason="JAX calculates in float32 and rounds")
@pytest.mark.parametrize("times", [0.9, 6.0])
def test_training_says_how_much_slower_it_is(times, tmp_path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(precision, "slowdown", lambda name: asked.append(name) or times)
    told = said("--precision", "mixed_float16", "--device", "cpu", out=tmp_path / "run")
    assert asked == ["mixed_float16"]
    assert ("mixed_float16: on this processor" in told) == (times > 1)
    assert ("6.0 times as long as in float32" in told) == (times > 1)


def test_float32_is_not_timed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(precision, "slowdown", lambda _: pytest.fail("timed"))
    assert "on this processor" not in said("--device", "cpu", out=tmp_path / "run")
