"""gRPC's health checking service (``grpc.health.v1.Health``), for probes and load balancers.

Knows: its three states, and that each message has a single field. Does not know what makes a server
ready. See https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from kerascnn.serving.endpoints.grpc_messages import read_short
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.service import Service

HEALTH = "grpc.health.v1.Health"

_SERVING, _NOT_SERVING, _UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"
"""Encoded responses: the field ``status``, 1 to 3."""

_MAX_WATCHERS = 100
"""Maximum concurrent watchers: they need no token, and count toward the limit of calls."""

_INTERVAL = 0.5
"""Interval at which watchers are notified of a change, in seconds."""


class Health:
    """The methods ``Check`` and ``Watch``."""

    def __init__(self, service: Service, name: str) -> None:
        self._service, self._name, self._watching = service, name, 0

    async def check(self, content: bytes, *_: object) -> bytes:
        """Return the current state.

        Raises:
            HttpError: 404: unknown service; 400 or 413: not a valid request.
        """
        state, asked = self._state(content)
        if state == _UNKNOWN:
            raise HttpError(404, f"no service {asked[:80]!r} here; there is {self._name}.")
        return state

    async def watch(self, content: bytes, context: Any) -> AsyncIterator[bytes]:
        """Yield the state now and at each change, until the client leaves or the server stops."""
        if self._watching >= _MAX_WATCHERS:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"{_MAX_WATCHERS} clients are watching already."
            )
        self._watching += 1
        try:
            async for state in self._changes(content):
                yield state
        except HttpError as refusal:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(refusal))
        finally:
            self._watching -= 1

    async def _changes(self, content: bytes) -> AsyncIterator[bytes]:
        last = b""
        while True:
            state, _ = self._state(content)
            if state != last:
                yield state
                last = state
            if self._service.stopping:
                return
            await asyncio.sleep(_INTERVAL)

    def _state(self, content: bytes) -> tuple[bytes, str]:
        # Parsed as a v2 message that has the same fields: field 1 is a name.
        asked: str = read_short("ModelReadyRequest", content).name
        if asked not in ("", self._name):
            return _UNKNOWN, asked
        return _SERVING if self._service.ready else _NOT_SERVING, asked
