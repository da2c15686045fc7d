"""Measuring what advice is made from, for every task: for scripts/bench_advise --measure.

Knows: the table of facts and how it is written. Does not know what training reaches, nor any rule.
"""

from __future__ import annotations

import csv
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from bench_advise_tasks import SEEDS, SIZE, SOURCES, Task, pictures_of, tasks
from bench_advise_training import pretrained

if TYPE_CHECKING:
    from kerascnn.training.advising.facts import Facts
    from kerascnn.training.advising.measurement import StageExtractor

FACTS = Path(__file__).resolve().parents[1] / "docs" / "advise_facts.csv"


@cache
def observer(network: str, source: str, work: Path) -> StageExtractor:
    """Open a pretrained network to be looked into."""
    from kerascnn.training.advising.measurement import open_extractor
    from kerascnn.training.networks import build_network, find_network

    core = build_network(network, len(SOURCES[source][1]), SIZE)
    core.set_weights(pretrained(network, source, work))
    return open_extractor(core, find_network(network).normalization)


def measure_all(work: Path, networks: list[str]) -> None:
    """Write the facts of every task and seed."""
    rows = [
        measured(task, seed, work)
        for task in tasks()
        for seed in range(SEEDS[task.network] if task.network in networks else 0)
    ]
    with FACTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def measured(task: Task, seed: int, work: Path) -> dict[str, object]:
    """Give the line of one task and seed."""
    from kerascnn.training.advising import SAMPLE
    from kerascnn.training.advising.measurement import measure

    images, labels = pictures_of(task, seed)["train"]
    chosen = np.random.default_rng(seed).permutation(len(images))[:SAMPLE]
    look = observer(task.network, task.source, work)
    if not seed:  # the first call compiles
        measure(look, images[chosen], labels[chosen], (1,) * len(task.classes))
    began = time.perf_counter()
    counts = tuple(int(count) for count in np.bincount(labels))
    facts = measure(look, images[chosen], labels[chosen], counts)
    seconds = time.perf_counter() - began
    return {"task": task.name, "seed": seed, "seconds": f"{seconds:.2f}", **line_of(facts)}


def line_of(facts: Facts) -> dict[str, object]:
    """Write facts as cells of the table."""
    return {
        "counts": " ".join(map(str, facts.counts)),
        "sampled": facts.sampled,
        "pixels": f"{facts.pixels:.4f}",
        "flipped": f"{facts.flipped:.4f}",
        "stages": " ".join(one.name for one in facts.stages),
        "probe": " ".join(f"{one.probe:.4f}" for one in facts.stages),
    }
