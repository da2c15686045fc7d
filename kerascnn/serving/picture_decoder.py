"""Decodes pictures and resizes them to a model's input size, in threads.

Knows: the decoding threads, the cost limit of a picture, and a separate queue for large ones. Does
not know requests or the network.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.errors import PictureError
from kerascnn.images import UInt8Array
from kerascnn.parallel import usable_cpus
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.served_model import ServedModel
from kerascnn.serving.stall_detector import StallDetector

T = TypeVar("T")

_LARGE_PIXELS = 16_000_000
"""Pixels of source, intermediate and result above which a picture goes to a separate queue. It
takes some tenths of a second, and as many clients as processors could block all others. Photographs
of most phones are smaller."""

_ROW = 64
"""Fixed cost of a row, in pixels: decoders work by rows, and a picture may have millions. PNG and
JPEG were measured to take 6; the others may take more."""

_MOST_LARGE = 64
"""Maximum large pictures in the queue; further ones get status 503. At some tenths of a second
each, two threads take about the default time limit of a request for them, 10 s."""

_AT_ONCE = 32
"""Pictures of a request to submit to the threads before other callbacks run: each takes about
twenty microseconds."""

Picture = bytes | UInt8Array
"""The content of a file, or uint8 ``[height, width, 3]``."""

_Sized = tuple[UInt8Array | PictureError, float]
"""Pixels or an error, and the duration in seconds."""


class PictureDecoder:
    """Threads that decode and resize pictures, and do other work off the event loop.

    Args:
        max_pixels: Maximum pixels of a picture, and of the intermediate result of resizing it.
        timeout: Time limit of a request in seconds, after which a refused client may retry.
    """

    def __init__(self, max_pixels: int, timeout: float) -> None:
        self._max_pixels, self._timeout = max_pixels, timeout
        self._threads = ThreadPoolExecutor(usable_cpus(), thread_name_prefix="decoding")
        # The other cores stay free for small pictures.
        self._lanes = max(1, usable_cpus() // 2)
        self._large = ThreadPoolExecutor(self._lanes, thread_name_prefix="decoding large")
        self._waiting = 0
        self.work = StallDetector()

    def close(self) -> None:
        """Stop all threads after their current work."""
        for threads in (self._threads, self._large):
            threads.shutdown(wait=False, cancel_futures=True)

    async def run_in_thread(self, work: Callable[[], T]) -> T:
        """Run work in a thread; if it is cancelled before it starts, it does not run."""
        return await self.work.run_in(self._threads, work)

    async def sized(
        self, served: ServedModel, pictures: Sequence[Picture]
    ) -> tuple[list[UInt8Array | PictureError], float, bool]:
        """Resize pictures to the model's size, in threads unless all have this size.

        Returns:
            Pixels or an error for each, the duration in seconds, and whether any was large.

        Raises:
            HttpError: 503: too many large pictures are waiting.
        """
        shape = served.card.shape
        ready = [
            picture
            for picture in pictures
            if not isinstance(picture, bytes) and picture.shape == (*shape, 3)
        ]
        if len(ready) == len(pictures):
            return list(ready), 0.0, False
        with served.batcher.expect_more():
            done = await self._size_in_threads(served, pictures)
        large = [number for number, (found, _) in enumerate(done) if isinstance(found, _TOO_LARGE)]
        if large:
            await self._size_all_large(served, pictures, large, done)
        # They were resized in parallel, so the slowest determines the duration.
        sized = [picture for picture, _ in done]
        return sized, max(seconds for _, seconds in done), bool(large)

    async def _size_in_threads(
        self, served: ServedModel, pictures: Sequence[Picture]
    ) -> list[_Sized]:
        if len(pictures) == 1:
            return [await self.run_in_thread(partial(self._size, served, pictures[0]))]
        tasks = []
        async with asyncio.TaskGroup() as group:
            for number, picture in enumerate(pictures, 1):
                work = partial(self._size, served, picture)
                tasks.append(group.create_task(self.run_in_thread(work)))
                if not number % _AT_ONCE:
                    await asyncio.sleep(0)
        return [task.result() for task in tasks]

    async def _size_all_large(
        self,
        served: ServedModel,
        pictures: Sequence[Picture],
        large: Sequence[int],
        done: list[_Sized],
    ) -> None:
        """Resize the large pictures of a request, at most one per thread at a time.

        Submitted all at once, 65 of them would overflow the queue, and always be refused.
        """

        async def size_in_turn(numbers: Sequence[int]) -> None:
            for number in numbers:
                done[number] = await self._size_large(served, pictures[number])

        turns = [
            asyncio.ensure_future(size_in_turn(large[start :: self._lanes]))
            for start in range(self._lanes)
        ]
        try:
            await asyncio.gather(*turns)
        finally:
            for turn in turns:
                turn.cancel()

    async def _size_large(self, served: ServedModel, picture: Picture) -> _Sized:
        """Resize a large picture in the separate queue, so that it does not delay small ones."""
        if self._waiting >= _MOST_LARGE:
            raise HttpError(
                503,
                f"{self._waiting} large pictures are waiting. Try again later, or send smaller "
                "ones.",
                retry_after=self._timeout,
            )
        self._waiting += 1
        try:
            work = partial(self._size, served, picture, patient=True)
            return await asyncio.get_running_loop().run_in_executor(self._large, work)
        finally:
            self._waiting -= 1

    def _size(self, served: ServedModel, picture: Picture, patient: bool = False) -> _Sized:
        began = time.perf_counter()
        sized = images.attempt(lambda: self._prepared(served.card, picture, patient))
        return sized, time.perf_counter() - began

    def _prepared(self, card: ModelCard, picture: Picture, patient: bool) -> UInt8Array:
        def accept(height: int, width: int) -> None:
            self._check_cost(height, width, card, patient)

        most = self._max_pixels
        if isinstance(picture, bytes):
            picture = images.decode(picture, max_pixels=most, accept=accept, bounded=not patient)
        elif picture.shape[:2] == card.shape:
            return picture  # already resized by the client
        else:
            accept(*picture.shape[:2])
        return images.size_picture(picture, card.shape, card.resize_rule)

    def _check_cost(self, height: int, width: int, card: ModelCard, patient: bool) -> None:
        """Check the cost of a picture before it is decoded, from its size."""
        most = self._max_pixels
        # A photograph may be rotated (EXIF orientation) before it is resized.
        between = max(
            images.pixels_between(height, width, card.shape, card.resize_rule),
            images.pixels_between(width, height, card.shape, card.resize_rule),
        )
        between += _ROW * max(height, width)
        if between > most:
            raise PictureError(
                f"picture: {width} x {height} is too narrow: resizing it costs as much as "
                f"{between:,} pixels, more than the limit of {most:,}. Crop it first."
            )
        if not patient and height * width + between + math.prod(card.shape) > _LARGE_PIXELS:
            raise _Large


class _Large(PictureError):
    """A picture too large for the normal queue."""


_TOO_LARGE = _Large, images.UnboundedError
"""Errors of the first attempt after which a picture goes to the separate queue."""
