"""From bytes or arrays to answers: what all endpoints share.

Knows: the models, the threads that decode, the limits in pixels and seconds. Does not know
routes, nor how answers are written.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.errors import PictureError
from kerascnn.images import UInt8Array
from kerascnn.inference.prediction import finite_rows, no_answer
from kerascnn.parallel import usable_cpus
from kerascnn.serving.batching import Answer
from kerascnn.serving.config import ServeConfig
from kerascnn.serving.http.body import BodyReader, header_of
from kerascnn.serving.http.compression import check_encoding, compressed, decompress
from kerascnn.serving.http.errors import ClientDisconnected, Refusal
from kerascnn.serving.http.leaving import Leaving
from kerascnn.serving.metrics import Metrics
from kerascnn.serving.repository import ModelRepository
from kerascnn.serving.served_model import ServedModel
from kerascnn.serving.stall_detector import StallDetector

T = TypeVar("T")

_QUICK = 16_384
"""Bytes of JSON or of a form that are read on the event loop; more would keep others waiting."""

_LARGE = 16_000_000
"""Pixels in, between and out: above, a picture waits in a queue of its own. It takes some tenths
of a second, and as many clients as there are processors could keep all others waiting. Below are
the photographs of most telephones."""

_ROW = 64
"""Pixels that a row costs besides its own: decoders work by rows, and it may have millions."""

_MOST_LARGE = 64
"""Large pictures that wait; the next get 503."""

Picture = bytes | UInt8Array
"""A file's content, or uint8 ``[height, width, 3]``."""


