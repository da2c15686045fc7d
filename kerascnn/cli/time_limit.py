"""Ends a command that takes too long, or does not react to Ctrl-C.

Knows: threads and signals. Does not know the work.

Python handles signals only between bytecode instructions, and a call into TensorFlow or onnxruntime
may never return.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from kerascnn.cli.shown_errors import INTERRUPTED, interruptible
from kerascnn.errors import KerascnnError
from kerascnn.language import tr
from kerascnn.language.messages import translated

_CLEANUP_SECONDS = 1.5
"""Seconds that interrupted work has to end and to remove its temporary files."""


@contextmanager
def time_limit(seconds: float, message: str) -> Iterator[None]:
    """Interrupt work that takes too long; exit the process if it cannot be interrupted.

    Outside the main thread, which receives signals, there is no limit.

    Raises:
        KerascnnError: It took too long.
        KeyboardInterrupt: Ctrl-C was pressed before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    watch = _Watch(reader, time.monotonic() + seconds, message)
    # Written at every signal, whatever Python is doing.
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        watch.start()
        with interruptible():
            yield
    except KeyboardInterrupt as error:
        if watch.late:
            raise KerascnnError(message) from error
        raise
    finally:
        signal.set_wakeup_fd(before)
        writer.close()
        watch.join()
        reader.close()


class _Watch(threading.Thread):
    """Waits for a signal, the deadline, or the end of the work, which closes the connection."""

    def __init__(self, connection: socket.socket, end: float, message: str) -> None:
        super().__init__(name="time limit", daemon=True)
        self.late = False
        self._connection, self._end = connection, end
        # Translated here, because only the main thread knows the user's language.
        self._late = tr("Error: {message}", message=translated(message))
        self._stopped = "\n" + tr("Stopped.")

    def run(self) -> None:
        """Wait until the work ends; end the process if its cleanup takes too long."""
        while (number := self._next(self._end)) not in (b"", None, bytes([signal.SIGINT])):
            pass  # another signal
        if number == b"":
            return
        if number is None:
            self.late = True
            _interrupt()
        patience = time.monotonic() + _CLEANUP_SECONDS
        while (number := self._next(patience)) is not None:
            if number == b"":
                return
        self._quit()

    def _next(self, end: float) -> bytes | None:
        """Return the number of a signal; empty if the work has ended; None at the deadline."""
        left = max(0.0, end - time.monotonic())
        if not select.select([self._connection], [], [], left)[0]:
            return None
        return self._connection.recv(1)

    def _quit(self) -> None:
        # The next process removes leftover temporary files.
        with suppress(OSError, ValueError):
            click.echo(self._late if self.late else self._stopped, err=True)
        os._exit(KerascnnError.exit_code if self.late else INTERRUPTED)


def _interrupt() -> None:
    """Interrupt the main thread like Ctrl-C, even if it sleeps."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()
