"""scripts/bench_all: no figure in README is older than the script that measured it."""

import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
FOOTPRINT = "kerascnn[cpu] in a fresh environment: 193 MB\n\n" + "\n".join(
    [
        "| start | median, ms | ratio |",
        "|---|---:|---:|",
        "| `python -c 'import click'` | 50 | 1.00 |",
        "| `kerascnn --help` | 63 | 1.26 |",
    ]
)
FASHION = "\n".join(
    [
        "| seed | precision | test top-1 of the exported file | answers that differ from the Keras "
        "model's | training, s |",
        "|---:|---|---:|---:|---:|",
        "| 0 | float32 | 92.00% | 0 | 60 |",
        "| 1 | float32 | 92.50% | 3 | 61 |",
    ]
)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    loader = SourceFileLoader("bench_all", str(SCRIPTS / "bench_all"))
    spec = importlib.util.spec_from_loader("bench_all", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    yield module
    sys.modules.pop("bench_all_jobs", None)


def measured(module: ModuleType, script: str, text: str, **changed: str) -> dict[str, Any]:
    (job,) = [job for job in module.JOBS if job.script == script]
    told = {"command": f"scripts/{script}", "date": "2026-11-29", "machine": "a machine"}
    return {"figures": job.figures(text), "digest": module.digest(script), **told, **changed}


def test_figures_are_taken_from_what_the_scripts_print(bench: ModuleType) -> None:
    found = {
        "bench_fashion": measured(bench, "bench_fashion", FASHION),
        "bench_footprint": measured(bench, "bench_footprint", FOOTPRINT),
    }
    lines = bench.section(found).splitlines()
    assert "On a machine; 2026-11-29:" in lines
    assert any("mean of 2 seeds | 92.25 % (92.00 to 92.50) | `scripts/bench_f" in s for s in lines)
    assert any("of 20,000 test pictures | 3 |" in line for line in lines)
    assert any("| 193 MB |" in line for line in lines)
    assert any("| 1.26 |" in line for line in lines)


def test_figures_of_a_script_that_has_changed_since_are_left_out(bench: ModuleType) -> None:
    found = {
        "bench_fashion": measured(bench, "bench_fashion", FASHION, digest="of another day"),
        "bench_footprint": measured(bench, "bench_footprint", FOOTPRINT),
    }
    text = bench.section(found)
    assert "Fashion" not in text and "193 MB" in text
    assert bench.section({}) == f"{bench.BEGIN}\n{bench.END}"


def test_every_job_is_a_script(bench: ModuleType) -> None:
    for job in bench.JOBS:
        assert (SCRIPTS / job.script).is_file()
        assert job.quick[:1] in ((), (job.script,))
