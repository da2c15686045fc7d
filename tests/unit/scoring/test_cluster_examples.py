"""The examples for clusters, run with the variables that Slurm and Kubernetes set."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

EXAMPLES = Path(__file__).parents[3] / "examples" / "cluster"


def environment(**variables: str) -> dict[str, str]:
    """Put `kerascnn` and a `srun` that starts one process on the path."""
    tools = Path("bin")
    tools.mkdir(exist_ok=True)
    calls = {"kerascnn": f'exec "{sys.executable}" -m kerascnn "$@"', "srun": 'exec "$@"'}
    for name, call in calls.items():
        (tools / name).write_text(f"#!/bin/sh\n{call}\n")
        (tools / name).chmod(stat.S_IRWXU)
    path = f"{tools.absolute()}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(EXAMPLES.parents[1])} | variables


def run(command: list[str], **variables: str) -> str:
    done = subprocess.run(command, env=environment(**variables), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def manifest(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))


@pytest.fixture
def garden() -> None:
    Path("garden").mkdir()
    Image.new("RGB", (28, 28)).save("garden/a.png")


def test_an_array_job(garden: None, exported: Path) -> None:
    script = str(EXAMPLES / "score.sbatch")
    run(["bash", script, str(exported), "garden", "out"], SLURM_ARRAY_TASK_ID="99")
    assert [path.name for path in Path("out").glob("part-*")] == ["part-00099.parquet"]
    assert json.loads(Path("out/_plan.json").read_text())["parts"] == 100


def test_an_indexed_job(garden: None, exported: Path) -> None:
    spec = manifest("score-job.yaml")["spec"]
    assert (spec["completionMode"], spec["completions"]) == ("Indexed", 100)
    [container] = spec["template"]["spec"]["containers"]
    words = [*container["command"], *container["args"]]
    places = {"/shared/flowers.onnx": str(exported), "/shared/garden": "garden"}
    words = [places.get(word, word.replace("/shared/scores", "out")) for word in words]
    run([str(Path("bin", "kerascnn").absolute()), *words[1:]], JOB_COMPLETION_INDEX="99")
    assert [path.name for path in Path("out").glob("part-*")] == ["part-00099.parquet"]


def test_a_jobset_says_who_trains_together(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    import keras

    from kerascnn.training.distribution.processes import cluster_of
    from kerascnn.training.distribution.rendezvous import Cluster

    [workers] = manifest("train-jobset.yaml")["spec"]["replicatedJobs"]
    job = workers["template"]["spec"]
    [container] = job["template"]["spec"]["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable.get("value", "1"))
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    expected = Cluster("train-workers-0-0.train:7000", job["completions"], 1)
    assert cluster_of("auto", None, None) == expected
    assert container["args"][-2:] == ["--distributed", "auto"]


def test_scripts_are_bash() -> None:
    for script in EXAMPLES.glob("*.sbatch"):
        subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_training_by_slurm(subset, tmp_path: Path) -> None:
    pytest.importorskip("jax")
    variables = {
        "SLURM_JOB_ID": "1", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "1",
        "SLURM_PROCID": "0", "SLURM_LOCALID": "0",
    }  # fmt: skip
    run(["bash", str(EXAMPLES / "train.sbatch"), str(subset(100)), "out"], **variables)
    assert Path("out/model.keras").exists()
