"""The endpoints of the Open Inference Protocol v2.

Knows: its paths and HTTP headers. Does not know how a request is parsed (:mod:`.v2_messages`) or
how pictures are classified (service).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kerascnn.errors import PictureError
from kerascnn.serving.endpoints import v2_answers, v2_messages, v2_metadata
from kerascnn.serving.endpoints.v2_json import read_only_ready
from kerascnn.serving.endpoints.v2_tensors import Floats
from kerascnn.serving.http.body import header_of, parse_length
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.message_reader import LONG
from kerascnn.serving.metrics import STAGES
from kerascnn.serving.served_model import ServedModel
from kerascnn.serving.service import Result, Service, in_time

Endpoint = Callable[[Request], Awaitable[Response]]


class V2:
    """Endpoints of the v2 protocol."""

    def __init__(self, service: Service) -> None:
        self._service, self._models = service, service.models

    def routes(self) -> list[Route]:
        """List the routes, the busiest first."""
        find, models = self._service.find, self._models
        model_ready = _shown(lambda request: {"name": find(request).name, "ready": True})
        config = _shown(lambda request: v2_metadata.model_config(find(request)))
        metadata = _shown(lambda request: v2_metadata.model_metadata(find(request), models))
        statistics = _shown(self._statistics)
        routes = []
        for base in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
            routes += [
                Route(f"{base}/infer", self.infer, methods=["POST"]),
                Route(f"{base}/ready", model_ready),
                Route(f"{base}/config", config),
                Route(f"{base}/stats", statistics),
                Route(base, metadata),
            ]
        return [
            Route("/v2/models/stats", statistics),
            *routes,
            Route("/v2/repository/index", self.index, methods=["POST"]),
            Route("/v2/repository/models/{name}/{what:path}", self.change, methods=["POST"]),
            Route("/v2/health/live", _shown(lambda _: {"live": True})),
            Route("/v2/health/ready", self.ready),
            Route("/v2/models", _shown(lambda _: {"models": list(models.names)})),
            Route("/v2", _shown(lambda _: v2_metadata.server_metadata())),
        ]

    async def ready(self, _request: Request) -> Response:
        """Return whether every model is ready, and the reason if one cannot be loaded."""
        ready, problem = self._service.ready, self._models.problem
        answer = {"ready": ready} if problem is None else {"ready": ready, "reason": problem}
        return JSONResponse(answer, 200 if ready else 503)

    def _statistics(self, request: Request) -> dict[str, Any]:
        asked = request.path_params
        return v2_metadata.statistics(self._models, asked.get("name"), asked.get("version"))

    async def index(self, request: Request) -> Response:
        """List all versions of all models, or those that are ready."""
        with self._service.bodies.holding() as held:
            body = await self._service.read_body(request, held)
            only_ready = await self._service.read_message(len(body), read_only_ready, body)
        rows = self._models.index()
        return JSONResponse([row for row in rows if not only_ready or row["state"] == "READY"])

    async def change(self, _request: Request) -> Response:
        """Refuse to load or unload a model."""
        raise HttpError(
            400, "models are not loaded or unloaded by request: replace the file, or restart."
        )

    async def infer(self, request: Request) -> Response:
        """Handle an inference request."""
        return await self._service.respond(request, partial(self._infer, request))

    async def _infer(self, request: Request, served: ServedModel, body: bytes) -> Response:
        card, header = served.card, header_of(request.scope, v2_messages.HEADER_LENGTH)

        def write() -> tuple[bytes, int | None]:
            return v2_answers.write_answer(asked, served.name, served.version, card.classes, values)

        text = len(body) if header is None else parse_length(header) or 0
        if b"BYTES" in body[: min(text, LONG)]:  # copying files would block the event loop
            text = max(text, min(len(body), LONG - 1))
        asked = await self._service.read_message(
            text, v2_messages.read_request, body, header, len(card.classes), card.shape,
            served.config.max_queue,
        )  # fmt: skip
        result, values = await infer(self._service, served, asked)
        # Estimated at 20 characters per number, for each output.
        numbers = 0 if all(one.binary for one in asked.requested) else 20
        content, length = await self._service.run_by_size(numbers * values["logits"].size, write)
        request.scope["state"]["facts"] |= log_facts(result, len(asked.pictures))
        response = timed_response(content, result)
        if length is not None:
            response.headers["Content-Type"] = "application/octet-stream"
            response.headers["Inference-Header-Content-Length"] = str(length)
        return response


def _shown(value: Callable[[Request], dict[str, Any]]) -> Endpoint:
    """Create an endpoint that returns a value as JSON."""

    async def respond(request: Request) -> Response:
        return JSONResponse(value(request))

    return respond


async def infer(
    service: Service, served: ServedModel, asked: v2_messages.InferRequest
) -> tuple[Result, dict[str, Floats]]:
    """Run inference for a parsed request, from HTTP or gRPC.

    Returns:
        The result, and the values of all outputs by name.

    Raises:
        HttpError: 422: pictures are too large; 503: the queue is full, or the request timed out.
        PictureError: A picture could not be classified.
    """
    if not isinstance(asked.pictures, list):
        _check_size(asked.pictures.shape, service.config.max_pixels)
    work = service.classify(served, list(asked.pictures))
    result = await (work if asked.timeout is None else in_time(asked.timeout, work))
    if result.answer is None or result.errors:
        raise first_error(result)
    answer = result.answer
    return result, {"logits": answer.logits, "probabilities": answer.probabilities}


def _check_size(shape: tuple[int, ...], most: int) -> None:
    _, height, width, _ = shape
    if height * width > most:
        raise HttpError(
            422, f"pictures of {height:,} x {width:,} pixels; expected at most {most:,} pixels."
        )


def log_facts(result: Result, pictures: int) -> dict[str, Any]:
    """Return the fields of a result for the access log."""
    stages = {f"{stage}_ms": round(getattr(result, stage) * 1000, 3) for stage in STAGES}
    return {"pictures": pictures, **stages}


def timed_response(content: bytes, result: Result) -> Response:
    """Return JSON with the header ``Server-Timing`` (https://www.w3.org/TR/server-timing/)."""
    stages = (f"{stage};dur={getattr(result, stage) * 1000:.2f}" for stage in STAGES)
    return Response(content, 200, {"Server-Timing": ", ".join(stages)}, "application/json")


def first_error(result: Result) -> PictureError:
    """Return the error of the first failed picture, with its index if there are several."""
    number = min(result.errors)
    error = result.errors[number]
    count = len(result.errors) + (len(result.answer.logits) if result.answer else 0)
    if count == 1:
        return error
    reason = str(error).removeprefix("picture: ")
    return PictureError(f"picture {number} (of {count:,}, counted from 0): {reason}")
