"""How far a rule of advice is from the best: for scripts/bench_advise_fit and bench_advise_forms.

Knows: both tables in docs/, what regret is, and its interval. Does not know any rule, nor how one
is fitted. Regret: accuracy of the best of the five ways, mean over seeds, minus that of the way a
rule names, in points of top-1. Where a rule names different ways for different seeds, each counts
for its own.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from kerascnn.training.advising.facts import Facts

DOCS = Path(__file__).resolve().parents[1] / "docs"
# Every combination is tried on the fit half. Pictures a class: halfway between those of the tasks.
# A backbone is never left alone while it says more than the pixels do (useless above 0): small
# networks learn these small pictures from nothing in a minute, large ones photographs do not.
SEARCHED = {
    "similar": (-1.0, -0.15, -0.1, -0.07, -0.05, -0.03, -0.01, 0.01),
    "useless": (-1.0, -0.1, -0.05, 0.0),
    "few": (0, 10, 45, 170, 550, 2000),
    "helpful": (-1.0, 0.0, 0.03, 0.05, 0.07, 0.1, 0.15),
}

Key = tuple[str, str]
"""A task and a seed."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tables:
    """What was measured and trained.

    Attributes:
        facts: Of each task and seed.
        truth: Top-1 that each way of training reached, of each task and seed that have facts too.
        measuring: Seconds that the facts took, of each task and seed.
        training: Seconds that all of the truth took.
    """

    facts: dict[Key, Facts]
    truth: dict[Key, dict[str, float]]
    measuring: dict[Key, float]
    training: float


def facts_of(row: dict[str, str]) -> Facts:
    """Make facts of a line of the table."""
    from kerascnn.training.advising.facts import Facts, StageFacts

    stages = map(StageFacts, row["stages"].split(), map(float, row["probe"].split()))
    counts = tuple(map(int, row["counts"].split()))
    return Facts(
        counts, int(row["sampled"]), float(row["pixels"]), tuple(stages), True,
        float(row["flipped"]),
    )  # fmt: skip


def rows_of(name: str) -> list[dict[str, str]]:
    """Read a table of docs/."""
    with (DOCS / name).open(newline="") as file:
        return list(csv.DictReader(file))


def read() -> Tables:
    """Read both tables."""
    facts, measuring = {}, {}
    for row in rows_of("advise_facts.csv"):
        key = row["task"], row["seed"]
        facts[key], measuring[key] = facts_of(row), float(row["seconds"])
    truth: dict[Key, dict[str, float]] = defaultdict(dict)
    seconds = 0.0
    for row in rows_of("advise_truth.csv"):
        truth[row["task"], row["seed"]][row["way"]] = float(row["top1"])
        seconds += float(row["seconds"])
    # A task is judged once it has both.
    judged = {key: ways for key, ways in truth.items() if key in facts}
    return Tables(facts, judged, measuring, seconds)


def regrets(rule: Callable[[Facts], str], tables: Tables, tasks: Sequence[str]) -> Floats:
    """Give the regret of every task, in points."""
    found = []
    for task in tasks:
        seeds = [key for key in tables.truth if key[0] == task]
        ways = tables.truth[seeds[0]]
        means = {way: np.mean([tables.truth[key][way] for key in seeds]) for way in ways}
        named = [means[rule(tables.facts[key])] for key in seeds]
        found.append(100 * (max(means.values()) - np.mean(named)))
    return np.array(found, np.float64)


def interval(values: Floats) -> tuple[float, float]:
    """Bootstrap the mean over tasks, 95 %, the same ones for values of the same tasks."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (10_000, len(values)))].mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)
