"""The process in which long messages are read.

Knows: one function call at a time, read from stdin, within a limit of memory. Does not know who
asks. It ends when its stdin does.
"""

from __future__ import annotations

import os
import pickle
from typing import Any

from kerascnn.child_process import GROWTH, pipes
from kerascnn.machine import data_bytes, limit_data
from kerascnn.serving.http.errors import HttpError

_NICE = 5
"""The event loop comes first where processors are short."""

_MEMORY, _EACH = 128 << 20, 12
"""Bytes that reading may take: these, and so many a byte of the message. Numbers and files take two
to five; a million keys of an object take more, and are no request."""


def main() -> None:
    """Answer until nobody asks any more."""
    source, target = pipes()
    if hasattr(os, "nice"):
        os.nice(_NICE)
    start = None
    while True:
        try:
            function, arguments = pickle.load(source)
        except EOFError:
            return
        start = start or data_bytes()  # with all that the function's module imports
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
