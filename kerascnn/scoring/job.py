"""One invocation of ``score``: plan, missing parts, scoring, and summary.

Knows: the order of these steps. Does not know how any of them is done, or printing.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from kerascnn import hub, uris
from kerascnn.card import ModelCard
from kerascnn.errors import BusyError, ConfigError
from kerascnn.file_lock import locked
from kerascnn.files import sha256_of, writing
from kerascnn.inference.model_file.foreign import MADE_ELSEWHERE
from kerascnn.inference.signature_of_foreign import open_signature
from kerascnn.leftovers import remove_leftovers
from kerascnn.parallel import usable_cpus
from kerascnn.scoring.engine import Engine, InProcess, score_parts
from kerascnn.scoring.entries import Changes, compare, compare_part, find_entries
from kerascnn.scoring.formats import check_format, default_format
from kerascnn.scoring.local import LocalProcesses
from kerascnn.scoring.on_ray import ray_cluster
from kerascnn.scoring.parts import WorkerOptions, attempt
from kerascnn.scoring.plan import Plan, ScoringOptions, check_same_question, read_plan, write_plan
from kerascnn.scoring.request import Request
from kerascnn.scoring.summary import write_summary

log = logging.getLogger(__name__)

_LOCK, _WORKING = "_plan.lock", "_score.lock"
_ON_GPU = ("cuda", "tensorrt")
"""Providers for which one process saturates the device."""

INDEX_VARIABLES = ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX")
"""Environment variables with the index of a process in Slurm's array jobs and Kubernetes' indexed
jobs."""


@dataclass(frozen=True)
class Work:
    """The remaining work."""

    request: Request
    plan: Plan
    number: int | None
    missing: list[int]
    changes: Changes

    @property
    def pictures_to_do(self) -> int:
        """Number of pictures in the missing parts."""
        return sum(len(self.plan.part_range(number)) for number in self.missing)


def prepare(
    request: Request, stdin: TextIO, on_foreign: Callable[[ModelCard], object] = id
) -> Work:
    """Create the plan, or check the existing one; give ``on_foreign`` a foreign model's card.

    Raises:
        ConfigError: An option is invalid, or the plan was created with other options.
        KerascnnError: The model cannot be read, or the folder cannot be written.
    """
    number = part_number(request.part, os.environ)
    with writing(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
    there = read_plan(request.out) is not None
    with nullcontext() if there else locked(request.out / _LOCK, wait=True):
        before = read_plan(request.out)
        question = _question(request, before, on_foreign)
        plan = before or _new_plan(request, question, stdin)
    check_same_question(plan, question, request.parts)
    if number is not None and number >= plan.parts:
        raise ConfigError(
            f"part {number}: the plan in {request.out} has {plan.parts} parts, 0 to "
            f"{plan.parts - 1}. For another number, set `parts` before the plan is made."
        )
    missing = [one for one in plan.missing() if number in (None, one)]
    changes = _changes(request, plan, number, stdin) if before else Changes()
    return Work(request, plan, number, missing, changes)


def part_number(text: str | None, environment: Mapping[str, str]) -> int | None:
    """Parse the number of the part to score.

    Raises:
        ConfigError: It is not a number.

    Examples:
        >>> part_number("7", {}), part_number("auto", {"JOB_COMPLETION_INDEX": "3"})
        (7, 3)
    """
    if text is None:
        return None
    if text == "auto":
        text = next(filter(None, map(environment.get, INDEX_VARIABLES)), None)
        if text is None:
            raise ConfigError(
                f"`part` auto needs {' or '.join(INDEX_VARIABLES)}, and neither is set. Expected "
                "one of them, or a number in place of auto."
            )
    if not (text.isascii() and text.isdecimal()):
        raise ConfigError(f"`part` is {text!r}; expected a number from 0, or auto.")
    return int(text)


def _changes(request: Request, plan: Plan, number: int | None, stdin: TextIO) -> Changes:
    if number is not None:  # thousands of jobs must not each check all pictures
        return compare_part(plan, number)
    return compare(plan, find_entries(request.paths, stdin) if request.paths else None)


def _new_plan(request: Request, question: ScoringOptions, stdin: TextIO) -> Plan:
    if not request.paths:
        raise ConfigError(f"{request.out}: there is no plan yet. Give the pictures to score.")
    entries = find_entries(request.paths, stdin)
    return write_plan(request.out, question, entries, request.parts, str(Path.cwd()))


def _question(
    request: Request, plan: Plan | None, on_foreign: Callable[[ModelCard], object]
) -> ScoringOptions:
    form = request.format or (plan.question.format if plan else default_format())
    check_format(form)
    with uris.local_file(request.model) as path:
        card = open_signature(path, request.foreign).card
        model = sha256_of(path)
    if card.network == MADE_ELSEWHERE:
        on_foreign(card)
    return ScoringOptions(
        model,
        hashlib.sha256(card.to_json().encode()).hexdigest(),
        request.top_k,
        request.min_probability,
        request.arithmetic,
        form,
    )


@contextmanager
def alone(work: Work) -> Iterator[Work]:
    """Lock a folder against other invocations, waiting for a running one; not for a single part."""
    if work.number is not None:
        yield work
        return
    lock = work.plan.folder / _WORKING
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(lock))
        except BusyError:
            log.warning(
                "%s: another process is scoring into this folder; waiting for it to end.",
                work.plan.folder,
            )
            stack.enter_context(locked(lock, wait=True))
        yield replace(work, missing=work.plan.missing())


def score_missing_parts(work: Work, on_part: Callable[[int], object]) -> dict[int, str]:
    """Score the missing parts.

    Raises:
        KerascnnError: No part can be scored.
    """
    if not work.missing:
        return {}
    workers, threads = _processes(work)
    request = work.request
    setting = WorkerOptions(
        _absolute(request.model), work.plan.question, work.plan.base, request.foreign,
        request.provider, threads, request.batch_size,
    )  # fmt: skip

    def score_with(engine: Engine) -> dict[int, str]:
        return score_parts(work.plan, work.missing, setting, engine, on_part)

    if work.number is not None:
        return score_with(InProcess(attempt))
    if request.on == "local":
        with LocalProcesses(workers) as processes:
            return score_with(processes)
    with ray_cluster(request.on, threads, request.provider in _ON_GPU) as tasks:
        return score_with(tasks)


def _processes(work: Work) -> tuple[int, int]:
    """Choose the number of processes on this machine, and of threads in each.

    One thread per process is the most efficient, because onnxruntime's threads wait for each other.
    """
    request, processors = work.request, usable_cpus()
    if work.number is not None:
        return 1, request.threads or processors
    if request.on != "local":
        return 1, request.threads or 1
    usual = 1 if request.provider in _ON_GPU else max(1, processors // (request.threads or 1))
    workers = min(request.workers or usual, len(work.missing))
    # With fewer parts than processors, each process gets several threads.
    return workers, request.threads or max(1, processors // workers)


def _absolute(model: str) -> str:
    if hub.is_on_hub(model):
        return hub.fetch(model).address  # the same commit for every process
    return model if uris.is_uri(model) else str(Path(model).absolute())


def finish(work: Work, failed: dict[int, str]) -> dict[str, Any] | None:
    """Write the summary; after a single part only if all parts are complete."""
    if work.number is not None and work.plan.missing():
        return None
    whole = work.number is None
    summary = write_summary(work.plan, work.changes if whole else None, failed)
    if whole and summary["complete"]:
        remove_leftovers(work.plan.folder)
    return summary
