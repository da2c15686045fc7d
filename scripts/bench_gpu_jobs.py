"""What scripts/bench_gpu runs, and which figures it takes from what the commands print.

Knows: the commands, for a GPU and for a dry run, their limits of time, and what is asked of each.
Does not know how they are run, nor where the files come from.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench_all_jobs import tables

Figures = list[tuple[str, str, str]]
"""A benchmark in words, its result, and what is asked of it."""

SCRIPTS = Path(__file__).resolve().parent
ENVIRONMENT = {"KERAS_BACKEND": "jax", "KERASCNN_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
NETWORKS = (
    # Network, options, test top-1 and seconds from the process's start that are asked.
    ("resnet20", ("--epochs", "12", "--batch-size", "256"), "94 %, 20 s"),
    ("resnet18_small", ("--epochs", "40", "--batch-size", "256"), "95.5 %, 300 s"),
)
RECIPE = ("--augment", "light", "--label-smoothing", "0.1", "--precision", "mixed_bfloat16")


@dataclass(frozen=True)
class Job:
    """One command.

    Attributes:
        name: Of the figures.
        command: Program and arguments.
        seconds: After which it is stopped.
        figures: Takes the figures out of what it printed.
    """

    name: str
    command: tuple[str, ...]
    seconds: int
    figures: Callable[[str], Figures]

    @property
    def environment(self) -> dict[str, str]:
        """What it runs in: JAX trains, and nothing asks the network."""
        return {**os.environ, **ENVIRONMENT}


def jobs(folder: Path, dry: bool) -> list[Job]:
    """List the jobs, the most important first.

    Args:
        folder: That ``--prepare`` wrote.
        dry: The same steps on the CPU, as little of each as tells that it works.
    """
    return [
        speed(dry),
        resident_epochs(folder, dry),
        *(time_to_accuracy(folder, dry, *one) for one in NETWORKS),
        *(inference(folder, dry, grade) for grade in ("exact", "fast")),
        resident(folder, dry),
        serving(folder, dry),
    ]


def script(name: str, *arguments: str) -> tuple[str, ...]:
    """Write the command of one of the scripts beside this file."""
    return (sys.executable, str(SCRIPTS / name), *arguments)


def command(*arguments: str) -> tuple[str, ...]:
    """Write a command of kerascnn."""
    return (sys.executable, "-m", "kerascnn", *arguments)


def speed(dry: bool) -> Job:
    """Training steps beside PyTorch's, interleaved."""
    asked = ("--tasks", "cnn", "--who", "jax", "--rounds", "1", "--pictures", "256")
    if not dry:
        asked = ("--tasks", "cnn,resnet50", "--who", "jax,torch-channels-last,torch-compile",
                 "--rounds", "5", "--device", "gpu")  # fmt: skip
    return Job("training steps", script("bench_train", *asked), 240, steps)


def steps(text: str) -> Figures:
    """Read images/s of kerascnn on JAX, and the ratio to PyTorch's compiled network."""
    figures: Figures = []
    for part in text.split("\n\n"):
        rows = {row[""]: row for row in tables(part)}
        if "jax" not in rows:
            what = part.strip()
            continue
        own, rival = (
            rows.get(one, {}).get("images/s (median)") for one in ("jax", "torch-compile")
        )
        figures.append((f"{what}: images/s", str(own), ""))
        if own and rival:
            ratio = float(own.replace(",", "")) / float(rival.replace(",", ""))
            figures.append((f"{what}: of torch.compile", f"{ratio:.2f}", "1.0 (resnet50)"))
    return figures


def resident_epochs(folder: Path, dry: bool) -> Job:
    """Epochs of the baseline CNN whose pictures lie in the GPU's memory."""
    run = folder / "run-cnn"
    asked = train(folder, run, dry, "cnn", "--batch-size", "128", "--augment", "light",
                  "--epochs", "1" if dry else "20")  # fmt: skip
    return Job("baseline CNN", asked, 90, partial(images_a_second, run))


