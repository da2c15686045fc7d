"""Processes that try inputs one after the other, and are ended and made anew when one hangs.

Knows: time, memory, processes and their ends. Does not know kinds of input.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from fuzz_mutation import mutate
from fuzz_targets import Target

Job = tuple[str, int]
"""A kind of input, and the number of one. With the seed it decides on every byte."""

HANGS = 60.0
"""Seconds on the clock after which an input is said to hang."""


@dataclass(frozen=True)
class Tried:
    """What came of an input.

    Attributes:
        job: Which it was.
        outcome: ``read``, ``refused``, or ``fault``.
        seconds: On the clock.
        megabytes: By which the process grew at its highest.
        fault: Where and what; inputs of the same fault have the same.
        details: The traceback.
    """

    job: Job
    outcome: str
    seconds: float
    megabytes: float
    fault: str = ""
    details: str = ""


def make_input(target: Target, seed: int, job: Job) -> tuple[str, bytes]:
    """Make an input: the same for the same seed."""
    rng = random.Random(f"{seed} {job}")
    name = rng.choice(sorted(target.examples))
    return name, mutate(rng, target.examples[name])


def try_all(
    makers: Mapping[str, Callable[[Path], Target]], jobs: Sequence[Job], seed: int,
    processes: int, until: float,
) -> Iterator[Tried]:  # fmt: skip
    """Try inputs, each process its share; gives what came of them.

    Args:
        makers: Of what each kind of input is given to.
        jobs: All.
        seed: Of the damage.
        processes: How many at once.
        until: Of :func:`time.monotonic`; inputs that were not begun by then are left out.
    """
    workers = [_Worker(makers, jobs[number::processes], seed) for number in range(processes)]
    while workers := [worker for worker in workers if worker.left]:
        ready = wait([worker.pipe for worker in workers], 1)
        for worker in workers:
            if worker.pipe in ready:
                yield from worker.told()
            elif worker.hangs:
                yield worker.ended(f"hangs: {HANGS:g} s")
        if time.monotonic() > until:
            break
    for worker in workers:
        worker.stop()


class _Worker:
    """One process, and the next one when it has ended."""

    def __init__(
        self, makers: Mapping[str, Callable[[Path], Target]], jobs: Sequence[Job], seed: int
    ) -> None:
        self._makers, self.left, self._seed = makers, list(jobs), seed
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        arguments = (self._makers, self.left, self._seed, theirs)
        self._process = context.Process(target=_work, args=arguments, daemon=False)
        self._process.start()
        theirs.close()
        self._begun: float | None = None

    @property
    def hangs(self) -> bool:
        """Whether the input takes too long."""
        return self._begun is not None and time.monotonic() - self._begun > HANGS

    def told(self) -> Iterator[Tried]:
        """Take what the process says."""
        try:
            said = self.pipe.recv()
        except EOFError:
            self._process.join()
            self._end_others()
            if self.left:
                yield self.ended(f"the process ended with {self._process.exitcode}")
            return
        self._begun = time.monotonic()
        if isinstance(said, Tried):
            self.left.pop(0)
            yield said

    def ended(self, how: str) -> Tried:
        """Give up the input that was being tried, and go on with the next."""
        seconds = time.monotonic() - (self._begun or time.monotonic())
        self.stop()
        job = self.left.pop(0)
        if self.left:
            self._start()
        return Tried(job, "fault", seconds, 0.0, f"{job[0]}: {how}", how)

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()
        self._end_others()

    def _end_others(self) -> None:
        """End what the process had started: a server."""
        if self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _work(
    makers: Mapping[str, Callable[[Path], Target]], jobs: Sequence[Job], seed: int, pipe: Connection
) -> None:
    os.setsid()  # so that what it starts can be ended with it
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    try:
        targets = {}
        for name in dict.fromkeys(name for name, _ in jobs):
            (folder / name).mkdir()
            targets[name] = makers[name](folder / name)
        pipe.send("begins")
        for job in jobs:
            pipe.send(try_one(targets[job[0]], seed, job))
    finally:
        shutil.rmtree(folder)


def try_one(target: Target, seed: int, job: Job) -> Tried:
    """Try one input."""
    from kerascnn.errors import KerascnnError

    name, data = make_input(target, seed, job)
    before, began = _memory(target.process, reset=True), time.perf_counter()
    outcome = fault = details = ""
    try:
        target.attempt(name, data)
        outcome = "read"
    except KerascnnError as error:
        outcome = "refused"
        if "\n" in str(error) or len(str(error)) > 20_100:
            outcome, fault, details = "fault", f"{job[0]}: no one line", str(error)[:5000]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is a fault
        outcome, details = "fault", traceback.format_exc()
        fault = f"{job[0]}: {type(error).__name__} at {_place(error)}"
    seconds = time.perf_counter() - began
    return Tried(job, outcome, seconds, _memory(target.process) - before, fault, details)


def _place(error: BaseException) -> str:
    """Tell the last place of the package that an error passed."""
    import kerascnn

    # Not "/kerascnn/": a checkout may have that name, and holds the scripts.
    package = f"{Path(kerascnn.__file__).parent}{os.sep}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(package)] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


def _memory(process: int | None, reset: bool = False) -> float:
    """Give the highest that a process had in memory since the last reset, in MB."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    about = Path("/proc", "self" if process is None else str(process))
    if reset:
        (about / "clear_refs").write_text("5")
    lines = (about / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
