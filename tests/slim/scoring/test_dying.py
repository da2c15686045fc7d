"""`score` when what works on it dies: everything else is done, and nothing is done twice."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kerascnn.errors import KerascnnError
from kerascnn.files import write_bytes
from kerascnn.inference.prediction import to_row
from kerascnn.parallel import usable_cpus
from kerascnn.scoring import engine, job
from kerascnn.scoring.local import LocalProcesses
from kerascnn.scoring.parts import Failure, Job

needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does")


def killing(numbers: set[int], times: int, log: list[int]) -> type[LocalProcesses]:
    """Processes that are killed while they work on some parts, the first so many times."""

    class Killing(LocalProcesses):
        def submit(self, work: Job) -> None:
            super().submit(work)
            log.append(work.number)
            if work.number in numbers and log.count(work.number) <= times:
                [worker] = [one for one in self._busy.values() if one.number == work.number]
                worker._process.kill()
                worker._process.join()

    return Killing


@needs_kill
@pytest.mark.parametrize(("killed", "workers"), [({1}, 1), ({0, 1}, 2)])
def test_workers_that_are_killed(
    killed, workers: int, pictures, score, rows, classifier, monkeypatch
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(job, "LocalProcesses", killing(killed, 1, begun))
    done = score("p", "--parts", "3", "--workers", str(workers))
    assert done.exit_code == 3  # for the broken picture
    assert sorted(begun) == sorted([0, 1, 2, *killed])
    assert rows() == [
        to_row(path, answer)
        for path, answer in zip(pictures, classifier.stream(pictures), strict=True)
    ]


@needs_kill
def test_a_part_that_always_dies(pictures, score, rows, summary, monkeypatch) -> None:
    begun: list[int] = []
    monkeypatch.setattr(job, "LocalProcesses", killing({2}, 99, begun))
    done = score("p", "--parts", "5", "--workers", "1")
    assert done.exit_code == 3
    assert "error: part 2: its process ended (killed by SIGKILL) (tried 3 times)" in done.output
    assert sorted(begun) == [0, 1, 2, 2, 2, 3, 4]
    assert (summary()["complete"], summary()["missing_parts"]) == (False, [2])
    assert list(summary()["failed_parts"]) == ["2"]
    assert [row["path"] for row in rows()] == pictures[:4] + pictures[6:]


def test_a_full_disk_in_one_part(pictures, score, rows, summary, monkeypatch) -> None:
    def written(path: Path, data: bytes) -> None:
        if path.name == "part-00001.jsonl":
            raise KerascnnError(f"{path}: cannot write (No space left on device).")
        write_bytes(path, data)

    with monkeypatch.context() as full:
        full.setattr(engine, "write_bytes", written)
        done = score("p", "--parts", "3", "--workers", "1")
    assert done.exit_code == 3
    assert "error: part 1: out/part-00001.jsonl: cannot write (No space left" in done.output
    assert summary()["missing_parts"] == [1]
    kept = {path: path.stat().st_mtime_ns for path in Path("out").glob("part-*")}
    assert score("p", "--part", "1").exit_code == 0
    assert [row["path"] for row in rows()] == pictures
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


@pytest.mark.full
@pytest.mark.timeout(120)
def test_every_processor_at_work(pictures, score, rows) -> None:
    """Parts for all of them, twice: none waits for another that never comes."""
    cpus = usable_cpus()
    assert score("p", "--parts", str(2 * cpus), "--workers", str(cpus)).exit_code == 3
    assert [row["path"] for row in rows()] == pictures


KILLED_AFTER_TWO = """
import os, signal, sys
from kerascnn.cli import main
from kerascnn.scoring import engine

write = engine.write_bytes

def then_killed(path, data):
    write(path, data)
    if path.name == "part-00001.jsonl":
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    engine.write_bytes = then_killed
    main()
"""


@needs_kill
def test_a_driver_that_is_killed(
    pictures, score, rows, exported, environment, save_pictures
) -> None:
    Path("driver.py").write_text(KILLED_AFTER_TWO)
    words = ["score", exported, "p", "--out", "out", "--parts", "4", "--format", "jsonl"]
    done = subprocess.run(
        [sys.executable, "driver.py", *words, "--workers", "1"],
        env=environment, capture_output=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    kept = {path: path.stat().st_mtime_ns for path in Path("out").glob("part-*")}
    assert {path.name for path in kept} == {"part-00000.jsonl", "part-00001.jsonl"}
    Path("p/later.png").write_bytes(Path(pictures[0]).read_bytes())
    done = score("p", "--workers", "1")
    assert "1 added" in done.output
    assert [row["path"] for row in rows()] == pictures
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_what_no_part_could_survive_is_said_once(pictures, score, monkeypatch) -> None:
    failure = Failure("no such provider here", everywhere=True)
    monkeypatch.setattr(job, "attempt", lambda _job: failure)
    done = score("p", "--part", "0")
    assert (done.exit_code, done.output) == (1, "Error: no such provider here\n")


def test_an_error_that_nobody_expected_is_named(pictures, score, monkeypatch) -> None:
    from kerascnn.scoring import parts

    def fail(*_: object) -> None:
        raise ValueError("odd")

    monkeypatch.setattr(parts, "score_part", fail)
    done = score("p", "--parts", "2", "--part", "1")
    assert done.exit_code == 3
    assert "error: part 1: ValueError: odd (tried 3 times)" in done.output


def test_stopped_by_hand(pictures, score, monkeypatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "score_parts", stopped)
    done = score("p", "--part", "0")
    assert (done.exit_code, "Run the same command again to continue" in done.output) == (130, True)
    assert json.loads(Path("out/_plan.json").read_text())["pictures"] == 10