def train(folder: Path, run: Path, dry: bool, network: str, *more: str) -> tuple[str, ...]:
    """Write the command that trains on Fashion-MNIST."""
    return command("train", str(folder / "fashion.npz"), "--model", network, "--out", str(run),
                   "--overwrite", "--device", "cpu" if dry else "gpu", "--json", *more)  # fmt: skip


def images_a_second(run: Path, _: str) -> Figures:
    """Read the median of a run's epochs, without the first, which compiles."""
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        found = [float(row["images_per_second"]) for row in csv.DictReader(file)]
    what = "baseline CNN, batch 128, `--augment light`: images/s"
    return [(what, f"{median(found[1:] or found):,.0f}", "450,000")]


def time_to_accuracy(
    folder: Path, dry: bool, network: str, options: tuple[str, ...], asked: str
) -> Job:
    """A whole run, from the process's start to its end, then its test top-1."""
    run = folder / f"run-{network}"
    if dry:
        network, options = "lenet5", ("--epochs", "1")
    words = train(folder, run, dry, network, *options, *(() if dry else RECIPE))
    return Job(run.name, script("bench_gpu_accuracy.py", str(run), *words), 400,
               partial(accuracy, run.name.removeprefix("run-"), asked))  # fmt: skip


def accuracy(network: str, asked: str, text: str) -> Figures:
    """Read test top-1 and seconds."""
    found = json.loads(text)
    what = f"{network} on Fashion-MNIST: test top-1, seconds from the process's start"
    return [(what, f"{found['top1']:.2%}, {found['seconds']:.0f} s", asked)]


def inference(folder: Path, dry: bool, grade: str) -> Job:
    """An exported file by every provider there is, from pictures in the host's memory."""
    batches = ("1",) if dry else ("1", "64", "256")
    words = [word for one in batches for word in ("--batch", one)]
    asked = command("bench", str(folder / "resnet-float32.onnx"), "--arithmetic", grade, *words,
                    "--data", str(folder / "fashion.npz"), "--save", "--json")  # fmt: skip
    return Job(f"inference, {grade}", asked, 150, partial(measured, grade))


def measured(grade: str, text: str) -> Figures:
    """Read the fastest batch and that of one picture, by provider, and changed predictions."""
    figures: Figures = []
    for one in json.loads(text)["ways"]:
        if one["arithmetic"] != grade:
            continue
        what = f"ResNet50 at 224, {one['provider']}, {grade}: "
        by_batch = {timing["batch"]: timing["images_per_second"] for timing in one["results"]}
        figures += [
            (f"{what}images/s from uint8 in the host's memory", f"{max(by_batch.values()):,.0f}",
             "12,000 (fast, CUDA)"),
            (f"{what}images/s one at a time", f"{by_batch[1]:,.0f}", "1,500 (fast, CUDA)"),
            (f"{what}top-1 predictions that differ from exact ones on the CPU",
             f"{one['changed']} of {one['pictures']}", ""),
        ]  # fmt: skip
    return figures


def resident(folder: Path, dry: bool) -> Job:
    """The float16 file by onnxruntime's CUDA provider, pictures and answers in its memory."""
    words = (
        str(folder / "resnet-float16.onnx"),
        *(("cpu", "4", "32") if dry else ("cuda", "256", "224")),
    )
    return Job("inference, resident", script("bench_gpu_resident.py", *words), 90, resident_speed)


def resident_speed(text: str) -> Figures:
    """Read images/s."""
    what = "ResNet50 at 224, float16, pictures resident on the GPU: images/s"
    return [(what, f"{json.loads(text)['images_per_second']:,.0f}", "20,000")]


def serving(folder: Path, dry: bool) -> Job:
    """The server, on the GPU."""
    asked = script("bench_serving", "overhead", str(folder / "resnet-float32.onnx"), "--provider",
                   "cpu" if dry else "cuda", "--seconds", "1" if dry else "10",
                   "--clients", "2" if dry else "32")  # fmt: skip
    return Job("serving", asked, 90, requests)


def requests(text: str) -> Figures:
    """Read requests/s."""
    found = json.loads(text.splitlines()[-1])
    what = "server, ResNet50, one picture a request, 32 clients: requests/s"
    return [(what, f"{found['requests_per_second']:,.0f}", "")]
