"""Servers as processes, for scripts/bench_serving: start, wait, processor time, memory, end.

Knows: Linux' /proc, and how `kerascnn serve` is started. Does not know what is asked of a server.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def process(*command: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, and end it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    ) as running:  # fmt: skip
        try:
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.killpg(running.pid, signal.SIGTERM)
            try:
                running.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)


def free_port() -> int:
    """Give a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(running: subprocess.Popen[bytes], url: str, seconds: float = 90) -> None:
    """Wait until a server says that it is there.

    Raises:
        SystemExit: It did not within the seconds, or ended.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if running.poll() is not None:
            command = " ".join(map(str, running.args)) if isinstance(running.args, list) else ""
            raise SystemExit(f"ended with {running.returncode}; run it to see why: {command}")
        with contextlib.suppress(OSError, urllib.error.URLError):
            if urllib.request.urlopen(url, timeout=2).status == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"{url} did not answer within {seconds} s")


@contextlib.contextmanager
def ours(model: str | Path, *options: object) -> Iterator[tuple[int, int]]:
    """Run `kerascnn serve` until it is ready; give its port and its process' number."""
    port = free_port()
    command = (sys.executable, "-m", "kerascnn", "serve", model, "--port", port, "--no-access-log")
    with process(*command, *options) as running:
        wait_for(running, f"http://127.0.0.1:{port}/v2/health/ready")
        yield port, running.pid


def cpu_seconds(pid: int) -> float:
    """Give user and system time of a process and all below it."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            number = int(stat.parent.name)
            parents[number] = int(fields[1])
            used[number] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def below(number: int) -> bool:
        while number not in (0, pid):
            number = parents.get(number, 0)
        return number == pid

    return sum(seconds for number, seconds in used.items() if below(number))


def memory(pid: int) -> float:
    """Give what a process has in memory, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024
