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
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_kerascnn_loads_nothing_heavy() -> None:
    loaded = loaded_after("import kerascnn")
    assert not loaded & {*HEAVY, "numpy", "PIL", "onnxruntime", "click", "rich"}


@pytest.mark.parametrize("module", ["kerascnn.cli", "kerascnn.inference.classifier"])
def test_inference_half_never_meets_a_framework(module: str) -> None:
    assert not loaded_after(f"import {module}") & set(HEAVY)


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


def test_telemetry_is_off_before_onnxruntime_is_imported() -> None:
    code = (
        "import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
        "import kerascnn.inference.session\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=60)
