"""Options of ``score``, each declared once, for the command line and all checks.

Knows: the options. Does not know what they do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kerascnn.errors import ConfigError
from kerascnn.option_kinds import Choice, Number, Text
from kerascnn.options import option, read_all
from kerascnn.scoring.formats import FORMATS
from kerascnn.scoring.plan import MOST_PARTS

if TYPE_CHECKING:
    from kerascnn.inference.model_file.foreign import ForeignModel
    from kerascnn.inference.runtime.selection import RequestedProvider

PARTS, PREDICTIONS, RUNTIME = "Parts", "Predictions", "Runtime"
"""Headings of the options."""

_COUNT = Number(int, lambda n: n >= 1, "at least 1", "N")


@dataclass(frozen=True)
class Request:
    """Arguments of one invocation; the declarations of the options describe the other fields.

    Raises:
        ConfigError: A value is invalid, or two exclude each other.
    """

    model: str  # path or URI of the model's file
    out: Path  # folder of the plan and the parts
    paths: tuple[str, ...] = ()  # pictures, as typed by the user; empty: those of the plan
    # fmt: off
    on: str = option("local", Text("local, ray or ray://HOST:PORT", "local|ray|ray://HOST:PORT",
        lambda text: bool(re.fullmatch("local|ray|ray://.*", text))),
        "local: processes on this machine. ray: the Ray cluster of RAY_ADDRESS, or else the one "
        "that this machine is part of.", PARTS)
    part: str | None = option(None, Text("a number from 0, or auto", "N|auto"),
        "Score one part only, counted from 0, in this process. auto: the number in "
        "SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX.", PARTS)
    parts: int | None = option(None,
        Number(int, lambda n: 1 <= n <= MOST_PARTS, f"from 1 to {MOST_PARTS:,}", "N"),
        "Number of parts.", PARTS, without="one per 1,000 pictures")
    format: str | None = option(None, Choice(FORMATS),
        "File format of the parts.", PARTS, without="parquet if pyarrow is installed, else jsonl")
    top_k: int = option(5, _COUNT, "Classes to list for each picture.", PREDICTIONS)
    min_probability: float = option(0.0, Number(float, lambda x: 0 <= x <= 1, "from 0 to 1", "P"),
        "Give no label below this probability.", PREDICTIONS)
    batch_size: int = option(32, _COUNT, "Pictures per batch.", PREDICTIONS)
    provider: RequestedProvider = "auto"  # execution provider
    arithmetic: str = "exact"  # `exact` or `fast`
    workers: int | None = option(None, _COUNT,
        "With `on` local: processes.", RUNTIME, without="one for each available processor")
    threads: int | None = option(None, _COUNT,
        "Threads of each process, which read pictures and run the network.", RUNTIME,
        without="1; with `part` the available processors")
    # fmt: on
    # class names and preprocessing of a model that kerascnn did not export
    foreign: ForeignModel | None = None

    def __post_init__(self) -> None:
        read_all(self)
        if self.part is not None and self.on != "local":
            raise ConfigError("`part` scores one part in this process. Leave out `on`.")
