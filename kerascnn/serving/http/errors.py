"""Saying no: what was wrong with a request, as a status and one sentence.

Knows: statuses and how they are counted. Does not know who refuses, nor how it is sent.
"""

from __future__ import annotations

from typing import Any

from kerascnn.errors import KerascnnError

OUTCOMES = {
    200: "ok",
    401: "unauthorized",
    408: "slow",
    413: "too_large",
    499: "gone",
    503: "refused",
}
"""How a status is counted, where ``bad_request`` and ``error`` say too little."""


class HttpError(KerascnnError):
    """A request that is not answered, and why.

    Args:
        status: HTTP status, 400 to 599.
        message: What came, what was expected, what to do.
        retry_after: Seconds after which another try makes sense; None: never.
        close: Whether the connection is closed: the rest of the request was not read.
        headers: More headers of the answer.
        outcome: How it is counted; None: as its status says.

    Attributes:
        fields: What its JSON says besides ``error``.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        retry_after: float | None = None,
        close: bool = False,
        headers: dict[str, str] | None = None,
        outcome: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.outcome = outcome
        self.fields: dict[str, Any] = {}
        self.headers = dict(headers or {})
        if retry_after is not None:
            # Whole seconds, as HTTP has it, and never "at once".
            self.headers["Retry-After"] = str(max(1, round(retry_after)))
        if close:
            self.headers["Connection"] = "close"


class ClientDisconnected(Exception):
    """The client has disconnected."""


def outcome_of(status: int) -> str:
    """Return the name under which an answer of a status is counted.

    Examples:
        >>> outcome_of(204), outcome_of(404), outcome_of(500)
        ('ok', 'bad_request', 'error')
    """
    if status in OUTCOMES:
        return OUTCOMES[status]
    return "ok" if status < 400 else "bad_request" if status < 500 else "error"
