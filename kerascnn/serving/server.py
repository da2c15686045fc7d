"""The server process: sockets, signals, log and shutdown.

Knows: uvicorn and the operating system. Does not know the application.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from kerascnn.errors import ConfigError, KerascnnError, needs_extra, one_line
from kerascnn.inference.model_file.metadata import read_metadata
from kerascnn.serving.access_log import AccessLog
from kerascnn.serving.app import create_app
from kerascnn.serving.config import ServeConfig
from kerascnn.serving.forced_exit import exit_after
from kerascnn.serving.http.connection import Connection
from kerascnn.serving.http.listeners import check_certificate, listeners, load_certificate, urls
from kerascnn.serving.http.parsing_turns import idle_connections
from kerascnn.serving.http.tls_listener import TlsListener
from kerascnn.serving.process_tuning import freeze_imports, tune_process
from kerascnn.serving.request_log import RequestLog
from kerascnn.serving.service import Service
from kerascnn.serving.sources import unread_settings, versions_in

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from kerascnn.serving.endpoints.grpc import GrpcServer
    from kerascnn.serving.tracing import Tracer

log = logging.getLogger(__name__)


def serve(config: ServeConfig, started: Callable[[str], object] | None = None) -> None:
    """Serve models until SIGTERM or SIGINT.

    SIGHUP checks for newer files immediately. A second SIGTERM or SIGINT aborts the requests in
    progress. Where an event loop runs already, as in a notebook, call it in a thread; it then
    serves until the process ends.

    Args:
        config: Address, limits and models.
        started: Called with all addresses when the server listens.

    Raises:
        ConfigError: The address cannot be used, the token cannot be read, or an event loop runs.
        ModelFileError: A model cannot be loaded.
        ProviderError: A provider does not run here, or its outputs differ.
        KerascnnError: Requests were aborted at the end of the grace period.
    """
    _refuse_inside_event_loop()
    _check_files(config)
    tune_process()
    with (
        _tracing(config) as tracer,
        AccessLog(sys.stdout) as access_log,
        listeners(config.host, config.port) as sockets,
    ):
        service = Service(config)
        access_log.lost = service.metrics.log_lines_lost.inc
        write_log = access_log.write if config.access_log else None
        server = _Server(config, service, write_log, tracer)
        if started is not None:
            scheme = "https" if config.tls_cert else "http"
            server.started_at = started, urls(sockets, scheme)
        server.run(sockets=sockets)
    server.raise_failure()


def _refuse_inside_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigError(
        "serve() cannot run inside a running event loop, such as a notebook's. Call it in a "
        "thread: threading.Thread(target=serve, args=(config,), daemon=True).start(). In an async "
        "application, mount create_app(config) instead."
    )


def _check_files(config: ServeConfig) -> None:
    """Read models, settings and certificate, so that errors are found before sockets are opened."""
    for model in config.served:
        for path in versions_in(Path(model.path)).values():
            read_metadata(path)
    for line in unread_settings(config.served):
        log.warning("%s", line)
    if config.tls_cert is not None:
        check_certificate(config.tls_cert, config.tls_key)


def _uvicorn_config(
    app: ASGIApp, connection: type[Connection], config: ServeConfig
) -> uvicorn.Config:
    return uvicorn.Config(
        app, http=connection, ws="none", lifespan="on", log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=None, ssl_certfile=config.tls_cert,
        ssl_keyfile=config.tls_key,
    )  # fmt: skip


class _Server(uvicorn.Server):
    """uvicorn's server, which exits with code 0 after SIGTERM or SIGINT."""

    def __init__(
        self,
        config: ServeConfig,
        service: Service,
        write_log: Callable[[str], object] | None,
        tracer: Tracer | None,
    ) -> None:
        self._failure: KerascnnError | None = None
        self._cut_off = 0
        self._service, self._grace = service, config.grace
        self.started_at: tuple[Callable[[str], object], str] = (lambda _where: None, "")
        app = create_app(service, write_log, self._fail, tracer)
        self._grpc = _grpc_server(service, RequestLog(service.metrics, write_log, tracer))
        self._connection: type[Connection] = type(
            "_Connection",
            (Connection,),
            {"seconds": config.read_timeout, "silent": {}, "idle": idle_connections()},
        )
        super().__init__(_uvicorn_config(app, self._connection, config))

    def raise_failure(self) -> None:
        """Raise the error that ended the server, or the one that requests were aborted, if any."""
        if self._failure is not None:
            raise self._failure
        if self._cut_off:
            raise KerascnnError(
                f"{self._cut_off} requests were not finished within {self._grace:g} s and were "
                "aborted. Give more time with `grace`."
            )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup([])
        for one in sockets or []:
            self.servers.append(await self._listen(one))  # type: ignore[arg-type]
        freeze_imports()
        started, where = self.started_at
        if self._grpc is not None and not self.should_exit:
            try:
                where = f"grpc://{await self._grpc.start()} and {where}"
            except ConfigError as error:
                self._fail(error)
                return
        started(where)

    async def _listen(self, listener: socket.socket) -> asyncio.Server | TlsListener:
        """Accept connections on a socket."""
        config = self.config
        protocol = partial(
            self._connection,
            config=config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        if config.ssl is not None:
            return TlsListener(listener, protocol, config.ssl, self._service.config.read_timeout)
        loop = asyncio.get_running_loop()
        return await loop.create_server(protocol, sock=listener, backlog=config.backlog)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new requests and finish accepted ones, within the grace period."""
        self._service.stopping = True
        exit_after(self._grace)
        cutting = asyncio.get_running_loop().call_later(self._grace, self._close_connections)
        ending = self._grpc.stop(self._grace) if self._grpc is not None else asyncio.sleep(0)
        await asyncio.gather(super().shutdown(sockets), ending)
        cutting.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals. uvicorn's own method re-raises them, which kills the process."""
        loop, handlers = asyncio.get_running_loop(), self._signal_handlers()
        try:
            for number, handler in handlers.items():
                loop.add_signal_handler(number, handler)
        except NotImplementedError:  # Windows
            with _plain_handlers(loop, handlers):
                yield
            return
        except (RuntimeError, ValueError):  # not the main thread: asyncio's error, and uvloop's
            handlers = {}
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _signal_handlers(self) -> dict[int, Callable[[], object]]:
        handlers: dict[int, Callable[[], object]] = {
            signal.SIGTERM: self._end,
            signal.SIGINT: self._end,
        }
        if hasattr(signal, "SIGHUP"):  # not on Windows
            handlers[signal.SIGHUP] = self._reload
        return handlers

    def _end(self) -> None:
        if self.should_exit:
            self._close_connections()
        self._service.stopping = True
        self.should_exit = True

    def _reload(self) -> None:
        self._renew_certificate()
        self._reloading = asyncio.ensure_future(self._service.models.reload(force=True))

    def _renew_certificate(self) -> None:
        """Load a renewed certificate; keep the old one if it cannot be used."""
        certificate, context = self._service.config.tls_cert, self.config.ssl
        if certificate is None or context is None:
            return
        try:
            check_certificate(certificate, self._service.config.tls_key)
            load_certificate(context, certificate, self._service.config.tls_key)
        except (ConfigError, OSError) as error:
            log.error("the older certificate stays in use. %s", error)

    def _fail(self, error: KerascnnError) -> None:
        self._failure = error
        self.should_exit = True

    def _close_connections(self) -> None:
        """Abort all connections now."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                self._cut_off += connection.cycle is not None
                connection.transport.abort()


@contextmanager
def _tracing(config: ServeConfig) -> Iterator[Tracer | None]:
    """Create the tracer, if tracing is enabled."""
    if not config.traces:
        yield None
        return
    with needs_extra("otel", "to trace requests"):
        from kerascnn.serving.tracing import Tracer

        try:
            tracer = Tracer()
        except ValueError as error:
            raise ConfigError(
                f"OpenTelemetry does not accept its variables (OTEL_…): {one_line(error)}"
            ) from error
    try:
        yield tracer
    finally:
        tracer.close()


@contextmanager
def _plain_handlers(
    loop: asyncio.AbstractEventLoop, handlers: dict[int, Callable[[], object]]
) -> Iterator[None]:
    """Handle signals where the event loop cannot, on Windows."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(
            number, lambda *_, handler=handler: loop.call_soon_threadsafe(handler)
        )
        for number, handler in handlers.items()
    }
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _grpc_server(service: Service, request_log: RequestLog) -> GrpcServer | None:
    """Create the gRPC server, if it is enabled."""
    if service.config.grpc_port is None:
        return None
    with needs_extra("grpc", "to serve by gRPC"):
        from kerascnn.serving.endpoints.grpc import GrpcServer
    return GrpcServer(service, request_log)
