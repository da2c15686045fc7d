"""What scripts/bench_all runs, and which figures it takes from what the scripts print.

Knows: the commands, short and whole, and the words of their tables. Does not know how they are
run, nor README.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, median

Figures = list[tuple[str, str]]
"""A benchmark in words, and its result."""

MODEL, INT8, PHOTOGRAPHS, TORCH, OUT = "{model}", "{int8}", "{photographs}", "{torch}", "{out}"
"""Stand in commands for: the baseline CNN's file, a ResNet18's in eight bits, some JPEG files, a
Python that has PyTorch, and a file of the job's own."""


@dataclass(frozen=True)
class Job:
    """One command.

    Attributes:
        quick: Script and arguments, for ``--quick``; empty: left out there.
        whole: The same without it.
        figures: Takes the figures out of what it printed.
    """

    quick: tuple[str, ...]
    whole: tuple[str, ...]
    figures: Callable[[str], Figures]

    @property
    def script(self) -> str:
        """Name of the script."""
        return self.whole[0]


def tables(text: str) -> list[dict[str, str]]:
    """Read the rows of all Markdown tables in a text, by the words of their heads."""
    rows, head = list[dict[str, str]](), list[str]()
    for line in text.splitlines():
        if not line.startswith("|"):
            head = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not head:
            head = cells
        elif not set(line) <= set("|-: "):
            # Of two columns with one name the first counts.
            rows.append(dict(reversed(list(zip(head, cells, strict=True)))))
    return rows


def fashion(text: str) -> Figures:
    """Accuracy on the full Fashion-MNIST, and what export changed."""
    rows = tables(text)
    found = [float(row["test top-1 of the exported file"].rstrip("%")) for row in rows]
    changed = sum(int(row["answers that differ from the Keras model's"]) for row in rows)
    spread = f" ({min(found):.2f} to {max(found):.2f})" if len(found) > 1 else ""
    return [
        (
            "baseline CNN on the full Fashion-MNIST, 10 epochs, `--augment light`: test top-1 of "
            f"the exported file, mean of {len(found)} seeds",
            f"{mean(found):.2f} %{spread}",
        ),
        (f"top-1 predictions changed by export, of {len(found) * 10_000:,} test pictures",
         str(changed)),
    ]  # fmt: skip


def training(text: str) -> Figures:
    """Speed of training beside PyTorch."""
    figures: Figures = []
    for part in text.split("\n\n"):
        if heading := re.match(r"([\w-]+): (\S+) at (\d+), batch (\d+), (\w+),", part.strip()):
            named = heading.groups()[1:]
        for row in tables(part):
            base = next(key.removeprefix("of ") for key in row if key.startswith("of torch"))
            if row[""] == "tensorflow":
                network, size, batch, precision = named
                what = f"training {network}, {size} pixels, batch {batch}, {precision}: images/s"
                share = f"{row[f'of {base}']} ({row['images/s (median)']} images/s)"
                figures.append((f"{what} relative to PyTorch ({base})", share))
    return figures


def defaults(text: str) -> Figures:
    """Accuracy of `kerascnn train DATA`, beside others."""
    figures: Figures = []
    for row in tables(text):
        name = row.get("Chosen on") or row["Judged on"]
        ours = row.pop("kerascnn")
        others = [
            f"{who} {cell.partition(',')[0]}"
            for who, cell in row.items()
            if "%" in cell and who not in ("Chosen on", "Judged on")
        ]
        if "%" in ours:
            figures.append((f"`kerascnn train DATA`, {name}: test top-1 ({'; '.join(others)})",
                            ours.partition(",")[0].replace("%", " %")))  # fmt: skip
    return figures


