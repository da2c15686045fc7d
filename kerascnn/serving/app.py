"""The application: its routes, and the tasks that start and stop with the server.

Knows: how the parts fit together. Does not know sockets or signals.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from kerascnn.errors import KerascnnError
from kerascnn.serving.config import ServeConfig
from kerascnn.serving.endpoints.openapi import describe
from kerascnn.serving.endpoints.predict import PredictEndpoint
from kerascnn.serving.endpoints.v1 import V1
from kerascnn.serving.endpoints.v2 import V2
from kerascnn.serving.http.middleware import RequestMiddleware
from kerascnn.serving.http.origins import OriginPolicy, names_of
from kerascnn.serving.http.routing import Routing
from kerascnn.serving.page import page_routes
from kerascnn.serving.request_log import RequestLog
from kerascnn.serving.service import Service

if TYPE_CHECKING:
    from kerascnn.serving.tracing import Tracer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Application:
    """The ASGI application; ``lifespan`` is for an application that mounts it."""

    app: ASGIApp
    lifespan: Callable[[object], AbstractAsyncContextManager[None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or the lifespan."""
        await self.app(scope, receive, send)


def create_app(
    config: ServeConfig | Service,
    write_log: Callable[[str], object] | None = None,
    failed: Callable[[KerascnnError], object] | None = None,
    tracer: Tracer | None = None,
) -> Application:
    """Create the application, for uvicorn or any other ASGI server.

    Models are loaded at startup (ASGI's lifespan); until they are warmed up, ``/v2/health/ready``
    responds with status 503. An application that mounts this one must run its lifespan, because
    Starlette's and FastAPI's ``mount`` does not: ``FastAPI(lifespan=app.lifespan)``.

    Args:
        config: Options, or a service created from them.
        write_log: Called with one JSON line per request; None: no access log.
        failed: Called if a model cannot be loaded at startup; None: the error is logged.
        tracer: Creates OpenTelemetry spans; None: no tracing.

    Raises:
        ConfigError: The token cannot be read.
    """
    service = config if isinstance(config, Service) else Service(config)
    document = bytes(JSONResponse(describe(service.models.names)).body)

    async def openapi(_request: Request) -> Response:
        return Response(document, media_type="application/json")

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        async with _running(service, failed or partial(log.error, "%s")):
            yield

    routes = [*V2(service).routes(), *PredictEndpoint(service).routes(), *V1(service).routes(),
              Route("/openapi.json", openapi), *page_routes()]  # fmt: skip
    router = Router(routes, redirect_slashes=False, lifespan=lifespan)
    options = service.config
    origins = OriginPolicy(options.allowed_host or names_of(options.host), options.cors)
    request_log = RequestLog(service.metrics, write_log, tracer)
    middleware = RequestMiddleware(Routing(router), request_log, options.read_token(), origins)
    return Application(_with_cors(middleware, options.cors), lifespan)


@asynccontextmanager
async def _running(
    service: Service, failed: Callable[[KerascnnError], object]
) -> AsyncIterator[None]:
    """Load models and check for newer ones until the block is left; then stop all work."""
    tasks = [asyncio.create_task(_load(service, failed))]
    if service.config.reload_seconds:
        tasks.append(asyncio.create_task(service.models.watch()))
    for task in tasks:
        task.add_done_callback(_report)
    yield
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):  # logged by _report
            await task
    service.close()


async def _load(service: Service, failed: Callable[[KerascnnError], object]) -> None:
    try:
        await service.models.load()
    except KerascnnError as error:
        failed(error)


def _report(task: asyncio.Task[None]) -> None:
    """Log the error of a background task, whose result is not awaited."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("a background task ended", exc_info=error)


def _with_cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "Content-Encoding", "X-Request-ID",
                       "Inference-Header-Content-Length", "Traceparent", "Tracestate"],
        expose_headers=["X-Request-ID", "Server-Timing", "Retry-After",
                        "Inference-Header-Content-Length"],
    )  # fmt: skip
