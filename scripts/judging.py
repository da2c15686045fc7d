"""Commands of kerascnn as people type them, for the benchmarks of accuracy.

Knows: how an exported file is made and judged. Does not know what is trained, nor tables.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

DEBIAN = "/usr/share/datasets/fashion-mnist"


def kerascnn(*arguments: str) -> dict[str, Any]:
    """Run a command and read its JSON."""
    command = [sys.executable, "-m", "kerascnn", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@dataclass(frozen=True)
class Judged:
    """What one exported file does.

    Attributes:
        top1: Share of right answers on the test pictures, 0 to 1.
        changed: Number of top-1 predictions that differ from the Keras model's.
    """

    top1: float
    changed: int


def judged(run: str, data: str, precision: str = "float32") -> Judged:
    """Export and evaluate one file; `--calibrate` takes training pictures where data have them."""
    file = f"{run}-{precision}.onnx"
    lower = ["--calibrate", data, "--max-drop", "100"] if precision == "int8" else []
    parity = kerascnn("export", run, "--onnx", "--out", file, "--precision", precision,
                      "--verify", data, *lower)["parity"]  # fmt: skip
    top1 = kerascnn("evaluate", file, data, "--split", "test")["top1"]
    return Judged(top1, parity["top1_mismatches"])
