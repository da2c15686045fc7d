"""Commands of kerascnn as people type them, for the benchmarks of accuracy.

Knows: how an exported file is made and judged, and on which processor. Does not know what is
trained, nor tables.
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


def processor_and_instructions() -> str:
    """Name the processor with those of its instruction sets on which speed depends most."""
    from kerascnn.machine import instruction_sets, processor

    found = instruction_sets()
    kinds = [one for one in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if one in found]
    return f"{processor()} ({', '.join(kinds) or 'no AVX2'})"


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
