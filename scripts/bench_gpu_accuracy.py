"""Time a command that trains, and judge its run: bench_gpu_accuracy.py RUN COMMAND...

Knows: the clock, and the run's test pictures. Does not know what is trained. Prints JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

from judging import kerascnn


def main(run: str, *command: str) -> None:
    """Train, from the start of the process to its end, then print the seconds and test top-1."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - began
    top1 = kerascnn("evaluate", run, "--split", "test")["top1"]
    print(json.dumps({"seconds": seconds, "top1": top1}))


if __name__ == "__main__":
    main(*sys.argv[1:])
