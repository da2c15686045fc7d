"""`kerascnn doctor` answers in every environment, above all in a broken one."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HAS_KERAS = find_spec("keras") is not None


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run it; ``first`` is a folder whose modules come before those installed."""
    path = [environment.pop("first", ""), str(Path(__file__).parents[2])]
    return subprocess.run(
        [sys.executable, "-m", "kerascnn", "doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))} | environment,
    )


def findings(**environment: str) -> dict:
    done = doctor("--json", **environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


@pytest.mark.both
def test_what_works_is_what_can_be_used() -> None:
    found = findings(OMP_NUM_THREADS="3")
    openvino = found["inference"]["devices"].pop("OpenVINOExecutionProvider")
    assert openvino.startswith("works") or "pip install 'kerascnn[openvino]'" in openvino
    assert found["inference"] == {
        "works": True, "devices": {"CPUExecutionProvider": "works"}, "missing": "",
    }  # fmt: skip
    assert found["versions"]["onnxruntime"]
    assert found["machine"]["processors"] >= 1
    assert found["environment"]["OMP_NUM_THREADS"] == "3"
    assert found["training"]["works"] is HAS_KERAS
    if not HAS_KERAS:
        assert found["training"]["missing"].endswith("pip install 'kerascnn[train]'")
        assert found["versions"]["keras"] is None


@pytest.mark.both
def test_the_table_says_the_same() -> None:
    done = doctor()
    assert done.returncode == 0
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines() if line[0] != " ")
    assert lines["inference"] == "works"
    assert lines["training"] == ("works" if HAS_KERAS else "does not work here")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("ModuleNotFoundError('x', name='onnxruntime')", "pip install 'kerascnn[cpu]'"),
        ("ImportError('DLL load failed')", "cannot be loaded (DLL load failed)"),
    ],
)
def test_onnxruntime_missing_or_broken(tmp_path: Path, error: str, expected: str) -> None:
    (tmp_path / "onnxruntime.py").write_text(f"raise {error}")
    inference = findings(first=str(tmp_path))["inference"]
    assert inference["works"] is False
    assert expected in inference["missing"]


@pytest.mark.both
@pytest.mark.skipif(not HAS_KERAS, reason="needs Keras")
@pytest.mark.parametrize("backend", ["nonsense", "torch"])
def test_a_backend_that_is_not_there_is_named(backend: str) -> None:
    if find_spec(backend):
        pytest.skip(f"{backend} is installed")
    training = findings(KERAS_BACKEND=backend)["training"]
    assert training["works"] is False
    assert training["missing"].startswith(f"KERAS_BACKEND is '{backend}', and Keras cannot load")
