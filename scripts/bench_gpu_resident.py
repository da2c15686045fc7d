"""Run a file on pictures in the GPU's memory: bench_gpu_resident.py FILE cuda|cpu BATCH SIDE.

Knows: onnxruntime's IOBinding. Does not know kerascnn: this is the limit that its own doors are
compared with. Prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

ROUNDS, WARM_UP = 7, 5
SECONDS = 2
"""Of each round, at least."""


def main(file: str, device: str, batch: int, side: int) -> None:
    """Measure, and print the median round's images/s."""
    import numpy as np
    import onnxruntime as ort

    if device == "cuda":
        ort.preload_dlls()
    provider = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}[device]
    session = ort.InferenceSession(file, providers=[provider])
    if session.get_providers()[0] != provider:
        sys.exit(f"{provider} does not run here; {session.get_providers()[0]} would.")
    given = session.get_inputs()[0]
    pictures = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)
    binding = session.io_binding()
    binding.bind_ortvalue_input(given.name, ort.OrtValue.ortvalue_from_numpy(pictures, device, 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, device)
    for _ in range(WARM_UP):
        session.run_with_iobinding(binding)
    speeds = [batch * round_of(session, binding) for _ in range(ROUNDS)]
    print(json.dumps({"images_per_second": float(np.median(speeds)), "batch": batch}))


def round_of(session: Any, binding: Any) -> float:
    """Run for some seconds; give runs a second."""
    began, runs = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        session.run_with_iobinding(binding)
        runs += 1
    binding.synchronize_outputs()
    return runs / (time.perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
