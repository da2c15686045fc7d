"""The end of a command that takes too long, or does not heed Ctrl-C.

Knows: threads and signals. Does not know what is worked on.

Python hears of a signal, and of a time that is over, between two steps of its own only; a step
within TensorFlow or onnxruntime may take for ever.
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

from kerascnn.cli.shown_errors import INTERRUPTED
from kerascnn.errors import KerascnnError
from kerascnn.language import tr
from kerascnn.language.messages import translated

_PATIENCE = 1.5
"""Seconds for work to end by itself, and to remove its temporary files."""


@contextmanager
def time_limit(seconds: float, message: str) -> Iterator[None]:
    """Interrupt work that takes too long; end the process if it cannot be interrupted.

    Elsewhere than in the process's main thread nothing is limited: no signal comes there.

    Raises:
        KerascnnError: It took longer.
        KeyboardInterrupt: Ctrl-C was pressed in time.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, told = socket.socketpair()
    told.setblocking(False)
    watch = _Watch(ours, time.monotonic() + seconds, message)
    # Written to when a signal comes, whatever Python is doing.
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    try:
        watch.start()
        yield
    except KeyboardInterrupt as error:
        if watch.late:
            raise KerascnnError(message) from error
        raise
    finally:
        signal.set_wakeup_fd(before)
        told.close()
        watch.join()
        ours.close()


class _Watch(threading.Thread):
    """Waits for a signal, the end of the time, or that of the work: its connection closes."""

    def __init__(self, connection: socket.socket, end: float, message: str) -> None:
        super().__init__(name="time limit", daemon=True)
        self.late = False
        self._connection, self._end = connection, end
        # Said here: the language that is spoken is known to the main thread alone.
        self._late = tr("Error: {message}", message=translated(message))
        self._stopped = "\n" + tr("Stopped.")

    def run(self) -> None:
        """Watch."""
        while (number := self._next(self._end)) not in (b"", None, bytes([signal.SIGINT])):
            pass  # another signal
        if number == b"":
            return
        if number is None:
            self.late = True
            _interrupt()
        patience = time.monotonic() + _PATIENCE
        while (number := self._next(patience)) is not None:
            if number == b"":
                return
        self._leave()

    def _next(self, end: float) -> bytes | None:
        """Return the number of a signal; empty: the work has ended; None: the time has."""
        left = max(0.0, end - time.monotonic())
        if not select.select([self._connection], [], [], left)[0]:
            return None
        return self._connection.recv(1)

    def _leave(self) -> None:
        # What is left of temporary files the next process removes.
        with suppress(OSError, ValueError):
            click.echo(self._late if self.late else self._stopped, err=True)
        os._exit(KerascnnError.exit_code if self.late else INTERRUPTED)


def _interrupt() -> None:
    """Do as Ctrl-C does, and wake the main thread if it sleeps."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()
