"""`score --on ray`, with workers, nodes and drivers that are killed. In the full suite only: a
cluster takes tens of seconds to start."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kerascnn.errors import ConfigError
from kerascnn.inference import Classifier
from kerascnn.inference.prediction import to_row
from kerascnn.scoring import on_ray
from kerascnn.scoring.engine import score_parts
from kerascnn.scoring.job import Work, finish, prepare
from kerascnn.scoring.on_ray import RayTasks, ray_cluster
from kerascnn.scoring.parts import Failure, Job, WorkerOptions, attempt
from kerascnn.scoring.request import Request

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]

PARTS = 6
PICTURES = 30


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """Two nodes of two processors each; where the machine is too busy for Ray, a skip."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
        patched.setenv("RAY_raylet_start_wait_time_s", "300")
        patched.setenv("RAY_agent_register_timeout_ms", "300000")
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        node = {"num_cpus": 2, "object_store_memory": 80 << 20}
        try:
            running = Cluster(
                initialize_head=True, head_node_args={**node, "include_dashboard": False}
            )
        except Exception as error:  # noqa: BLE001 - Ray raises no class of its own
            pytest.skip(f"no Ray cluster starts here: {error}")
        running.add_node(**node)
        patched.setenv("RAY_ADDRESS", running.address)
        yield running
        running.shutdown()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(PICTURES):
        Image.new("RGB", (28, 28), (8 * number, 0, 90)).save(folder / f"{number:02}.png")
    (folder / "07.png").write_bytes(b"broken")
    return sorted(map(str, folder.iterdir()))


@pytest.fixture
def work(cluster: object, exported: Path, pictures: list[str]) -> Work:
    folder = str(Path(pictures[0]).parent)
    request = Request(str(exported), Path("out"), (folder,), "ray", parts=PARTS, format="jsonl")
    return prepare(request, sys.stdin)


@pytest.fixture
def as_predicted(exported: Path, pictures: list[str]) -> Callable[[], bool]:
    def compare() -> bool:
        parts = sorted(Path("out").glob("part-*"))
        rows = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
        answers = zip(pictures, Classifier(exported).stream(pictures), strict=True)
        return rows == [to_row(path, answer) for path, answer in answers]

    return compare


def score_with(work: Work, doing: Callable[[Job], bytes | Failure]) -> dict[int, str]:
    """Score on the cluster, with another function in the place of `attempt`."""
    setting = WorkerOptions(
        str(Path(work.request.model).absolute()), work.plan.question, work.plan.base
    )
    done: list[int] = []
    with ray_cluster("ray", 1, gpu=False) as tasks:
        engine = RayTasks(tasks._ray, {"num_cpus": 1}, doing)
        failed = score_parts(work.plan, work.missing, setting, engine, done.append)
    assert sum(done) == PICTURES
    return failed


def dying(parts: tuple[int, ...], mark: str, times: int) -> Callable[[Job], bytes | Failure]:
    """A worker that is killed while it works on some parts; sent by value."""

    def doing(job: Job) -> bytes | Failure:
        marks = [Path(f"{mark}.{job.number}.{one}") for one in range(times)]
        left = [one for one in marks if not one.exists()]
        if job.number in parts and left:
            left[0].touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return attempt(job)

    return doing


def by_value(function: Callable[[Job], bytes | Failure]) -> Callable[[Job], bytes | Failure]:
    """Workers cannot import this file."""
    import ray.cloudpickle

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return function


@pytest.mark.parametrize("parts", [(1,), (0, 4)])
def test_workers_killed(parts: tuple[int, ...], work: Work, as_predicted, tmp_path) -> None:
    assert score_with(work, by_value(dying(parts, str(tmp_path / "mark"), 1))) == {}
    assert as_predicted()
    assert (finish(work, {}) or {})["complete"]


def test_a_part_that_always_dies(work: Work, tmp_path) -> None:
    failed = score_with(work, by_value(dying((2,), str(tmp_path / "mark"), 99)))
    assert list(failed) == [2]
    assert "tried 3 times" in failed[2]
    assert len(list(tmp_path.glob("mark.2.*"))) == 3
    summary = finish(work, failed) or {}
    assert (summary["missing_parts"], summary["scored"]) == ([2], PICTURES - 5 - 1)