@dataclass(frozen=True)
class Result:
    """Outcome of the pictures of a request.

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
        metrics: Metrics of this server.
        bodies: Reads bodies within limits.
        stopping: Whether the server takes no more requests.
    """

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        self.stopping = False
        self.metrics = Metrics()
        self.models = ModelRepository(config, self.metrics)
        self.bodies = BodyReader(config.max_body, config.read_timeout, self.metrics)
        self._decoders = ThreadPoolExecutor(usable_cpus(), thread_name_prefix="decoding")
        half = max(1, usable_cpus() // 2)  # the others are always free for small pictures
        self._large = ThreadPoolExecutor(half, thread_name_prefix="decoding large")
        self._waiting = 0
        self._work = StallDetector()

    @property
    def ready(self) -> bool:
        """Whether requests are welcome, and answered: nothing that was begun hangs."""
        most = self.config.timeout
        stalled = self._work.stalled(most) or self.models.stalled(most)
        return self.models.ready and not self.stopping and not stalled

    def close(self) -> None:
        """Stop all threads when they are done."""
        for threads in (self._decoders, self._large):
            threads.shutdown(wait=False, cancel_futures=True)
        self.models.close()

    async def run_in_thread(self, work: Callable[[], T]) -> T:
        """Run work in a thread, off the event loop. Cancelled in time, it does not start.

        Args:
            work: The function to call in a thread.
        """
        return await self._work.of(self._decoders, work)

    async def run_by_size(self, size: int, work: Callable[[], T]) -> T:
        """Run work on the event loop if its input is small, else in a thread.

        Args:
            size: Size in bytes.
            work: The function to call.
        """
        return work() if size <= _QUICK else await self.run_in_thread(work)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """Read the body of a request, and decompress it if it is compressed.

        Args:
            request: Its body was not read yet.

        Yields:
            The content; it counts as held until the block is left.

        Raises:
            Refusal: As :meth:`BodyReader.read`; 415 or 400: compressed otherwise than expected.
            ClientDisconnected: The client hung up.
        """
        packed = check_encoding(header_of(request.scope, b"content-encoding") or "")
        with self.bodies.holding() as held:
            body = await self.bodies.read(request.scope, request.receive, held)
            if packed:
                most = self.config.max_body
                body = await self.run_in_thread(partial(decompress, body, most))
                held.add(len(body))
            yield body

    async def compress_if_accepted(self, request: Request, response: Response) -> Response:
        """Compress an answer if its client asks for it.

        Args:
            request: The request.
            response: All of the answer.

        Returns:
            What to send.
        """
        accepted = header_of(request.scope, b"accept-encoding") or ""
        return await self.run_by_size(len(response.body), lambda: compressed(response, accepted))

    async def run_for_client(self, request: Request, work: Awaitable[T]) -> T:
        """Run work for a client until it disconnects or times out.

        Args:
            request: The request; its body was read.
            work: The function to call.

        Returns:
            What the work gives.

        Raises:
            ClientDisconnected: The client hung up; the work was cancelled.
            Refusal: 503: there was not enough time.
        """
        limit = asyncio.timeout(self.config.timeout)
        leaving = Leaving(request, partial(_end, limit))
        try:
            async with limit:
                with leaving:
                    return await work
        except TimeoutError as error:
            if not limit.expired():
                raise
            if leaving.happened:
                raise ClientDisconnected from error
            raise too_late(self.config.timeout) from error

    async def classify(self, served: ServedModel, pictures: Sequence[Picture]) -> Result:
        """Classify pictures.

        Args:
            served: The model.
            pictures: At least one.

        Returns:
            Answers and errors.

        Raises:
            Refusal: 503: there is no room for them now; 400: there will never be.
        """
        count = len(pictures)
        most, statistics = served.config.max_queue, served.statistics
        if count > most:
            raise Refusal(400, f"{count:,} pictures; expected at most {most:,} at a time.")
        began = time.perf_counter()
        try:
            result = await self._classified(served, pictures, began)
        except BaseException:  # whatever it was, and if the client hung up
            statistics.fail.add(time.perf_counter() - began)
            raise
        if result.answer is None:
            statistics.fail.add(time.perf_counter() - began)
        else:
            statistics.answered(count, result.queue, result.decode, result.inference)
        return result

    async def _classified(
        self, served: ServedModel, pictures: Sequence[Picture], began: float
    ) -> Result:
        count = len(pictures)
        with served.batcher.admit(count, self.config.timeout) as taken:
            sized, decode, large = await self._sized(served, pictures)
            taken.typical = not large
            good = [picture for picture in sized if not isinstance(picture, PictureError)]
            answer = await served.batcher.submit(good) if good else None
        errors = {n: found for n, found in enumerate(sized) if isinstance(found, PictureError)}
        ran = answer.ran if answer else 0.0
        queue = max(0.0, time.perf_counter() - began - decode - ran)
        if answer is not None and not answer.finite:
            answer = _without_nan(answer, [n for n in range(count) if n not in errors], errors)
        return Result(answer, errors, queue, decode)

    async def _sized(
        self, served: ServedModel, pictures: Sequence[Picture]
    ) -> tuple[list[UInt8Array | PictureError], float, bool]:
        """Resize pictures to the model's size, in threads unless they have it."""
        shape = served.card.shape
        ready = [
            picture
            for picture in pictures
            if not isinstance(picture, bytes) and picture.shape == (*shape, 3)
        ]
        if len(ready) == len(pictures):
            return list(ready), 0.0, False
        with served.batcher.expect_more():
            done = await asyncio.gather(
                *(self.run_in_thread(partial(self._size, served, one)) for one in pictures)
            )
        large = [number for number, (found, _) in enumerate(done) if isinstance(found, _Large)]
        if large:
            late = [self._size_large(served, pictures[number]) for number in large]
            for number, found in zip(large, await asyncio.gather(*late), strict=True):
                done[number] = found
        # Of several, which were sized side by side, the slowest counts.
        sized = [picture for picture, _ in done]
        return sized, max(seconds for _, seconds in done), bool(large)

    async def _size_large(
        self, served: ServedModel, picture: Picture
    ) -> tuple[UInt8Array | PictureError, float]:
        """Size a picture that takes long, after the others of its kind; nobody else waits."""
        if self._waiting >= _MOST_LARGE:
            raise Refusal(
                503,
                f"{self._waiting} large pictures are waiting. Try again later, or send smaller "
                "ones.",
                retry_after=self.config.timeout,
            )
        self._waiting += 1
        try:
            work = partial(self._size, served, picture, patient=True)
            return await asyncio.get_running_loop().run_in_executor(self._large, work)
        finally:
            self._waiting -= 1

    def _size(
        self, served: ServedModel, picture: Picture, patient: bool = False
    ) -> tuple[UInt8Array | PictureError, float]:
        began = time.perf_counter()
        sized = images.attempt(lambda: self._prepared(served.card, picture, patient))
        return sized, time.perf_counter() - began

    def _prepared(self, card: ModelCard, picture: Picture, patient: bool) -> UInt8Array:
        def accept(height: int, width: int) -> None:
            self._check_cost(height, width, card, patient)

        most = self.config.max_pixels
        if isinstance(picture, bytes):
            if not patient and not images.is_bounded(picture):
                raise _Large  # its header does not say what it costs
            picture = images.decode(picture, max_pixels=most, accept=accept)
        elif picture.shape[:2] == card.shape:
            return picture  # beside others that are not: what a client sized is taken as it is
        else:
            accept(*picture.shape[:2])
        return images.size_picture(picture, card.shape, card.resize_rule)

    def _check_cost(self, height: int, width: int, card: ModelCard, patient: bool) -> None:
        """Bound what a picture may cost before it is worked on: pixels in, between and out."""
        most = self.config.max_pixels
        # A photograph may lie on its side, and is turned before it is sized.
        between = max(
            images.pixels_between(height, width, card.shape, card.resize_rule),
            images.pixels_between(width, height, card.shape, card.resize_rule),
        )
        between += _ROW * max(height, width)
        if between > most:
            raise PictureError(
                f"picture: {width} x {height} is too narrow: resizing it costs as much as "
                f"{between:,} pixels, more than the limit of {most:,}. Cut it first."
            )
        if not patient and height * width + between + math.prod(card.shape) > _LARGE:
            raise _Large


class _Large(PictureError):
    """A picture too large for the common queue."""


def _without_nan(
    answer: Answer, numbers: Sequence[int], errors: dict[int, PictureError]
) -> Answer | None:
    """Keep the finite rows, and record an error for the pictures of the others."""
    finite = finite_rows(answer.logits, answer.probabilities)
    for number, sound in zip(numbers, finite, strict=True):
        if not sound:
            errors[number] = no_answer("picture")
    if not finite.any():
        return None
    if finite.all():
        return answer
    return replace(answer, logits=answer.logits[finite], probabilities=answer.probabilities[finite])


def _end(limit: asyncio.Timeout) -> None:
    """Expire a time limit now, unless it is already over."""
    with suppress(RuntimeError):
        limit.reschedule(0)


def too_late(seconds: float) -> Refusal:
    """Return the refusal for a request that timed out."""
    return Refusal(
        503,
        f"no answer within {seconds:g} s: too many others are waiting. Try again later.",
        retry_after=seconds,
        outcome="deadline",
    )