def inference(text: str) -> Figures:
    """Speed of inference beside onnxruntime's defaults."""
    return [
        (
            "inference, ResNet18, 224 pixels, batch 32, relative to onnxruntime's defaults: "
            + next(cell for head, cell in row.items() if head.endswith("threads")),
            f"{row['ratio']} ({row['batch 32, pictures/s']} pictures/s)",
        )
        for row in tables(text)
        if "batch 32, pictures/s" in row
        and any(cell.startswith("kerascnn") for cell in row.values())
    ]


def serving(text: str) -> Figures:
    """Requests each second, and processor time of one, beside LitServe and FastAPI."""
    speeds, used = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for line in map(json.loads, filter(None, text.splitlines())):
        if "cpu_ms_a_request" in line:
            who = re.split(r"[ ,]", line["server"])[0]
            speeds[who].append(line["requests_per_second"])
            used[who].append(line["cpu_ms_a_request"])
    ours = median(speeds.pop("kerascnn"))
    others = {who: ours / median(found) for who, found in speeds.items()}
    times = ", ".join(f"{who} {median(used[who]):.1f} ms" for who in used)
    return [
        (
            "serving ResNet18 int8, JPEG, 16 clients: requests/s relative to "
            + " and ".join(others),
            ", ".join(f"{ratio:.2f}" for ratio in others.values()),
        ),
        ("processor time of one such request", times),
    ]


def footprint(text: str) -> Figures:
    """Size of production's environment, and the start of the command line."""
    size = re.findall(r"([\d,]+) MB", text)[0]
    start = next(row for row in tables(text) if row["start"] == "`kerascnn --help`")
    return [
        ("size of a fresh environment with `kerascnn[cpu]`, without pip", f"{size} MB"),
        ("time of `kerascnn --help`, relative to `python -c 'import click'`", start["ratio"]),
    ]


def memory(text: str) -> Figures:
    """The most memory on damaged and huge pictures."""
    return [
        (f"highest memory of `kerascnn {row['kerascnn']}` on damaged and huge pictures",
         row["highest memory"])
        for row in tables(text)
    ]  # fmt: skip


def accuracy(text: str) -> Figures:
    """Accuracy of the longer recipes."""
    return [
        (f"`{row['network:recipe']}` on the full Fashion-MNIST, n = {row['n']}: test top-1",
         row["test top-1, mean ± s.d. (lowest to highest)"])
        for row in tables(text)
        if "network:recipe" in row and "test top-1, mean ± s.d. (lowest to highest)" in row
    ]  # fmt: skip


_COMPARED = ("--who", "kerascnn", "Keras tutorial", "random forest")
_SERVERS = ("--copies", "1", "--litserve", "8,1", "--readers", "pillow")

JOBS = (
    Job(("bench_fashion", "--seeds", "0"), ("bench_fashion",), fashion),
    Job((), ("bench_accuracy", "--out", OUT), accuracy),
    Job(
        ("bench_defaults", "--out", OUT, "--sets", "photographs, 4 classes, 40", *_COMPARED),
        ("bench_defaults", "--out", OUT, "--seeds", "0", "1", "2"),
        defaults,
    ),
    Job(
        ("bench_train", "--torch", TORCH, "--rounds", "5"),
        ("bench_train", "--torch", TORCH),
        training,
    ),
    Job(
        ("bench_inference", "resnet18", "--rounds", "5", "--files", "0"),
        ("bench_inference", "resnet18", "--files", "0", "--torch", TORCH),
        inference,
    ),
    Job(
        ("bench_serving", "compare", INT8, PHOTOGRAPHS, "--rounds", "3", "--seconds", "5",
         *_SERVERS),
        ("bench_serving", "compare", INT8, PHOTOGRAPHS, "--rounds", "5", *_SERVERS),
        serving,
    ),
    Job(
        ("bench_memory", MODEL, "--damaged", "500", "--large", "10"),
        ("bench_memory", MODEL),
        memory,
    ),
    Job(("bench_footprint",), ("bench_footprint",), footprint),
)  # fmt: skip
"""In the order of README's table."""
