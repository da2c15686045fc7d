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


_FILES = """
import resource, sys
from kerascnn.serving.process_tuning import tune_process
limit, most = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
tune_process()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
@pytest.mark.parametrize(
    ("limit", "most", "expected"),
    [(256, 8000, (4096, 8000)), (256, 900, (900, 900)), (6000, 8000, (6000, 8000))],
)
def test_files_may_be_open_for_all_connections(limit, most, expected) -> None:
    import resource

    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < most:
        pytest.skip("fewer may be open here")
    done = subprocess.run(
        [sys.executable, "-c", _FILES, str(limit), str(most)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert tuple(map(int, done.stdout.split())) == expected
