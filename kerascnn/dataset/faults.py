"""Handles problems of a data set: raises the first, or collects all.

Knows: these two handlers. Does not know any format: the readers describe the problems.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from kerascnn.errors import ONCE, DataError

log = logging.getLogger(__name__)

LISTED_FAULTS = 10_000
"""Maximum number of problems to keep; the rest are counted. A list may have a million invalid rows:
their messages would take hundreds of megabytes."""


class FaultHandler:
    """Receives the problems that a reader finds. This class raises them, for training."""

    goes_on = False

    def error(self, fault: str) -> None:
        """Report data that must not be trained on; if this returns, the reader skips it.

        Raises:
            DataError: Always.
        """
        raise DataError(fault)

    def errors(self, count: int, describe: Callable[[int], str]) -> None:
        """Report several problems of a kind; only those that are kept are described.

        Raises:
            DataError: At the first problem.
        """
        for number in range(count):
            self.error(describe(number))

    def warning(self, fault: str) -> None:
        """Report a problem that training can skip but the user must know."""
        log.warning(fault, extra=ONCE)

    def notice(self, notice: str) -> None:
        """Report data that is skipped intentionally."""
        log.warning(notice, extra=ONCE)


class FaultCollector(FaultHandler):
    """Collects problems, to list them."""

    goes_on = True

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._met: set[str] = set()
        self._others = 0

    @property
    def found(self) -> list[str]:
        """Problems in the order in which they were found; a last line counts those not kept."""
        if not self._others:
            return list(self._kept)
        return [*self._kept, f"{self._others:,} faults more, which are not listed."]

    def error(self, fault: str) -> None:
        """Keep the problem, or count it."""
        if len(self._kept) < LISTED_FAULTS:
            if fault not in self._met:  # two readers may report the same folder
                self._kept.append(fault)
            self._met.add(fault)
        else:
            self._others += 1

    def errors(self, count: int, describe: Callable[[int], str]) -> None:
        """Keep as many as the limit allows, and count the others."""
        room = min(count, LISTED_FAULTS - len(self._kept))
        self._kept += map(describe, range(room))
        self._others += count - room

    def warning(self, fault: str) -> None:
        """Keep it like an error."""
        self.error(fault)

    def notice(self, notice: str) -> None:
        """Ignore it: skipped files are listed individually."""


STRICT = FaultHandler()
