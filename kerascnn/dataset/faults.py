"""What is done about a fault of a data set: raise it at once, or note it and go on.

Knows: the two ways. Does not know any format: the readers say what is wrong.
"""

from __future__ import annotations

import logging

from kerascnn.errors import DataError

log = logging.getLogger(__name__)


class Faults:
    """Receives the problems that a reader finds. This one raises: faulty data is not used."""

    def tell(self, fault: str) -> None:
        """Report something that must not be trained on; if this returns, skip it.

        Args:
            fault: What came, what was expected, what to do; one line.

        Raises:
            DataError: Always.
        """
        raise DataError(fault)

    def warn(self, fault: str) -> None:
        """Report something that the user must know and that training can skip."""
        log.warning(fault)

    def mention(self, notice: str) -> None:
        """Report what is skipped on purpose."""
        log.warning(notice)


class CollectedFaults(Faults):
    """Notes every fault, so that all of them can be listed.

    Attributes:
        found: In the order in which they were found.
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    def tell(self, fault: str) -> None:
        """Note it."""
        self.found.append(fault)

    def warn(self, fault: str) -> None:
        """Note it."""
        self.found.append(fault)

    def mention(self, notice: str) -> None:
        """Ignore it: skipped files are listed one by one."""


STRICT = Faults()
