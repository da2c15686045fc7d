"""From bytes or arrays to answers: what all endpoints share.

Knows: the models, the threads that decode, the limits in pixels and seconds. Does not know
routes, nor how answers are written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from starlette.types import Receive

from kerascnn import images
from kerascnn.errors import PictureError
from kerascnn.images import UInt8Array
from kerascnn.inference.prediction import finite_rows, no_answer
from kerascnn.parallel import usable_cpus
from kerascnn.serving.batching import Answer
from kerascnn.serving.bodies import Bodies
from kerascnn.serving.config import ServeConfig
from kerascnn.serving.metrics import Metrics
from kerascnn.serving.models import Models, ServedModel
from kerascnn.serving.refusal import Gone, Refusal

T = TypeVar("T")

_QUICK = 16_384
"""Bytes of JSON or of a form that are read on the event loop; more would keep others waiting."""

Picture = bytes | UInt8Array
"""A file's content, or uint8 ``[height, width, 3]``."""


@dataclass(frozen=True)
class Result:
    """What became of the pictures of a request.

    Attributes:
        answer: Of those that could be read, in order; None: there were none.
        errors: Why there is no answer to the others, by their number.
        queue: Seconds of waiting.
        decode: Seconds of reading and sizing.
    """

    answer: Answer | None
    errors: dict[int, PictureError]
    queue: float
    decode: float

    @property
    def inference(self) -> float:
        """Seconds of running the network."""
        return self.answer.ran if self.answer else 0.0


class Service:
    """The models and what it takes to ask them.

    Args:
        config: Options.

    Attributes:
        models: By name.
        metrics: Of this server.
        bodies: Reads bodies within limits.
        stopping: Whether the server takes no more requests.
    """

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        self.stopping = False
        self.metrics = Metrics()
        self.models = Models(config, self.metrics)
        self.bodies = Bodies(config.max_body, config.read_timeout, self.metrics)
        self._decoders = ThreadPoolExecutor(usable_cpus(), thread_name_prefix="decoding")

    @property
    def ready(self) -> bool:
        """Whether requests are welcome."""
        return self.models.ready and not self.stopping

    def close(self) -> None:
        """Let all threads end when they are done."""
        self._decoders.shutdown(wait=False, cancel_futures=True)
        self.models.close()

    async def aside(self, work: Callable[[], T]) -> T:
        """Do something that takes long off the event loop. If cancelled in time, it is not done.

        Args:
            work: To do in a thread.

        Returns:
            Its result.
        """
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)

    async def brief(self, size: int, work: Callable[[], T]) -> T:
        """Do something that takes as long as its input is large: on the event loop if it is small.

        Args:
            size: In bytes.
            work: To do.

        Returns:
            Its result.
        """
        return work() if size <= _QUICK else await self.aside(work)

    async def answered(self, receive: Receive, work: Awaitable[T]) -> T:
        """Do work for a client, as long as it is there and has time.

        Args:
            receive: Of the request; its body was read.
            work: To do.

        Returns:
            What the work gives.

        Raises:
            Gone: The client hung up; the work was cancelled.
            Refusal: 503: there was not enough time.
        """
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(_hung_up(receive))
        try:
            await asyncio.wait(
                (working, leaving),
                timeout=self.config.timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if working.done():
                return working.result()
            if leaving.done():
                raise Gone
            raise too_late(self.config.timeout)
        finally:
            working.cancel()
            leaving.cancel()

    async def classify(self, served: ServedModel, pictures: Sequence[Picture]) -> Result:
        """Classify pictures.

        Args:
            served: The model to ask.
            pictures: At least one.

        Returns:
            Answers and errors.

        Raises:
            Refusal: 503: there is no room for them now; 400: there will never be.
        """
        count = len(pictures)
        if count > self.config.max_queue:
            raise Refusal(
                400, f"{count:,} pictures; expected at most {self.config.max_queue:,} at a time."
            )
        began = time.perf_counter()
        with served.batcher.taking(count, self.config.timeout):
            sized, decode = await self._sized(served, pictures)
            good = [picture for picture in sized if not isinstance(picture, PictureError)]
            answer = await served.batcher.submit(good) if good else None
        errors = {n: found for n, found in enumerate(sized) if isinstance(found, PictureError)}
        ran = answer.ran if answer else 0.0
        queue = max(0.0, time.perf_counter() - began - decode - ran)
        if answer is not None:
            answer = _without_nan(answer, [n for n in range(count) if n not in errors], errors)
        return Result(answer, errors, queue, decode)

    async def _sized(
        self, served: ServedModel, pictures: Sequence[Picture]
    ) -> tuple[list[UInt8Array | PictureError], float]:
        """Bring pictures to the model's size, in threads unless they have it."""
        shape = served.card.shape
        ready = [
            picture
            for picture in pictures
            if not isinstance(picture, bytes) and picture.shape == (*shape, 3)
        ]
        if len(ready) == len(pictures):
            return list(ready), 0.0
        with served.batcher.coming():
            done = await asyncio.gather(
                *(self.aside(lambda one=one: self._size(served, one)) for one in pictures)  # type: ignore[misc]
            )
        # Of several, which were sized side by side, the slowest counts.
        return [picture for picture, _ in done], max(seconds for _, seconds in done)

    def _size(
        self, served: ServedModel, picture: Picture
    ) -> tuple[UInt8Array | PictureError, float]:
        began = time.perf_counter()
        card = served.card
        try:
            if isinstance(picture, bytes):
                picture = images.decode(picture, max_pixels=self.config.max_pixels)
            elif picture.shape[:2] == card.shape:
                # Beside others that are not: what a client sized is taken as it is.
                return picture, time.perf_counter() - began
            sized: UInt8Array | PictureError = images.size_picture(picture, card.shape, card.how)
        except PictureError as error:
            sized = error
        return sized, time.perf_counter() - began


def _without_nan(
    answer: Answer, numbers: Sequence[int], errors: dict[int, PictureError]
) -> Answer | None:
    """Keep the rows that are answers; of the others' pictures, by number, tell it as errors."""
    finite = finite_rows(answer.logits, answer.probabilities)
    for number, sound in zip(numbers, finite, strict=True):
        if not sound:
            errors[number] = no_answer("picture")
    if not finite.any():
        return None
    if finite.all():
        return answer
    return replace(answer, logits=answer.logits[finite], probabilities=answer.probabilities[finite])


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def too_late(seconds: float) -> Refusal:
    """Make the refusal of a request that could not be answered in time."""
    return Refusal(
        503,
        f"no answer within {seconds:g} s: too many others are waiting. Try again later.",
        retry_after=seconds,
        outcome="deadline",
    )
