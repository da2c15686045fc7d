"""A process that is killed at any moment: the run goes on as if nothing had been."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks"),
]

KILLS = 10

# Importing TensorFlow takes longer than the run. So one process imports it, and forks a real
# process for each try: `FOLDER [BYTES]` answers with its number. BYTES limits the size of files,
# which is how a full disk looks. An empty line answers with its exit code when it has ended; until
# then its number is not given to another process.
NURSERY = """
import os, resource, sys
from kerascnn.cli import main
import kerascnn.training.fitting

for line in sys.stdin:
    folder, *limit = line.split()
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), int(limit[0])))
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
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", NURSERY.replace("DATA", str(data))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip

    def start(self, folder: Path, limit: int | str = "") -> int:
        return self._ask(f"{folder} {limit}")

    def exit_code(self) -> int:
        return self._ask("")

    def _ask(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


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
    from kerascnn.training.checkpoint import latest_checkpoint
    from kerascnn.training.run import Run

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


def test_killed_at_ten_random_moments_it_ends_with_the_same_bits(
    nursery: Nursery, undisturbed: tuple[float, tuple[Any, ...]], tmp_path: Path
) -> None:
    seconds, expected = undisturbed
    kills, runs, reached = 0, 1, set()
    while kills < KILLS:
        folder = tmp_path / str(runs)
        process = nursery.start(folder)
        time.sleep(random.uniform(0, seconds))
        os.kill(process, signal.SIGKILL)
        if nursery.exit_code() == -signal.SIGKILL:
            kills += 1
            reached.add((runs, len(list(folder.glob("checkpoint/*")))))
        else:
            assert outcome(folder) == expected
            runs += 1
    nursery.start(tmp_path / str(runs))
    assert nursery.exit_code() == 0
    assert outcome(tmp_path / str(runs)) == expected
    assert len(reached) > 1, "every kill came before the first epoch was done"


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
    nursery.start(tmp_path / "r", limit)
    assert nursery.exit_code() == 1
    said = log.read_bytes()[before:].decode()
    assert "cannot write" in said
    assert "Traceback" not in said
    nursery.start(tmp_path / "r")
    assert nursery.exit_code() == 0
    assert outcome(tmp_path / "r") == undisturbed[1]
