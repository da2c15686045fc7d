"""Reading and sizing many pictures, in parallel and in order.

Knows: threads, and that a broken picture must not end the run. Does not know what the
arrays are used for.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from kerascnn import images
from kerascnn.dataset.split import Pictures
from kerascnn.errors import PictureError

_CHUNK = 16
"""Pictures a task: one future a picture would cost more than sizing a small one."""

_AHEAD = 8
"""Tasks in flight: bounds memory, whatever the number of pictures."""


def sized_pictures(
    pictures: Pictures, size: int, resize: images.Resize
) -> Iterator[images.UInt8Array | PictureError]:
    """Read every picture and bring it to the model's size.

    Args:
        pictures: Of any size.
        size: Of the model's input, in pixels.
        resize: ``squash``, ``crop`` or ``pad``.

    Yields:
        In order, for each: uint8 ``[size, size, 3]``, or why it cannot be read.
    """

    def work(start: int) -> list[images.UInt8Array | PictureError]:
        stop = min(start + _CHUNK, len(pictures))
        return [_sized(pictures, index, size, resize) for index in range(start, stop)]

    with ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool:
        waiting: deque[Future[list[images.UInt8Array | PictureError]]] = deque()
        try:
            for start in range(0, len(pictures), _CHUNK):
                waiting.append(pool.submit(work, start))
                if len(waiting) > _AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _sized(
    pictures: Pictures, index: int, size: int, resize: images.Resize
) -> images.UInt8Array | PictureError:
    try:
        return images.size_picture(pictures[index], size, resize)
    except PictureError as error:
        return error
