"""The worker process that parses long messages.

Knows: one function call at a time, read from stdin, within a memory limit. Does not know the
server. It exits at the end of its stdin.
"""

from __future__ import annotations

import os
import pickle
from typing import Any

from kerascnn.child_process import GROWTH, pipes
from kerascnn.machine import data_bytes, limit_data
from kerascnn.serving.http.errors import HttpError

_NICE = 5
"""Niceness: the event loop takes precedence when processors are scarce."""

_MEMORY, _EACH = 128 << 20, 12
"""Memory limit of parsing, in bytes: a constant, plus a factor per byte of the message. Numbers and
files take two to five; a million keys of an object take more, and are not a valid request."""


def main() -> None:
    """Handle calls until stdin ends."""
    source, target = pipes()
    if hasattr(os, "nice"):
        os.nice(_NICE)
    start = None
    while True:
        try:
            function, arguments = pickle.load(source)
        except EOFError:
            return
        start = start or data_bytes()  # after the imports of the function's module
        pickle.dump(_answer(function, arguments), target, pickle.HIGHEST_PROTOCOL)
        target.flush()
        del function, arguments
        if data_bytes() - start > GROWTH:
            return


def _answer(function: Any, arguments: tuple[Any, ...]) -> tuple[Any, tuple[int, str] | None]:
    length = sum(len(one) for one in arguments if isinstance(one, bytes))
    limit_data(_MEMORY + _EACH * length)
    try:
        return function(*arguments), None
    except HttpError as refusal:
        return None, (refusal.status, str(refusal))
    except MemoryError:
        return None, (413, f"a message of {length:,} bytes that takes too much memory to read.")
    finally:
        limit_data(None)
