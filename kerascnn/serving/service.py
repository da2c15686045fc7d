"""Classifies the pictures of requests: the core that all endpoints share.

Knows: the models, time limits, and the stages of a request. Does not know how pictures are decoded
(:mod:`kerascnn.serving.picture_decoder`), routes, or how responses are serialized.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from kerascnn.errors import PictureError
from kerascnn.inference.prediction import finite_rows, not_finite_error
from kerascnn.serving.batching import Answer
from kerascnn.serving.config import ServeConfig
from kerascnn.serving.http.body import BodyReader, BodyReservation, header_of, headers_of
from kerascnn.serving.http.compression import check_encoding, compressed, decompress
from kerascnn.serving.http.deadlines import Deadlines, expire_now
from kerascnn.serving.http.disconnects import DisconnectWatcher
from kerascnn.serving.http.errors import ClientDisconnected, HttpError
from kerascnn.serving.http.message_reader import LONG, MessageReader
from kerascnn.serving.metrics import Metrics
from kerascnn.serving.picture_decoder import Picture, PictureDecoder
from kerascnn.serving.repository import ModelRepository
from kerascnn.serving.served_model import ServedModel

T = TypeVar("T")

_QUICK = 16_384
"""Size in bytes up to which JSON or a form is parsed on the event loop; more would block it."""


@dataclass(frozen=True)
class Result:
    """Result for the pictures of a request.

    Attributes:
        answer: Outputs for the pictures without an error, in order; None if there are none.
        errors: Errors of the others, by index.
        queue: Seconds of waiting.
        decode: Seconds of decoding and resizing.
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
    """The models, and everything needed to run requests on them."""

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        self.stopping = False
        self.metrics = Metrics()
        self.models = ModelRepository(config, self.metrics)
        self.bodies = BodyReader(config.max_body, config.read_timeout, self.metrics)
        self._decoder = PictureDecoder(config.max_pixels, config.timeout)
        self._reader = MessageReader()
        self._deadlines = Deadlines(config.timeout, expire_now)

    @property
    def ready(self) -> bool:
        """Whether requests are accepted: all models loaded, not shutting down, no work stalled."""
        work = self._decoder.work, self._reader.work, *self.models.runs
        stalled = any(one.stalled(self.config.timeout) for one in work)
        return self.models.ready and not self.stopping and not stalled

    def close(self) -> None:
        """Stop all threads after their current work."""
        self._reader.close()
        self._decoder.close()
        self.models.close()

    def find(self, request: Request) -> ServedModel:
        """Return the model named in the path, else the first, and add it to the log fields.

        Raises:
            HttpError: As in :meth:`ModelRepository.get`.
        """
        asked = request.path_params
        served = self.models.get(asked.get("name", self.models.names[0]), asked.get("version"))
        request.scope["state"]["facts"] |= {"model": served.name, "version": served.version}
        return served

    async def run_by_size(self, size: int, work: Callable[[], T]) -> T:
        """Run work on the event loop if its input is small, else in a thread."""
        return work() if size <= _QUICK else await self._decoder.run_in_thread(work)

    async def read_message(self, size: int, function: Callable[..., T], *arguments: object) -> T:
        """Parse a message on the event loop, in a thread or in another process, by its size.

        Raises:
            HttpError: Raised by the function, or the other process failed.
        """
        if size >= LONG:
            return await self._reader.call(function, *arguments)
        return await self.run_by_size(size, partial(function, *arguments))

    async def read_body(self, request: Request, held: BodyReservation) -> bytes:
        """Read the body of a request, and decompress it if it is compressed.

        Args:
            request: A request whose body was not read yet.
            held: Counts its bytes until its block is left.

        Raises:
            HttpError: As in :meth:`BodyReader.read`; 415 or 400: unsupported or broken compression.
            ClientDisconnected: The client disconnected.
        """
        packed = check_encoding(headers_of(request.scope, b"content-encoding"))
        body = await self.bodies.read(request.scope, request.receive, held)
        if packed:
            most = self.config.max_body
            body = await self._decoder.run_in_thread(partial(decompress, body, most))
            held.add(len(body))
        return body

    async def run_for_client(self, request: Request, work: Awaitable[T]) -> T:
        """Run work for a client, and cancel it on disconnect or timeout.

        Raises:
            ClientDisconnected: The client disconnected.
            HttpError: 503: the request timed out.
        """
        limit = asyncio.timeout(None)
        self._deadlines.begin(limit)
        leaving = DisconnectWatcher(request, partial(expire_now, limit))
        try:
            async with limit:
                with leaving:
                    return await work
        except TimeoutError as error:
            if not limit.expired():
                raise
            if leaving.happened:
                raise ClientDisconnected from error
            raise _timeout_error(self.config.timeout) from error
        finally:
            self._deadlines.end(limit)

    async def respond(
        self, request: Request, work: Callable[[ServedModel, bytes], Awaitable[Response]]
    ) -> Response:
        """Run work on the model and the body of a request; compress its response if accepted.

        Raises:
            HttpError: As in :meth:`find`, :meth:`read_body` and :meth:`run_for_client`.
            ClientDisconnected: The client disconnected.
        """
        served = self.find(request)
        # In use from here on, because the model may be replaced while the body is received.
        with served.admission.in_use(), self.bodies.holding() as held:
            body = await self.read_body(request, held)
            response = await self.run_for_client(request, work(served, body))
        accepted = header_of(request.scope, b"accept-encoding") or ""
        return await self.run_by_size(len(response.body), lambda: compressed(response, accepted))

    async def classify(self, served: ServedModel, pictures: Sequence[Picture]) -> Result:
        """Classify pictures.

        Raises:
            HttpError: 503: the queue is full; 400: more pictures than the queue can hold.
        """
        count = len(pictures)
        most, statistics = served.config.max_queue, served.statistics
        if count > most:
            raise HttpError(400, f"{count:,} pictures; expected at most {most:,} at a time.")
        began = time.perf_counter()
        try:
            result = await self._classified(served, pictures, began)
        except BaseException:  # includes cancellation by a disconnect
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
        with served.admission.admit(count, self.config.timeout) as taken:
            sized, decode, large = await self._decoder.sized(served, pictures)
            taken.typical = not large
            good = [picture for picture in sized if not isinstance(picture, PictureError)]
            answer = await served.batcher.submit(good) if good else None
        errors = {n: found for n, found in enumerate(sized) if isinstance(found, PictureError)}
        ran = answer.ran if answer else 0.0
        queue = max(0.0, time.perf_counter() - began - decode - ran)
        if answer is not None and not answer.finite:
            answer = _without_nan(answer, [n for n in range(count) if n not in errors], errors)
        return Result(answer, errors, queue, decode)


def _without_nan(
    answer: Answer, numbers: Sequence[int], errors: dict[int, PictureError]
) -> Answer | None:
    """Keep the finite rows, and record an error for the pictures of the others."""
    finite = finite_rows(answer.logits, answer.probabilities)
    for number, sound in zip(numbers, finite, strict=True):
        if not sound:
            errors[number] = not_finite_error("picture")
    if not finite.any():
        return None
    if finite.all():
        return answer
    return replace(answer, logits=answer.logits[finite], probabilities=answer.probabilities[finite])


async def in_time(seconds: float, work: Awaitable[T]) -> T:
    """Run work with a time limit, besides the server's own.

    Raises:
        HttpError: 503: the request timed out.
    """
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise _timeout_error(seconds) from error


def _timeout_error(seconds: float) -> HttpError:
    """Return the error for a request that timed out."""
    return HttpError(
        503,
        f"no response within {seconds:g} s: too many other requests are waiting. Try again later.",
        retry_after=seconds,
        outcome="deadline",
    )
