"""A soak in which nothing is answered; what a soak measures is not for tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.full
def test_a_soak_in_which_nothing_is_answered_says_so(exported: Path, tmp_path: Path) -> None:
    none = tmp_path / "none.jpg"
    none.write_text("no picture")
    script = ROOT / "scripts" / "bench_serving"
    command = [sys.executable, script, "soak", exported, none, "--seconds", "0.1", "--queue", "16"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert json.loads(done.stdout)["p99_ms"] is None
    assert "no request got 200" in done.stderr
    assert "'422'" in done.stderr
    assert "Traceback" not in done.stderr
