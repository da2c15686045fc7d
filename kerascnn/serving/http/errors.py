"""Errors of requests: a status and one sentence.

Knows: statuses, and how metrics count them. Does not know who raises them or how they are sent.
"""

from __future__ import annotations

import logging
from typing import Any

from kerascnn.errors import KerascnnError, PictureError

log = logging.getLogger(__name__)

OUTCOMES = {
    200: "ok",
    401: "unauthorized",
    408: "slow",
    413: "too_large",
    499: "gone",
    503: "refused",
}
"""Outcome in the metrics by status; others are counted as ``ok``, ``bad_request`` or ``error``."""


class HttpError(KerascnnError):
    """A request that is refused or fails, and why.

    Args:
        status: HTTP status, 400 to 599.
        message: What came, what was expected, what to do.
        retry_after: Seconds after which a retry may succeed; None: no header.
        close: Whether to close the connection, because the rest of the request was not read.
        headers: Further headers of the response.
        outcome: Outcome in the metrics; None: by status.

    Attributes:
        fields: Further fields of the JSON besides ``error``.
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
        self.outcome = outcome or outcome_of(status)
        self.fields: dict[str, Any] = {}
        self.headers = dict(headers or {})
        if retry_after is not None:
            # HTTP allows whole seconds only; at least 1, so that clients wait.
            self.headers["Retry-After"] = str(max(1, round(retry_after)))
        if close:
            self.headers["Connection"] = "close"


class ClientDisconnected(Exception):
    """The client has disconnected."""


def outcome_of(status: int) -> str:
    """Return the outcome under which metrics count a status.

    Examples:
        >>> outcome_of(204), outcome_of(404), outcome_of(500)
        ('ok', 'bad_request', 'error')
    """
    if status in OUTCOMES:
        return OUTCOMES[status]
    return "ok" if status < 400 else "bad_request" if status < 500 else "error"


def as_http_error(error: Exception, request: str) -> HttpError:
    """Return the error with which a request is answered, and log an unexpected one."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, PictureError):
        return HttpError(422, str(error))
    log.error("request %s failed", request, exc_info=error)
    return HttpError(500, f"internal error; request {request}")
