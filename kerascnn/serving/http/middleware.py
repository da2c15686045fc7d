"""Middleware for every request: ID, token, log, and JSON for every error.

Knows: ASGI, and what metrics and log record of a request. Does not know routes.
"""

from __future__ import annotations

import hmac
import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kerascnn.language import LANGUAGES, use_language
from kerascnn.language.messages import translated
from kerascnn.serving.http.body import drain
from kerascnn.serving.http.errors import (
    ClientDisconnected,
    HttpError,
    as_http_error,
    outcome_of,
)
from kerascnn.serving.http.origins import OriginPolicy
from kerascnn.serving.request_log import RequestLog, RequestRecord, request_id

OPEN = frozenset({"/", "/v2/health/live", "/v2/health/ready", "/openapi.json"})
"""Paths that do not require the token; nor do those below :data:`PAGE`."""

PAGE = "/page/"
"""Path prefix of the web page's own files."""


class RequestMiddleware:
    """The outermost middleware.

    Args:
        app: The wrapped application.
        request_log: Counts and logs requests.
        token: Token that requests must carry; None: no token is required.
        origins: Checks host and origin of requests.
    """

    def __init__(
        self, app: ASGIApp, request_log: RequestLog, token: bytes | None, origins: OriginPolicy
    ) -> None:
        self._app, self._request_log = app, request_log
        self._wanted, self._origins = token, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, send)
        scope["app"] = self  # makes Starlette's router raise if no route matches
        try:
            self._origins.check(scope["method"], exchange.headers)
            self._check_token(scope, exchange.headers.get(b"authorization"))
            await self._app(scope, exchange.recording_receive(receive), exchange.send)
        except ClientDisconnected:
            exchange.status = 499  # nginx's status for it; nothing can be sent
        except HTTPException as error:
            await exchange.refuse(_routing_error(error, scope), receive)
        except Exception as error:  # noqa: BLE001 - as_http_error logs it; the server continues
            await exchange.refuse(as_http_error(error, exchange.record.id), receive)
        finally:
            exchange.record.status = exchange.status
            outcome = exchange.outcome or outcome_of(exchange.status)
            self._request_log.record(exchange.record, outcome)

    def _check_token(self, scope: Scope, given: bytes | None) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))  # where it is mounted
        if self._wanted is None or path in OPEN or path.startswith(PAGE):
            return
        if not is_authorized(given, self._wanted):
            raise HttpError(
                401,
                "wrong or missing token; expected the header Authorization: Bearer TOKEN.",
                headers={"WWW-Authenticate": "Bearer"},
                close=True,
            )


def is_authorized(given: bytes | None, wanted: bytes) -> bool:
    """Return whether a request carries the token: ``Bearer TOKEN``."""
    scheme, _, word = (given or b"").partition(b" ")
    # Constant time, except for the length. The scheme is case-insensitive (RFC 9110, 11.1).
    return scheme.lower() == b"bearer" and hmac.compare_digest(word.strip(), wanted)


class Exchange:
    """One request and its response.

    Attributes:
        record: Record for metrics and log.
        headers: Headers of the request; the last of several with one name.
        status: Status of the response.
        outcome: Outcome in the metrics; None: by status.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        self.record = RequestRecord(
            client[0] if client else None,
            scope["method"],
            scope["path"],
            request_id(self.headers.get(b"x-request-id", b"")),
            self.headers.get(b"traceparent", b"").decode("latin-1"),
            self.headers.get(b"tracestate", b"").decode("latin-1"),
        )
        self.status, self.outcome = 500, None
        self._started, self._body_not_requested, self._send = False, False, send
        scope.setdefault("state", {})["facts"] = self.record.facts

    outcome: str | None

    async def send(self, message: Message) -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start":
            self._started, self.status = True, message["status"]
            message.setdefault("headers", [])
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self.record.id.encode()),
                (b"x-content-type-options", b"nosniff"),
            ]
        else:
            self.record.sent += len(message.get("body", b""))
        await self._send(message)

    def recording_receive(self, receive: Receive) -> Receive:
        """Return a ``receive`` that records whether the body was requested.

        A client that waits for that (``Expect: 100-continue``) may or may not send the body after a
        refusal, so the start of its next request is unknown (RFC 9110, section 10.1.1).
        """
        self._body_not_requested = b"expect" in self.headers

        async def ask() -> Message:
            self._body_not_requested = False
            return await receive()

        return ask if self._body_not_requested else receive

    async def refuse(self, refusal: HttpError, receive: Receive) -> None:
        """Respond with an error."""
        if self._started:
            self.status = 500
            return
        self.outcome = refusal.outcome
        wanted = self.headers.get(b"accept-language", b"")
        body = error_body(_translated(str(refusal), wanted), **refusal.fields)
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **refusal.headers,
        }
        if self._body_not_requested:
            headers["Connection"] = "close"
        closing = "Connection" in headers
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body, "more_body": closing})
        if closing:
            # Let a client that is still sending read the response before the connection closes.
            await drain(receive)
            await self.send({"type": "http.response.body", "body": b""})


def error_body(message: str, **fields: Any) -> bytes:
    """Serialize an error: ``{"error": …}``."""
    return json.dumps({"error": message, **fields}).encode()


def _translated(message: str, accept_language: bytes) -> str:
    """Translate a message to the client's preferred language; English if it is not supported."""
    best = accept_language.partition(b",")[0].partition(b";")[0].partition(b"-")[0]
    language = best.decode("latin-1").strip().lower()
    with use_language(language if language in LANGUAGES else "en"):
        return translated(message)


def _routing_error(error: HTTPException, scope: Scope) -> HttpError:
    what = f"{scope['method']} {scope['path'][:80]}"
    headers = dict(error.headers or {})
    if "Allow" in headers:  # built from a set, in random order
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    reason = {
        404: "no such path; /openapi.json lists them.",
        405: f"expected {headers.get('Allow', 'another method')}.",
    }
    message = f"{what}: {reason.get(error.status_code, error.detail)}"
    return HttpError(error.status_code, message, headers=headers)
