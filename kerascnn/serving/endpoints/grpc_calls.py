"""Runs the handlers of gRPC calls: token, log, status codes, as the middleware does for HTTP.

Knows: contexts of calls, their metadata, and the status code of an error. Does not know any method
(:mod:`.grpc`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import grpc

from kerascnn.serving.http.errors import HttpError, as_http_error
from kerascnn.serving.http.middleware import is_authorized
from kerascnn.serving.request_log import RequestLog, RequestRecord, request_id

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
}
"""gRPC status codes by the HTTP status with the same meaning."""

Context = Any
"""``grpc.aio.ServicerContext``, for which grpc ships no types."""

Work = Callable[[bytes, Context, RequestRecord], Awaitable[Any]]
"""Handles the bytes of a request; may raise :class:`HttpError`."""


class Calls:
    """Runs handlers, and records each call in metrics, log and trace.

    Args:
        request_log: Counts and logs calls.
        token: Token that calls must carry; None: no token is required.
        public: Paths of methods that do not require it.
    """

    def __init__(
        self, request_log: RequestLog, token: bytes | None, public: Collection[str]
    ) -> None:
        self._request_log, self._token, self._public = request_log, token, public

    def unary(self, path: str, work: Work) -> Any:
        """Create grpc's handler of a method with one request and one response."""

        async def handle(content: bytes, context: Context) -> Any:
            try:
                return await self.run(path, work, content, context)
            except HttpError as refusal:
                await abort(context, refusal)

        return grpc.unary_unary_rpc_method_handler(handle)

    async def run(self, path: str, work: Work, content: bytes, context: Context) -> Any:
        """Handle a request, and record it; every error is raised as an :class:`HttpError`."""
        record = _record(path, context)
        record.status, outcome = 499, "gone"  # unless it completes
        try:
            if path not in self._public:
                self.check_token(context)
            answer = await work(content, context, record)
            record.status, outcome = 200, "ok"
            return answer
        except Exception as error:  # only this request fails; the server continues
            refusal = as_http_error(error, record.id)
            record.status, outcome = refusal.status, refusal.outcome
            if refusal is error:
                raise
            raise refusal from error
        finally:
            self._request_log.record(record, outcome)

    def check_token(self, context: Context) -> None:
        """Refuse a call whose token is wrong or missing.

        Raises:
            HttpError: 401: it is wrong or missing.
        """
        if self._token is None:
            return
        given = _as_bytes(_metadata(context).get("authorization", b""))
        if not is_authorized(given, self._token):
            raise HttpError(
                401, "wrong or missing token; expected the metadata authorization: Bearer TOKEN."
            )


async def abort(context: Context, refusal: HttpError) -> None:
    """End a call with an error; this raises an exception of grpc."""
    code = _CODES.get(refusal.status, grpc.StatusCode.INTERNAL)
    if refusal.outcome == "deadline":
        code = grpc.StatusCode.DEADLINE_EXCEEDED
    await context.abort(code, str(refusal))


def _record(path: str, context: Context) -> RequestRecord:
    sent = _metadata(context)
    given = _as_bytes(sent.get("x-request-id", b""))
    parent, state = (str(sent.get(key, "")) for key in ("traceparent", "tracestate"))
    return RequestRecord(context.peer(), "gRPC", path, request_id(given), parent, state)


def _metadata(context: Context) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in context.invocation_metadata() or ()}


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
