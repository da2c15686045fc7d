"""Summarizes the results of a plan: counts by class and by error.

Knows: the parts on disk, which may come from several invocations and machines. Does not know how
they were scored.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kerascnn.files import write_text
from kerascnn.scoring.entries import Changes
from kerascnn.scoring.formats import read_back
from kerascnn.scoring.plan import Plan

SUMMARY = "_summary.json"

_ERRORS = 50
"""Maximum kinds of errors to list, most frequent first."""


def write_summary(plan: Plan, changes: Changes | None, failed: dict[int, str]) -> dict[str, Any]:
    """Write the summary of a plan, and return it.

    Raises:
        ModelFileError: A part is damaged.
        KerascnnError: The folder cannot be written.
    """
    missing = plan.missing()
    labels, errors, unsure = _counted(plan, set(missing))
    summary = {
        "complete": not missing,
        "pictures": plan.pictures,
        "scored": labels.total() + unsure,
        "failed": errors.total(),
        "by_class": dict(sorted(labels.items())),
        "unsure": unsure,
        "by_error": dict(errors.most_common(_ERRORS)),
        "parts": plan.parts,
        "missing_parts": missing,
        "failed_parts": {str(number): failed[number] for number in sorted(failed)},
        "since_the_plan": None if changes is None else asdict(changes),
        "model_sha256": plan.question.model,
        "kerascnn": plan.version,
    }
    write_text(Path(plan.folder, SUMMARY), json.dumps(summary, indent=2) + "\n")
    return summary


def _counted(plan: Plan, missing: set[int]) -> tuple[Counter[str], Counter[str], int]:
    """Count labels, kinds of errors, and predictions without a label."""
    labels, errors, unsure = Counter[str](), Counter[str](), 0
    for number in sorted(set(range(plan.parts)) - missing):
        for row in read_back(plan.part_file(number)):
            if row["error"] is not None:
                errors[_kind(row["path"], row["error"])] += 1
            elif row["label"] is None:
                unsure += 1
            else:
                labels[row["label"]] += 1
    return labels, errors, unsure


def _kind(path: str, error: str) -> str:
    """Return an error without the path of the picture."""
    return error.removeprefix(path).removeprefix(": ")
