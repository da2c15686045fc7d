"""What is done about a fault of a data set: raise it at once, or note it and go on.

Knows: the two ways. Does not know any format: the readers say what is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from kerascnn.errors import DataError

log = logging.getLogger(__name__)

MOST = 10_000
"""Faults that are kept; the rest are counted. A list may have a million rows that are all wrong."""


class FaultHandler:
    """Receives the problems that a reader finds. This one raises: faulty data is not used."""

    goes_on = False

    def error(self, fault: str) -> None:
        """Report something that must not be trained on; if this returns, skip it.

        Raises:
            DataError: Always.
        """
        raise DataError(fault)

    def errors(self, count: int, describe: Callable[[int], str]) -> None:
        """Report several of a kind; only those that are kept are put into words.

        Raises:
            DataError: At the first fault.
        """
        for number in range(count):
            self.error(describe(number))

    def warning(self, fault: str) -> None:
        """Report something that the user must know and that training can skip."""
        log.warning(fault)

    def notice(self, notice: str) -> None:
        """Report what is skipped on purpose."""
        log.warning(notice)


class FaultCollector(FaultHandler):
    """Notes faults, so that they can be listed."""

    goes_on = True

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._met: set[str] = set()
        self._others = 0

    @property
    def found(self) -> list[str]:
        """Faults in the order in which they were found; a last line counts those not kept."""
        if not self._others:
            return list(self._kept)
        return [*self._kept, f"{self._others:,} faults more, which are not listed."]

    def error(self, fault: str) -> None:
        """Note it, or count it."""
        if len(self._kept) < MOST:
            if fault not in self._met:  # two readers may look into one folder
                self._kept.append(fault)
            self._met.add(fault)
        else:
            self._others += 1

    def errors(self, count: int, describe: Callable[[int], str]) -> None:
        """Note as many as there is room for, and count the others."""
        room = min(count, MOST - len(self._kept))
        self._kept += map(describe, range(room))
        self._others += count - room

    def warning(self, fault: str) -> None:
        """Note it as an error."""
        self.error(fault)

    def notice(self, notice: str) -> None:
        """Ignore it: skipped files are listed one by one."""


STRICT = FaultHandler()
