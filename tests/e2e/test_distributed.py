"""Two processes train together: as one would, and none waits for a lost one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from kerascnn.training.run.folder import Run

OPTIONS = ("--model", "lenet5", "--epochs", "3", "--val", "0.2", "--seed", "1")
HUNG = 600
"""Seconds that only end a test that hangs."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3 * HUNG),
    # Three processes that meet over TCP: two more tries, counted in the summary.
    pytest.mark.flaky(reruns=2),
]


# The command, which pauses after each checkpoint of the run as long as the file `pause` is there,
# so that a process is killed in the middle of a run and not after it. If the test is gone, it goes
# on.
PAUSING = """
import os, sys, time
from pathlib import Path
from kerascnn.cli import main
from kerascnn.training.evaluation import report as reporting
from kerascnn.training.run.checkpoint import Checkpoint

reporting.render_page = lambda _content: "not drawn"  # it takes longer than the training

pause, save, parent = Path(sys.argv.pop(1)), Checkpoint.save, os.getppid()

def pausing(checkpoint, folder):
    save(checkpoint, folder)
    while folder.name == "checkpoint" and pause.exists() and os.getppid() == parent:
        time.sleep(0.01)

Checkpoint.save = pausing
main()
"""


STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    """End the processes of a test that failed: they would disturb those after it."""
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.communicate()


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def start(preloaded: Callable[[str], list[str]]) -> Start:
    """Start the command."""
    pytest.importorskip("jax")
    return starting(preloaded("jax"))


def starting(python: list[str]) -> Start:
    def run(*words: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*python, "-c", PAUSING, "pause", "train", *OPTIONS, *words],
            env=os.environ | {"KERAS_BACKEND": "jax"} | variables,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        STARTED.append(process)
        return process

    return run


def pair(start: Start, data: str, port: int, out: Path, *words: str) -> list[subprocess.Popen[str]]:
    shared = ("--distributed", f"127.0.0.1:{port}", "--processes", "2", *words)
    return [
        start(data, "--out", str(out), *shared, "--rank", "0"),
        start(data, "--out", str(out.with_name("nothing")), *shared, "--rank", "1"),
    ]


def wait_for(path: Path, those: list[subprocess.Popen[str]]) -> None:
    end = time.monotonic() + HUNG
    while not path.exists():
        ended = [process.communicate(timeout=HUNG)[1] for process in those if process.poll()]
        assert not ended, ended
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.02)


def losses(folder: Path) -> list[list[float]]:
    return [[row.loss, row.val_loss] for row in Run(folder).history]


@pytest.mark.parametrize("victims", [(0,), pytest.param((1, 0), marks=pytest.mark.full)])
def test_two_processes_learn_what_one_learns_and_outlive_a_killed_one(
    victims: tuple[int, ...],
    start: Start,
    subset: Callable[[int], Path],
    tmp_path: Path,
    free_port: int,
) -> None:
    data = str(subset(900))
    one, two = tmp_path / "one", tmp_path / "two"
    alone = start(data, "--out", str(one))
    alone.communicate(timeout=HUNG)
    assert alone.returncode == 0
    # Each loss stops the other at once; then the run goes on.
    for epoch, victim in enumerate(victims, 1):
        Path("pause").touch()
        processes = pair(start, data, free_port, two, "--resume")
        wait_for(two / "checkpoint" / f"epoch-{epoch:06}.npz", processes)
        processes[victim].send_signal(signal.SIGKILL)
        Path("pause").unlink()
        _, told = processes[1 - victim].communicate(timeout=HUNG)
        processes[victim].communicate(timeout=HUNG)
        assert processes[1 - victim].returncode == 1, told
        assert f"Error: rank {victim} was lost" in told
        assert not Run(two).is_finished
    for process in pair(start, data, free_port, two, "--resume"):
        _, told = process.communicate(timeout=HUNG)
        assert process.returncode == 0, told
    assert losses(two) == [pytest.approx(row, rel=1e-4) for row in losses(one)]
    assert Run(two).report_path.exists()
    assert Run(two).card.temperature == pytest.approx(Run(one).card.temperature, rel=1e-2)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.full
@pytest.mark.parametrize("victim", [0, 1])
def test_one_that_is_stopped_and_alive_ends_the_others(
    victim: int, subset: Callable[[int], Path], tmp_path: Path, free_port: int
) -> None:
    pytest.importorskip("jax")
    start = starting([sys.executable])  # itself: no other can be stopped for it
    out = tmp_path / "two"
    Path("pause").touch()
    processes = pair(start, str(subset(300)), free_port, out)
    wait_for(out / "checkpoint" / "epoch-000001.npz", processes)
    processes[victim].send_signal(signal.SIGSTOP)
    Path("pause").unlink()
    _, told = processes[1 - victim].communicate(timeout=HUNG)
    processes[victim].send_signal(signal.SIGCONT)
    _, other = processes[victim].communicate(timeout=HUNG)
    assert f"rank {victim} was lost (no sign of life for 40 s" in told
    assert (processes[0].returncode, processes[1].returncode) == (1, 1), other


