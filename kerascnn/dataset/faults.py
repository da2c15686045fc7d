"""What is done about a fault of a data set: raise it at once, or note it and go on.

Knows: the two ways. Does not know any format: the readers say what is wrong.
"""

from __future__ import annotations

import logging

from kerascnn.errors import DataError

log = logging.getLogger(__name__)


class Faults:
    """Whom a reader tells what is wrong. This one raises: nobody shall train on faulty data."""

    def tell(self, fault: str) -> None:
        """Tell of something that must not be trained on; if this returns, leave it out.

        Args:
            fault: What came, what was expected, what to do; one line.

        Raises:
            DataError: Always.
        """
        raise DataError(fault)

    def warn(self, fault: str) -> None:
        """Tell of something that a user must know, and that training can do without."""
        log.warning(fault)

    def mention(self, notice: str) -> None:
        """Tell what is left out on purpose."""
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
        """Pass it over: what is left out is listed file by file."""


STRICT = Faults()