def test_a_node_killed(cluster, work: Work, as_predicted, tmp_path) -> None:
    node = cluster.add_node(num_cpus=2, object_store_memory=80 << 20)
    mark, victim = tmp_path / "mark", node.node_id

    def doing(job: Job) -> bytes | Failure:
        import ray

        if ray.get_runtime_context().get_node_id() == victim:
            mark.touch()
            while True:  # until the node is killed
                time.sleep(1)
        while not mark.exists():  # so that the victim has one, too
            time.sleep(0.01)
        return attempt(job)

    def kill() -> None:
        while not mark.exists():
            time.sleep(0.01)
        cluster.remove_node(node, allow_graceful=False)

    killing = threading.Thread(target=kill)
    killing.start()
    assert score_with(work, by_value(doing)) == {}
    killing.join()
    assert as_predicted()


DRIVER = """
import os, signal, sys
from kerascnn.cli import main
from kerascnn.scoring import engine

write, written = engine.write_bytes, []

def then_killed(path, data):
    write(path, data)
    written.append(path)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    engine.write_bytes = then_killed
    main()
"""


def test_a_driver_killed(cluster, exported: Path, pictures: list[str], as_predicted) -> None:
    Path("driver.py").write_text(DRIVER)
    words = ["score", str(exported), str(Path(pictures[0]).parent), "--out", "out"]
    words += ["--on", "ray", "--parts", str(PARTS), "--format", "jsonl"]
    first = subprocess.run([sys.executable, "driver.py", *words], capture_output=True)
    assert first.returncode == -signal.SIGKILL, first.stderr
    kept = {path: path.stat().st_mtime_ns for path in Path("out").glob("part-*")}
    assert len(kept) == 2
    again = subprocess.run([sys.executable, "-m", "kerascnn", *words], capture_output=True)
    assert again.returncode == 3, again.stderr  # for the broken picture
    assert as_predicted()
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


@pytest.mark.parametrize("threads", [1, 2])
def test_every_processor_at_work(threads: int, cluster, exported, pictures, as_predicted) -> None:
    """More parts than processors, and parts that take a whole node: none waits for another."""
    words = ["score", str(exported), str(Path(pictures[0]).parent), "--out", "out", "--on", "ray"]
    words += ["--parts", "15", "--threads", str(threads), "--format", "jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "kerascnn", *words], capture_output=True, timeout=120
    )
    assert done.returncode == 3, done.stderr  # for the broken picture
    assert as_predicted()


def test_processors_that_others_hold(
    cluster, work: Work, as_predicted, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said, and the parts begin when they are let go (what hung Ray Data)."""
    import ray

    class Holder:
        def ready(self) -> bool:
            return True

    ray.init(address=cluster.address, namespace="other", log_to_driver=False)
    holders = [ray.remote(num_cpus=1)(Holder).remote() for _ in range(cpus_of(ray))]
    ray.get([holder.ready.remote() for holder in holders])
    until(lambda: ray.available_resources().get("CPU", 0) == 0)
    on_ray._warn_of_waiting(ray, {"num_cpus": 1, "num_gpus": 0})
    assert "0 of the cluster's" in caplog.text
    engine = RayTasks(ray, {"num_cpus": 1})
    setting = WorkerOptions(
        str(Path(work.request.model).absolute()), work.plan.question, work.plan.base
    )
    letting_go = threading.Timer(2, lambda: [ray.kill(holder) for holder in holders])
    letting_go.start()
    assert score_parts(work.plan, work.missing, setting, engine, lambda _: None) == {}
    letting_go.join()
    ray.shutdown()
    assert as_predicted()


def test_a_gpu_that_no_node_has(cluster, caplog: pytest.LogCaptureFixture) -> None:
    with ray_cluster("ray", 1, gpu=True):
        assert "has 0 GPUs and a part takes 1" in caplog.text


def cpus_of(ray: Any) -> int:
    return int(ray.cluster_resources()["CPU"])


def until(so: Callable[[], bool]) -> None:
    while not so():
        time.sleep(0.1)


@pytest.mark.parametrize(("name", "value"), [("kerascnn", "9.9"), ("Python", "2.7")])
def test_other_versions(name: str, value: str, cluster, monkeypatch) -> None:
    here = on_ray.versions() | {name: value}
    monkeypatch.setattr(on_ray, "versions", lambda: here)
    with (
        pytest.raises(ConfigError, match=rf"has .*this process has .*{name} {value}"),
        ray_cluster("ray", 1, gpu=False),
    ):
        pass
