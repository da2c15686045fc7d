"""Forces the process to exit when a thread hangs.

Knows: that the interpreter waits for threads at exit, and that decoding a picture, loading a model
or running a network may hang. Does not know the server.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress

from kerascnn.images.worker_pool import stop

log = logging.getLogger(__name__)

_CLEANUP_SECONDS = 1.0
"""Seconds after the deadline to report and close what was aborted."""

THREADS = ("decoding", "inference", "loading", "reading messages")
"""Prefixes of the names of the server's threads, for which the interpreter waits at exit."""


def exit_after(seconds: float) -> None:
    """Exit the process one second after a deadline, whatever it is doing.

    It exits normally if it can. Outside the main thread this does nothing, because the process
    does not belong to the server.
    """
    if threading.current_thread() is threading.main_thread():
        threading.Thread(
            target=_end, args=(time.monotonic() + seconds + _CLEANUP_SECONDS,), daemon=True
        ).start()


def _end(deadline: float) -> None:
    time.sleep(max(0.0, deadline - time.monotonic()))
    if not any(one.name.startswith(THREADS) for one in threading.enumerate()):
        return  # all threads ended; the process continues after serving
    log.error("a thread could not be stopped; the process is ended.")
    stop()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(1)
