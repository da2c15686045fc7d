"""Settings of the server's process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import ctypes, resource, threading
from kerascnn.serving.process_tuning import tune_process
tune_process()

def work():
    for number in range(220):
        if number == 20:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        pictures = [bytearray(1 << 20) for _ in range(3)]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's allocator")
def test_memory_of_a_picture_is_used_again() -> None:
    # Taken from the system anew, each of the 600 megabytes has 16 pages, of 64 KiB at the most.
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 600 * 16 / 2
