"""Determines the part of this process in an array job.

Knows: the variables of Slurm and Kubernetes. Does not know what a part is.
"""

from __future__ import annotations

from collections.abc import Mapping

from kerascnn.errors import ConfigError

INDEX_VARIABLES = ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX")
"""Environment variables with the index of a process in Slurm's array jobs and Kubernetes' indexed
jobs."""


def part_number(text: str | None, environment: Mapping[str, str]) -> int | None:
    """Parse the number of the part to score.

    Examples:
        >>> part_number("7", {}), part_number("auto", {"JOB_COMPLETION_INDEX": "3"})
        (7, 3)

    Raises:
        ConfigError: It is not a number.
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
