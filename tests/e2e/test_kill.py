"""A process that is killed at any moment: the run goes on as if nothing had been."""

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

KILLS = 10
HUNG = 900
"""Seconds for one answer of the nursery, which takes a few; they only end a test that hangs."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(HUNG),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks"),
]

MOMENTS = {
    "before epoch 1 is done": ("before", "Checkpoint.save", 1),
    "between the checkpoint and the model of an epoch": ("before", "Run.save_model", 2),
    "after the model is written": ("after", "Run.save_model", 2),
    "between the checkpoint and the history of the last epoch": ("after", "Checkpoint.save", 8),
}

# Importing TensorFlow takes longer than the run. So one process imports it, and forks a real
# process for each try: `FOLDER` answers with its number. `FOLDER limit BYTES` limits the size of
# files, which is how a full disk looks; `FOLDER before|after CLASS.METHOD N` kills the process
# before or after the Nth call of a method. An empty line answers with the exit code when the
# process has ended; until then its number is not given to another.
NURSERY = """
import os, resource, signal, sys
from kerascnn.cli import main
import kerascnn.training.train
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

for line in sys.stdin:
    folder, *wish = line.split()
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        if wish[:1] == ["limit"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(wish[1]), int(wish[1])))
        elif wish:
            kill_at(*wish)
        main(["train", "DATA", "--image-size", "12", "--batch-size", "32", "--augment", "light",
              "--phase", "head:2", "--phase", "all:6", "--deterministic", "--out", folder,
              "--resume"])
    print(child, flush=True)
    sys.stdin.readline()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Nursery:
    """Starts training processes."""

    def __init__(self, data: Path, log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", NURSERY.replace("DATA", str(data))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip

    def start(self, folder: Path, *wish: str | int) -> int:
        return self._ask(" ".join(map(str, (folder, *wish))))

    def exit_code(self) -> int:
        return self._ask("")

    def _ask(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        if not select.select([self._process.stdout], [], [], HUNG)[0]:
            pytest.fail(f"no answer to {line!r}: {self._log.read_text()[-2000:]}")
        answer = self._process.stdout.readline()
        assert answer, self._log.read_text()[-2000:]
        return int(answer)

    def close(self) -> None:
        try:
            self._process.communicate(timeout=HUNG)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "stderr.txt"


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Iterator[Nursery]:
    from kerascnn.dataset import load_dataset

    train = load_dataset("fashion-mini").splits["train"]
    data = tmp_path_factory.mktemp("data") / "clothes.npz"
    pictures = np.stack([train.pictures[index] for index in range(300)])
    np.savez(data, x_train=pictures, y_train=train.labels[:300])
    nursery = Nursery(data, log)
    yield nursery
    nursery.close()


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
    nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> tuple[float, tuple[Any, ...]]:
    """How long the run takes, and what comes out."""
    folder, began = tmp_path_factory.mktemp("undisturbed") / "r", time.monotonic()
    nursery.start(folder)
    assert nursery.exit_code() == 0
    return time.monotonic() - began, outcome(folder)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_it_ends_with_the_same_bits(
    nursery: Nursery, undisturbed: tuple[float, tuple[Any, ...]], tmp_path: Path, moment: str
) -> None:
    folder = tmp_path / "r"
    nursery.start(folder, *MOMENTS[moment])
    assert nursery.exit_code() == -signal.SIGKILL
    nursery.start(folder)
    assert nursery.exit_code() == 0
    assert outcome(folder) == undisturbed[1]


@pytest.mark.full
def test_killed_at_ten_random_moments_it_ends_with_the_same_bits(
    nursery: Nursery, undisturbed: tuple[float, tuple[Any, ...]], tmp_path: Path
) -> None:
    seconds, expected = undisturbed
    kills, runs = 0, 1
    while kills < KILLS:
        folder = tmp_path / str(runs)
        process = nursery.start(folder)
        time.sleep(random.uniform(0, seconds))
        os.kill(process, signal.SIGKILL)
        if nursery.exit_code() == -signal.SIGKILL:
            kills += 1
        else:
            assert outcome(folder) == expected
            runs += 1
    nursery.start(tmp_path / str(runs))
    assert nursery.exit_code() == 0
    assert outcome(tmp_path / str(runs)) == expected


# model.keras has 145,000 bytes, and the checkpoint of epoch 3 308,000.
@pytest.mark.parametrize("limit", [130_000, 200_000])
def test_a_full_disk_is_one_sentence_and_the_run_goes_on_later(
    nursery: Nursery,
    undisturbed: tuple[float, tuple[Any, ...]],
    log: Path,
    tmp_path: Path,
    limit: int,
) -> None:
    before = log.stat().st_size
    nursery.start(tmp_path / "r", "limit", limit)
    assert nursery.exit_code() == 1
    said = log.read_bytes()[before:].decode()
    assert "cannot write" in said
    assert "Traceback" not in said
    nursery.start(tmp_path / "r")
    assert nursery.exit_code() == 0
    assert outcome(tmp_path / "r") == undisturbed[1]
