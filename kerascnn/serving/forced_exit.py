"""The end of a process in which something hangs that nobody can stop.

Knows: that the interpreter waits at its end for threads, and that a thread in a decoder, a model's
load or a run of a network may never end. Does not know the server.
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

_LAST_WORDS = 1.0
"""Seconds for what was cut off to be reported and closed."""

THREADS = ("decoding", "inference", "loading", "reading messages")
"""How the names of the server's threads begin, for which the end of the process would wait."""


def exit_after(seconds: float) -> None:
    """Exit the process one second after a deadline, whatever it is doing.

    It ends as usual if it can. Elsewhere than in a process's main thread nothing is done: the
    process is not the server's then.
    """
    if threading.current_thread() is threading.main_thread():
        threading.Thread(
            target=_end, args=(time.monotonic() + seconds + _LAST_WORDS,), daemon=True
        ).start()


def _end(deadline: float) -> None:
    time.sleep(max(0.0, deadline - time.monotonic()))
    if not any(one.name.startswith(THREADS) for one in threading.enumerate()):
        return  # all has ended well, and somebody goes on after it served
    log.error("something could not be stopped; the process is ended.")
    stop()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(1)
