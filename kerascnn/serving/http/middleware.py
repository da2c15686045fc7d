"""What every request passes: its id, the token, the log, and JSON for every error.

Knows: ASGI, and what is counted and logged of a request. Does not know routes.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kerascnn.errors import PictureError
from kerascnn.serving.http.body import drain
from kerascnn.serving.http.errors import Gone, Refusal, outcome_of
from kerascnn.serving.http.origins import Origins
from kerascnn.serving.metrics import STAGES, Metrics

log = logging.getLogger(__name__)

OPEN = frozenset({"/", "/v2/health/live", "/v2/health/ready", "/openapi.json"})
"""Paths that need no token; so do those below :data:`PAGE`."""

PAGE = "/page/"
"""Where the page's own files lie."""

_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")


class Gate:
    """The outermost layer.

    Args:
        app: All that is inside.
        metrics: Counts requests.
        token: That requests must carry; None: none.
        write_log: Called with one line a request; None: no access log.
        origins: Knows for which names and pages the server is there.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        token: bytes | None,
        write_log: Callable[[str], object] | None,
        origins: Origins,
    ) -> None:
        self._app, self._metrics, self._write_log = app, metrics, write_log
        self._wanted, self._origins = token, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = Passage(scope, send)
        scope["app"] = self  # so Starlette's router raises what it cannot route
        try:
            self._origins.check(scope["method"], passage.headers)
            self._check_token(scope, passage.headers.get(b"authorization"))
            await self._app(scope, receive, passage.send)
        except Gone:
            passage.status = 499  # nginx's word for it; nothing can be sent
        except Refusal as refusal:
            await passage.refuse(refusal, receive)
        except PictureError as error:
            await passage.refuse(Refusal(422, str(error)), receive)
        except HTTPException as error:
            await passage.refuse(_from_router(error, scope), receive)
        except Exception:  # whatever it is: one request fails, and the server goes on
            log.exception("request %s failed", passage.id)
            await passage.refuse(Refusal(500, f"internal error; request {passage.id}"), receive)
        finally:
            self._tell(passage)

    def _check_token(self, scope: Scope, given: bytes | None) -> None:
        path = scope["path"]
        if self._wanted is None or path in OPEN or path.startswith(PAGE):
            return
        scheme, _, word = (given or b"").partition(b" ")
        # Lengths may leak, contents not. The scheme has no case (RFC 9110, section 11.1).
        if scheme.lower() != b"bearer" or not hmac.compare_digest(word.strip(), self._wanted):
            raise Refusal(
                401,
                "a wrong token, or none; expected the header Authorization: Bearer TOKEN.",
                headers={"WWW-Authenticate": "Bearer"},
                close=True,
            )

    def _tell(self, passage: Passage) -> None:
        facts = passage.facts
        outcome = passage.outcome or outcome_of(passage.status)
        model = facts.get("model", "")
        self._metrics.requests.labels(model, outcome).inc()
        seconds = time.perf_counter() - passage.began
        if model and outcome == "ok" and "pictures" in facts:
            self._metrics.seconds.labels(model).observe(seconds)
            for stage in STAGES:
                self._metrics.stages.labels(model, stage).observe(facts[f"{stage}_ms"] / 1000)
        if self._write_log is not None:
            self._write_log(passage.line(outcome, seconds))


class Passage:
    """One request on its way through.

    Attributes:
        id: Of the request: the client's, or a new one.
        headers: Of the request; of several with one name, the last.
        facts: What handlers tell of it, for metrics and log.
        status: Of the answer.
        outcome: How it is counted; None: as its status says.
        began: When it came, by ``time.perf_counter``.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self.began = time.perf_counter()
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.id = given.decode() if _ID.fullmatch(given) else secrets.token_hex(8)
        self.facts: dict[str, Any] = {}
        self.status, self.outcome = 500, None
        self._started, self._sent, self._scope, self._send = False, 0, scope, send
        scope.setdefault("state", {})["facts"] = self.facts

    outcome: str | None

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._started, self.status = True, message["status"]
            message.setdefault("headers", [])
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self.id.encode()),
                (b"x-content-type-options", b"nosniff"),
            ]
        else:
            self._sent += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, refusal: Refusal, receive: Receive) -> None:
        """Answer with an error."""
        self.outcome = refusal.outcome
        if self._started:
            self.status = 500
            return
        body = error_body(str(refusal))
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **refusal.headers,
        }
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        closing = "Connection" in refusal.headers
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body, "more_body": closing})
        if closing:
            # The client may be sending still; it shall see the answer before the end.
            await drain(receive)
            await self.send({"type": "http.response.body", "body": b""})

    def line(self, outcome: str, seconds: float) -> str:
        """Write its line of the access log."""
        client = self._scope.get("client")
        values = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "request_id": self.id,
            "client": client[0] if client else None,
            "method": self._scope["method"],
            "path": self._scope["path"][:200],
            "status": self.status,
            "outcome": outcome,
            "ms": round(seconds * 1000, 2),
            "bytes_out": self._sent,
            **self.facts,
        }
        return json.dumps(values, ensure_ascii=False)


def error_body(message: str) -> bytes:
    """Write an error as the protocol has it: ``{"error": …}``."""
    return json.dumps({"error": message}).encode()


def _from_router(error: HTTPException, scope: Scope) -> Refusal:
    what = f"{scope['method']} {scope['path'][:80]}"
    reason = {404: "no such path; /openapi.json lists them.", 405: "another method is expected."}
    message = f"{what}: {reason.get(error.status_code, error.detail)}"
    return Refusal(error.status_code, message, headers=dict(error.headers or {}))