LAUNCHERS = {
    "Slurm": {
        "SLURM_JOB_ID": "1", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2",
        "SLURM_PROCID": "RANK", "SLURM_LOCALID": "RANK", "JAX_COORDINATOR_PORT": "PORT",
    },
    "Open MPI": {
        "OMPI_MCA_orte_hnp_uri": "4096.0;tcp://127.0.0.1:34911", "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": "RANK", "OMPI_COMM_WORLD_LOCAL_RANK": "RANK",
        "JAX_COORDINATOR_PORT": "PORT",
    },
    "Kubeflow": {
        "JAX_COORDINATOR_ADDRESS": "127.0.0.1:PORT", "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": "RANK",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def losses_alone(
    subset: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory
) -> list[list[float]]:
    pytest.importorskip("jax")
    out = tmp_path_factory.mktemp("alone") / "one"
    process = starting([sys.executable])(str(subset(300)), "--out", str(out))
    _, told = process.communicate(timeout=HUNG)
    assert process.returncode == 0, told
    return losses(out)


@pytest.mark.full
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_launchers_say_who_trains_together(
    launcher: str,
    losses_alone: list[list[float]],
    subset: Callable[[int], Path],
    tmp_path: Path,
    free_port: int,
) -> None:
    start, out = starting([sys.executable]), tmp_path / "two"
    both = [
        start(
            str(subset(300)), "--out", str(out), "--distributed", "auto",
            **{
                name: value.replace("RANK", str(rank)).replace("PORT", str(free_port))
                for name, value in LAUNCHERS[launcher].items()
            },
        )
        for rank in range(2)
    ]  # fmt: skip
    for process in both:
        _, told = process.communicate(timeout=HUNG)
        assert process.returncode == 0, told
    assert losses(out) == [pytest.approx(row, rel=1e-4) for row in losses_alone]


INITIALIZED = """
import sys
import jax
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]), cluster_detection_method="deactivate")
from kerascnn import training
config = dict(data=sys.argv[3], out=sys.argv[4], model="lenet5", epochs=3, val=0.2, seed=1)
training.fit(training.TrainConfig(**config))
"""


@pytest.mark.full
def test_a_jax_that_is_initialized_already(
    losses_alone: list[list[float]],
    subset: Callable[[int], Path],
    tmp_path: Path,
    free_port: int,
) -> None:
    address, out = f"127.0.0.1:{free_port}", tmp_path / "two"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", INITIALIZED, address, str(rank), str(subset(300)), str(out)],
            env=os.environ | {"KERAS_BACKEND": "jax"}, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    STARTED.extend(both)
    for process in both:
        _, told = process.communicate(timeout=HUNG)
        assert process.returncode == 0, told
    assert losses(out) == [pytest.approx(row, rel=1e-4) for row in losses_alone]


TWO_NODES = """
import os, subprocess, sys
from ray.cluster_utils import Cluster
node = {"num_cpus": 1, "object_store_memory": 80 << 20}
cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
cluster.add_node(**node)
environment = os.environ | {"RAY_ADDRESS": cluster.address}
done = subprocess.run([sys.executable, *sys.argv[1:]], env=environment)
cluster.shutdown()
sys.exit(done.returncode)
"""


@pytest.mark.full
@pytest.mark.timeout(600)
def test_ray_train_on_two_nodes(
    losses_alone: list[list[float]], subset: Callable[[int], Path], tmp_path: Path
) -> None:
    pytest.importorskip("ray.train.v2.jax")
    root, out = Path(__file__).parents[2], tmp_path / "two"
    words = [str(root / "examples" / "cluster" / "ray_train.py"), str(subset(300)), str(out)]
    words += ["model=lenet5", "epochs=3", "val=0.2", "seed=1"]
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu", "KERAS_BACKEND": "jax", "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": str(root),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", TWO_NODES, *words], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert losses(out) == [pytest.approx(row, rel=1e-4) for row in losses_alone]
    assert json.loads((out / "machine.json").read_text())["devices"] == 2


def test_other_data_is_refused_by_both(start: Start, tmp_path: Path, free_port: int) -> None:
    from kerascnn.dataset import load_dataset

    pictures = tmp_path / "pictures.npz"
    split = load_dataset("fashion-mini").splits["train"]
    taken = np.stack([np.asarray(split.pictures[n]) for n in range(0, 1)])
    np.savez(pictures, x_train=np.repeat(taken, 40, 0), y_train=np.arange(40) % 2)
    shared = ("--distributed", f"127.0.0.1:{free_port}", "--processes", "2", "--batch-size", "4")
    both = [
        start("fashion-mini", *shared, "--rank", "0"),
        start(str(pictures), *shared, "--rank", "1"),
    ]
    for process in both:
        _, told = process.communicate(timeout=HUNG)
        assert process.returncode == 1, told
        assert "the data of rank 1 is not that of rank 0" in told
    assert not list(tmp_path.glob("runs/*/config.json"))
