"""The process: a socket, signals, the log, and how it ends.

Knows: uvicorn and the operating system. Does not know the application.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

import uvicorn

from kerascnn.errors import ConfigError, KerascnnError
from kerascnn.inference.model_file.metadata import read_metadata
from kerascnn.serving.app import create_app
from kerascnn.serving.config import ServeConfig
from kerascnn.serving.ending import end_after
from kerascnn.serving.http.connection import Connection
from kerascnn.serving.service import Service

log = logging.getLogger(__name__)

_LINES = 10_000
"""Lines of the access log that wait to be written; whoever reads it may be slow."""


def serve(config: ServeConfig, started: Callable[[str], object] | None = None) -> None:
    """Serve models until SIGTERM or SIGINT.

    SIGHUP looks for newer files at once. The second SIGTERM or SIGINT does not wait for what
    is being worked on.

    Args:
        config: Options.
        started: Called with the address when the server listens.

    Raises:
        ConfigError: The address cannot be used, or the token not be read.
        ModelFileError: A model cannot be loaded.
        ProviderError: A provider does not run here, or answers wrongly.
        KerascnnError: Work was cut off at the end of the time of grace.
    """
    for model in config.models:
        read_metadata(model)  # what is no model is found before anything listens
    # Threads that decode or write JSON let the event loop in so often, and not every 5 ms.
    sys.setswitchinterval(0.001)
    with _AccessLog(sys.stdout) as access_log, _bound(config) as listeners:
        service = Service(config)
        access_log.lost = service.metrics.log_lines_lost.inc
        server = _Server(config, service, access_log.write if config.access_log else None)
        server.tell(started, listeners[0])
        server.run(sockets=listeners)
    if server.failure is not None:
        raise server.failure
    if server.cut_off:
        raise KerascnnError(
            f"{server.cut_off} requests were not finished within {config.grace:g} s and were cut "
            "off. Give more time with --grace."
        )


class _Server(uvicorn.Server):
    """uvicorn's server, which ends with exit code 0 when it is told to end."""

    def __init__(
        self, config: ServeConfig, service: Service, write_log: Callable[[str], object] | None
    ) -> None:
        self.failure: KerascnnError | None = None
        self.cut_off = 0
        self._service, self._grace = service, config.grace
        self._started: Callable[[], object] = lambda: None
        app = create_app(service, write_log, self._fail)
        connection = type("_Connection", (Connection,), {"seconds": config.read_timeout})
        super().__init__(
            uvicorn.Config(
                app,
                http=connection,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=None,
            )
        )

    def tell(self, started: Callable[[str], object] | None, listener: socket.socket) -> None:
        """Have somebody told when the server listens."""
        host, port = listener.getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        if started is not None:
            self._started = lambda: started(address)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse what is new, finish what was taken, within the time of grace."""
        self._service.stopping = True
        end_after(self._grace)
        cutting = asyncio.get_running_loop().call_later(self._grace, self._cut)
        await super().shutdown(sockets)
        cutting.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Listen to signals. uvicorn's own way ends the process by the signal it got."""
        loop = asyncio.get_running_loop()
        hangup = getattr(signal, "SIGHUP", None)  # not on Windows
        handlers: dict[int, Callable[[], object]] = {
            signal.SIGTERM: self._end,
            signal.SIGINT: self._end,
        }
        if hangup is not None:
            handlers[hangup] = self._reload
        try:
            for number, handler in handlers.items():
                loop.add_signal_handler(number, handler)
        except (NotImplementedError, RuntimeError):  # Windows, or not the main thread
            handlers = {}
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        if self.should_exit:
            self._cut()
        self._service.stopping = True
        self.should_exit = True

    def _reload(self) -> None:
        self._reloading = asyncio.ensure_future(self._service.models.reload(force=True))

    def _fail(self, error: KerascnnError) -> None:
        self.failure = error
        self.should_exit = True

    def _cut(self) -> None:
        """End all connections now."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                self.cut_off += connection.cycle is not None
                connection.transport.abort()


class _AccessLog:
    """Writes lines in a thread of its own: who reads them may be slow, and nobody shall wait."""

    def __init__(self, stream: TextIO) -> None:
        self.lost: Callable[[], object] = lambda: None
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(_LINES)
        self._thread = threading.Thread(target=self._work, name="access log", daemon=True)

    def __enter__(self) -> _AccessLog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._lines.put(None, timeout=1)
        except queue.Full:
            return
        self._thread.join(1)

    def write(self, line: str) -> None:
        """Take a line; it is lost if too many wait."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.lost()

    def _write(self, text: str) -> None:
        binary = getattr(self._stream, "buffer", None)
        if binary is None:  # a test's, or a notebook's
            self._stream.write(text)
        else:
            # JSON is UTF-8, whatever stdout was made for; a lone half of a character is an escape.
            binary.write(text.encode("utf-8", "backslashreplace"))
        self._stream.flush()

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            lines = [line]
            try:
                while (more := self._lines.get_nowait()) is not None:
                    lines.append(more)
            except queue.Empty:
                more = ""
            try:
                self._write("".join(f"{one}\n" for one in lines))
            except (OSError, ValueError):  # nobody reads it any longer
                self.lost()
            if more is None:
                return


@contextmanager
def _bound(config: ServeConfig) -> Iterator[list[socket.socket]]:
    """Bind every address of the host; uvicorn itself would exit with a log line."""
    listeners: list[socket.socket] = []
    with ExitStack() as stack:
        try:
            for family, place in _places(config):
                port = listeners[0].getsockname()[1] if listeners else config.port
                found = _listen(family, place, port, needed=not listeners)
                if found is not None:
                    listeners.append(stack.enter_context(found))
        except OSError as error:
            raise ConfigError(
                f"{config.host}:{config.port}: cannot listen there ({error.strerror or error}). "
                "Choose another --host or --port."
            ) from error
        yield listeners


def _places(config: ServeConfig) -> list[tuple[int, str]]:
    """List families and addresses of the host: localhost has one of each, often."""
    host = config.host.strip("[]")
    found = socket.getaddrinfo(host, config.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, str(place[0])) for family, _, _, _, place in found))


def _listen(family: int, place: str, port: int, *, needed: bool) -> socket.socket | None:
    """Listen on one address; those after the first are left out where the system lacks them."""
    # On :: as servers do it: it takes IPv4, too.
    both = place == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((place, port), family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        if needed or error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        return None
