"""What is done about a fault of a data set: raise it at once, or note it and go on.

Knows: the two ways. Does not know any format: the readers say what is wrong.
"""

from __future__ import annotations

import logging

from kerascnn.errors import DataError

log = logging.getLogger(__name__)


class FaultHandler:
    """Receives the problems that a reader finds. This one raises: faulty data is not used."""

    def error(self, fault: str) -> None:
        """Report something that must not be trained on; if this returns, skip it.

        Args:
            fault: What came, what was expected, what to do; one line.

        Raises:
            DataError: Always.
        """
        raise DataError(fault)

    def warning(self, fault: str) -> None:
        """Report something that the user must know and that training can skip."""
        log.warning(fault)

    def notice(self, notice: str) -> None:
        """Report what is skipped on purpose."""
        log.warning(notice)


class FaultCollector(FaultHandler):
    """Notes every fault, so that all of them can be listed.

    Attributes:
        found: In the order in which they were found.
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    def error(self, fault: str) -> None:
        """Note it."""
        self.found.append(fault)

    def warning(self, fault: str) -> None:
        """Note it."""
        self.found.append(fault)

    def notice(self, notice: str) -> None:
        """Ignore it: skipped files are listed one by one."""


STRICT = FaultHandler()
