"""The fit, repeated from the tables in docs/, gives what stands in the package."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kerascnn.training.advising.decision import BETTER, LIMITS, SPREAD

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def told() -> str:
    script = ROOT / "scripts" / "bench_advise_fit"
    return subprocess.run(
        [sys.executable, script, "fit"], check=True, capture_output=True, text=True
    ).stdout


def rows(name: str) -> list[dict[str, str]]:
    with (ROOT / "docs" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_numbers_that_decide_are_those_of_the_fit(told: str) -> None:
    (fitted,) = re.findall(r"fitted on \d+ tasks: Limits\((.*?)\)", told)
    found = dict(pair.split("=") for pair in fitted.split(", "))
    assert {name: float(value) for name, value in found.items()} == vars(LIMITS)
    assert f"BETTER {BETTER:.3f}, SPREAD {SPREAD:.3f}" in told


def test_the_cost_counts_what_was_trained_only(told: str) -> None:
    truth = rows("advise_truth.csv")
    trained = {(row["task"], row["seed"]) for row in truth}
    asked = sum(
        float(row["seconds"])
        for row in rows("advise_facts.csv")
        if (row["task"], row["seed"]) in trained
    )
    seconds = sum(float(row["seconds"]) for row in truth)
    assert f"measuring {asked:.0f} s, training every way {seconds:.0f} s" in told
