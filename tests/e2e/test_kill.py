"""A process that is killed at any moment: the run goes on as if nothing had been."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KILLS = 30
HUNG = 900
"""Seconds that only end a test that hangs."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(HUNG),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks"),
]

MOMENTS = {
    "before epoch 1 is done": ("before", "Checkpoint.save", 1),
    "between the checkpoint and the model of an epoch": ("before", "Run.save_model", 2),
    "after the model is written": ("after", "Run.save_model", 2),
    "between the checkpoint and the history of the last epoch": ("after", "Checkpoint.save", 8),
}

# `FOLDER limit BYTES` limits the size of files, which is how a full disk looks; `FOLDER backwards`
# has the clock go backwards;
# `FOLDER before|after CLASS.METHOD N` kills the process before or after the Nth call of a method.
PROGRAM = """
import os, resource, signal, sys
from kerascnn.cli import main
from kerascnn.training.evaluation import report as reporting
from kerascnn.training.run.checkpoint import Checkpoint
from kerascnn.training.run.folder import Run

reporting.render_page = lambda _content: "not drawn"  # it takes longer than the training

def kill_at(when, method, count):
    home, name = {"Checkpoint": Checkpoint, "Run": Run}[method.split(".")[0]], method.split(".")[1]
    work, calls = getattr(home, name), []

    def watched(*arguments):
        calls.append(method)
        last = len(calls) == int(count)
        if last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        work(*arguments)
        if last and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(home, name, watched)

data, folder, *wish = sys.argv[1:]
if wish == ["backwards"]:
    import time
    ticks = iter(range(10**9))
    time.time = lambda: 1.7e9 - 1000.0 * next(ticks)
elif wish[:1] == ["limit"]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(wish[1]), int(wish[1])))
elif wish:
    kill_at(*wish)
main(["train", data, "--image-size", "12", "--batch-size", "32", "--augment", "light",
      "--phase", "head:2", "--phase", "all:6", "--deterministic", "--out", folder, "--resume"])
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def start(subset: Callable[[int], Path], preloaded: Callable[[str], list[str]]) -> Start:
    """Start a training process."""

    def run(folder: Path, *wish: str | int) -> subprocess.Popen[str]:
        words = map(str, (subset(300), folder, *wish))
        return subprocess.Popen(
            [*preloaded("tensorflow"), "-c", PROGRAM, *words],
            env=os.environ | {"KERAS_BACKEND": "tensorflow"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return run


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for its end, which is that of its last line too; give how it ended and what it said."""
    said = process.communicate(timeout=HUNG)[1]
    return process.returncode, said


def finish(process: subprocess.Popen[str]) -> None:
    code, said = ended(process)
    assert code == 0, said


def outcome(folder: Path) -> tuple[Any, ...]:
    """All that must not depend on whether the process was killed."""
    from kerascnn.training.run.checkpoint import latest_checkpoint
    from kerascnn.training.run.folder import Run

    run, last = Run(folder), latest_checkpoint(folder / "checkpoint")
    assert last is not None
    assert (run.is_finished, run.report_path.exists()) == (True, True)
    assert not list(folder.rglob(".*")), "temporary files or locks are left"
    rows = [(row.learning_rate, row.loss, row.accuracy, row.val_loss) for row in run.history]
    best = [array.tobytes() for array in run.load_model().get_weights()]
    return rows, [array.tobytes() for array in last.core], best, run.card.weights_sha256


@pytest.fixture(scope="module")
def undisturbed(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> tuple[float, tuple[Any, ...]]:
    """How long the run takes, and what comes out."""
    folder, began = tmp_path_factory.mktemp("undisturbed") / "r", time.monotonic()
    finish(start(folder))
    return time.monotonic() - began, outcome(folder)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_it_ends_with_the_same_bits(
    start: Start, undisturbed: tuple[float, tuple[Any, ...]], tmp_path: Path, moment: str
) -> None:
    folder = tmp_path / "r"
    assert ended(start(folder, *MOMENTS[moment]))[0] == -signal.SIGKILL
    finish(start(folder))
    assert outcome(folder) == undisturbed[1]


@pytest.mark.full
@pytest.mark.timeout(4 * HUNG)
def test_killed_at_random_moments_of_epochs_it_ends_with_the_same_bits(
    start: Start, undisturbed: tuple[float, tuple[Any, ...]], tmp_path: Path
) -> None:
    seconds, expected = undisturbed
    kills, runs = 0, 1
    while kills < KILLS:
        folder = tmp_path / str(runs)
        rows, process = rows_of(folder), start(folder)
        while process.poll() is None and rows_of(folder) == rows:
            time.sleep(0.002)
        time.sleep(random.uniform(0, seconds / 8))  # there are eight epochs
        process.kill()
        if ended(process)[0] == -signal.SIGKILL:
            kills += 1
        else:
            assert outcome(folder) == expected
            runs += 1
    finish(start(tmp_path / str(runs)))
    assert outcome(tmp_path / str(runs)) == expected


def rows_of(folder: Path) -> int:
    """Count the epochs in the history of a run."""
    path = folder / "history.csv"
    return path.read_text(encoding="utf-8").count("\n") if path.exists() else 0


@pytest.mark.full
def test_a_clock_that_goes_backwards_changes_nothing(
    start: Start, undisturbed: tuple[float, tuple[Any, ...]], tmp_path: Path
) -> None:
    finish(start(tmp_path / "r", "backwards"))
    assert outcome(tmp_path / "r") == undisturbed[1]


@pytest.mark.full
def test_two_at_once_share_a_cache_and_never_a_folder(
    start: Start, undisturbed: tuple[float, tuple[Any, ...]], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("KERASCNN_CACHE", str(tmp_path / "cache"))
    both = [start(tmp_path / name) for name in ("a", "b")]
    for process in both:
        finish(process)
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b") == undisturbed[1]
    codes = sorted(ended(process) for process in [start(tmp_path / "c"), start(tmp_path / "c")])
    assert [code for code, _ in codes] == [0, 1]
    assert "another process is writing here" in codes[1][1]
    assert outcome(tmp_path / "c") == undisturbed[1]


# model.keras has 145,000 bytes, and the checkpoint of epoch 3 308,000.
@pytest.mark.parametrize("limit", [130_000, 200_000])
def test_a_full_disk_is_one_sentence_and_the_run_goes_on_later(
    start: Start, undisturbed: tuple[float, tuple[Any, ...]], tmp_path: Path, limit: int
) -> None:
    code, said = ended(start(tmp_path / "r", "limit", limit))
    assert code == 1
    assert "cannot write" in said
    assert "Traceback" not in said
    finish(start(tmp_path / "r"))
    assert outcome(tmp_path / "r") == undisturbed[1]
