"""What may be imported when: the fences of DESIGN, seen from outside in a fresh process."""

import json
import os
import subprocess
import sys

import pytest

from kerascnn.cli import COMMANDS

HEAVY = ("keras", "tensorflow", "jax", "torch", "onnx", "tf2onnx", "matplotlib")


def loaded_after(code: str) -> set[str]:
    """Run code in a fresh Python, and give the top-level modules it loaded."""
    script = f"{code}\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_kerascnn_loads_nothing_heavy() -> None:
    loaded = loaded_after("import kerascnn")
    assert not loaded & {*HEAVY, "numpy", "PIL", "onnxruntime", "click", "rich"}


@pytest.mark.parametrize("module", ["kerascnn.cli", "kerascnn.inference.classifier"])
def test_inference_half_never_meets_a_framework(module: str) -> None:
    assert not loaded_after(f"import {module}") & set(HEAVY)


def test_scoring_asks_for_optional_packages_only_when_they_are_needed() -> None:
    loaded = loaded_after("import kerascnn.cli.score, kerascnn.scoring.job")
    assert not loaded & {*HEAVY, "ray", "pyarrow", "fsspec", "optuna"}


def test_every_help_is_light() -> None:
    calls = "\n".join(
        f"assert CliRunner().invoke(main, [{name!r}, '--help']).exit_code == 0" for name in COMMANDS
    )
    loaded = loaded_after(
        f"from click.testing import CliRunner\nfrom kerascnn.cli import main\n{calls}"
    )
    assert not loaded & {*HEAVY, "onnxruntime", "rich"}


def test_config_can_be_made_without_keras() -> None:
    assert "keras" not in loaded_after("from kerascnn.training import TrainConfig; TrainConfig()")


UNUSED = {"pandas", "sklearn", "matplotlib", "IPython", "scipy", "jax"}
"""Keras and TensorFlow import these, wherever they happen to be installed."""


def test_commands_do_not_wait_for_what_keras_can_do_without() -> None:
    pytest.importorskip("tensorflow")
    loaded = loaded_after("from kerascnn.cli.base import quiet_tensorflow as q\nwith q(): 1")
    assert "keras" in loaded
    assert not loaded & UNUSED


def test_what_was_hidden_from_keras_can_be_imported_afterwards(tmp_path, monkeypatch) -> None:
    for name in UNUSED:
        (tmp_path / f"{name}.py").write_text("")
    # On JAX, which imports scipy itself, neither is hidden.
    keras = "import scipy, jax\ntry: import pandas\nexcept ImportError: pass\n"
    (tmp_path / "keras.py").write_text(keras)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    code = "from kerascnn.cli.base import quiet_tensorflow as q\nwith q(): 1\n"
    assert loaded_after(code) & UNUSED == {"scipy", "jax"}
    assert loaded_after(f"{code}import {', '.join(UNUSED)}") >= UNUSED


WATCHED = """
import os, sys
from importlib.abc import MetaPathFinder

class PeerMonitor(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "tensorflow":
            print("oneDNN:", os.environ.get("TF_ENABLE_ONEDNN_OPTS"), flush=True)
            os._exit(0)  # what TensorFlow does with it is its own matter

sys.meta_path.insert(0, PeerMonitor())
"""
HOW_TENSORFLOW_IS_MET = {
    "the command line": "from kerascnn.cli.base import quiet_tensorflow as q\nwith q(): 1",
    "the library": "from kerascnn import training\ntraining.summarize",
}


@pytest.mark.parametrize("code", HOW_TENSORFLOW_IS_MET.values(), ids=list(HOW_TENSORFLOW_IS_MET))
@pytest.mark.parametrize(("wanted", "told"), [(None, "1"), ("0", "0")])
def test_tensorflow_is_told_to_use_onednn_unless_the_user_has_said(
    code: str, wanted: str | None, told: str
) -> None:
    pytest.importorskip("tensorflow")
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    if wanted is not None:
        environment["TF_ENABLE_ONEDNN_OPTS"] = wanted
    done = subprocess.run(
        [sys.executable, "-c", WATCHED + code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"oneDNN: {told}"


def test_telemetry_is_off_before_onnxruntime_is_imported() -> None:
    code = (
        "import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
        "import kerascnn.inference.runtime.session\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
