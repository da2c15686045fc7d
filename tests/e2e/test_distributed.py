"""Two processes train together: as one would, and none waits for a lost one."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kerascnn.training.run import Run

OPTIONS = ("--model", "lenet5", "--epochs", "4", "--val", "0.8", "--seed", "1")


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kerascnn", "train", *OPTIONS, *words],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def pair(out: Path, *words: str) -> list[subprocess.Popen[str]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    shared = ("--distributed", address, "--processes", "2", *words)
    return [
        start("--out", str(out), *shared, "--rank", "0"),
        start("--out", str(out.with_name("nothing")), *shared, "--rank", "1"),
    ]


def wait_for(path: Path) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.02)


def losses(folder: Path) -> list[list[float]]:
    return [[row.loss, row.val_loss] for row in Run(folder).history]


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_and_outlive_a_killed_one(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    one, two = tmp_path / "one", tmp_path / "two"
    alone = start("--out", str(one))
    alone.communicate(timeout=120)
    assert alone.returncode == 0
    for victim in (1, 0):  # each loss stops the other at once; then the run goes on
        processes = pair(two, "--resume")
        wait_for(two / "checkpoint" / f"epoch-{2 - victim:06}.npz")
        processes[victim].send_signal(signal.SIGKILL)
        _, told = processes[1 - victim].communicate(timeout=30)
        processes[victim].communicate()
        assert processes[1 - victim].returncode == 1, told
        assert f"Error: rank {victim} was lost" in told
        assert not Run(two).is_finished
    for process in pair(two, "--resume"):
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
    assert losses(two) == [pytest.approx(row, rel=1e-4) for row in losses(one)]
    assert Run(two).report_path.exists()
    assert Run(two).card.temperature == pytest.approx(Run(one).card.temperature, rel=1e-2)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.slow
def test_other_data_is_refused_by_both(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    from kerascnn.dataset import load_dataset

    pictures = tmp_path / "pictures.npz"
    split = load_dataset("fashion-mini").splits["train"]
    taken = np.stack([np.asarray(split.pictures[n]) for n in range(0, 1)])
    np.savez(pictures, x_train=np.repeat(taken, 40, 0), y_train=np.arange(40) % 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    shared = ("--distributed", address, "--processes", "2", "--batch-size", "4")
    both = [start(*shared, "--rank", "0"), start(str(pictures), *shared, "--rank", "1")]
    for process in both:
        _, told = process.communicate(timeout=120)
        assert process.returncode == 1, told
        assert "the data of rank 1 is not that of rank 0" in told
    assert not list(tmp_path.glob("runs/*/config.json"))
