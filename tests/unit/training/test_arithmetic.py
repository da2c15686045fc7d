"""16 bits on a processor that only emulates them: told, not left to be found out."""

from pathlib import Path

import keras
import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.training import precision

CPUINFO = Path("/proc/cpuinfo")
FLAGS = set(CPUINFO.read_text(encoding="utf-8").split()) if CPUINFO.exists() else set()
"""What Linux says that the processor has."""
TENSORFLOW = keras.config.backend() == "tensorflow"


def said(*options: str, out: Path) -> str:
    asked = ["train", "fashion-mini", "--model", "lenet5", "--epochs", "1", "--no-calibration"]
    done = CliRunner().invoke(main, [*asked, "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    return " ".join(done.stderr.split())


@pytest.mark.skipif("avx2" not in FLAGS or "avx512f" in FLAGS, reason="has AVX-512, or is no x86")
@pytest.mark.skipif(not TENSORFLOW, reason="JAX calculates in float32 and rounds")
def test_bfloat16_is_slow_where_the_processor_has_only_avx2() -> None:
    assert precision.slowdown("mixed_bfloat16") >= precision.SLOW


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
