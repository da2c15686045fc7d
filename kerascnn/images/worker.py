"""The worker process that decodes pictures that may be large, slow or malicious.

Knows: one picture at a time, read from stdin; limits of memory and processor time, enforced by the
operating system; a result as JSON and raw bytes on stdout. Does not know its parent process. It
needs only numpy and Pillow, writes no files, and exits at the end of its stdin.
"""

from __future__ import annotations

import json
import pickle
import signal
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from kerascnn.child_process import GROWTH, pipes
from kerascnn.errors import ConfigError, PictureError
from kerascnn.images.decoding import decode_here
from kerascnn.images.header import header_of
from kerascnn.images.limits import PIXELS_A_SECOND, SECONDS
from kerascnn.machine import data_bytes, limit_data


class _Stopped(BaseException):  # not caught as an error of the picture
    """The parent process rejected the picture because of its size."""


def main() -> None:
    """Process pictures until stdin ends."""
    source, target = pipes()
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # kills the process
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
    start = data_bytes()
    while (job := _next_job(source)) is not None:
        try:
            limit_data(job["bytes"])
            answer, pixels = _answer(job, source, target)
        except _Stopped:
            continue
        finally:
            limit_data(None)
            _seconds(0)
        _send(target, answer, pixels)
        del job, answer, pixels
        if data_bytes() - start > GROWTH:
            return


def _next_job(source: BinaryIO) -> dict[str, Any] | None:
    head = source.read(8)
    if len(head) < 8:
        return None
    length, content = struct.unpack("<II", head)
    job: dict[str, Any] = pickle.loads(source.read(length))
    job["source"] = source.read(content) if content else job["source"]
    return job


def _done(job: dict[str, Any], source: BinaryIO, target: BinaryIO) -> tuple[dict[str, Any], Any]:
    def accept(height: int, width: int) -> None:
        if job["accept"]:
            _send(target, {"height": height, "width": width})
            if source.read(1) != b"y":
                raise _Stopped
        _seconds(SECONDS + height * width / PIXELS_A_SECOND)

    _seconds(SECONDS)
    if job["function"] is None:
        return {"header": header_of(job["source"])}, None
    rgb = decode_here(job["source"], job["name"], job["max_pixels"], accept)
    function: Callable[[Any], Any] = job["function"]
    pixels = function(rgb)
    return {"shape": pixels.shape}, pixels


def _answer(job: dict[str, Any], source: BinaryIO, target: BinaryIO) -> tuple[dict[str, Any], Any]:
    try:
        return _done(job, source, target)
    except PictureError as error:
        cause = error.__cause__
        memory = isinstance(cause, MemoryError) or "memory" in str(cause)
        return {"error": str(error), "kind": "memory" if memory else "picture"}, None
    except MemoryError:
        return {"error": "", "kind": "memory"}, None
    except ConfigError as error:
        return {"error": str(error), "kind": "config"}, None
    except Exception as error:  # noqa: BLE001 - raised again in the parent process
        return {"error": f"{type(error).__name__}: {error}", "kind": "other"}, None


def _send(target: BinaryIO, answer: dict[str, Any], pixels: Any = None) -> None:
    target.write(json.dumps(answer).encode() + b"\n")
    if pixels is not None:
        target.write(pixels.tobytes() if not pixels.flags.c_contiguous else pixels.data)
    target.flush()


def _seconds(seconds: float) -> None:
    """Limit further processor time of this process, in seconds; 0: no limit."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main()
