"""The simple endpoint: accepts image files, responds like `kerascnn predict --format json`.

Knows: bodies that are pictures, and forms with pictures. Does not know how pictures are classified
(service).
"""

from __future__ import annotations

import difflib
import re
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kerascnn.inference.prediction import rank_all, to_row
from kerascnn.serving.endpoints.v2 import log_facts, timed_response
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.forms import Upload, is_form, read_form
from kerascnn.serving.http.incremental_json import write_with_names
from kerascnn.serving.metrics import CONTENT_TYPE
from kerascnn.serving.served_model import ServedModel
from kerascnn.serving.service import Result, Service

_PARAMETERS = ("top_k", "min_probability")
"""Parameters of the query."""

_MOST = 1000
"""Largest ``top_k``: as many classes as ImageNet has."""

_SIMILAR = 0.66
"""Least similarity (difflib's, 0 to 1) of a misspelled parameter: ``min_prob`` has 0.67, ``prob``,
which may mean something else, 0.44."""

_BASE64 = re.compile(rb"data:image/|/9j/|iVBORw0KGgo|R0lGOD|UklGR")
"""First characters of JPEG, PNG, GIF and WebP in base64, and of a data URL."""


class PredictEndpoint:
    """Endpoints for predictions and metrics."""

    def __init__(self, service: Service) -> None:
        self._service, self._models = service, service.models

    def routes(self) -> list[Route]:
        """List the routes."""
        unnamed = self.predict if len(self._models.names) == 1 else self.ask_for_name
        return [
            Route("/v1/models/{name}/predict", self.predict, methods=["POST"]),
            Route("/predict", unnamed, methods=["POST"]),
            Route("/metrics", self.metrics),
        ]

    async def ask_for_name(self, _request: Request) -> Response:
        """Refuse a request that does not say which of several models it is for."""
        names = ", ".join(self._models.names)
        raise HttpError(
            404, f"several models are served; expected /v1/models/NAME/predict: {names}."
        )

    async def metrics(self, _request: Request) -> Response:
        """Return the metrics for Prometheus."""
        page = await self._service.metrics.page()
        return Response(page, headers={"Content-Type": CONTENT_TYPE})

    async def predict(self, request: Request) -> Response:
        """Classify the body: one picture, or a form with one or several."""
        # Before the body is received, which a request that is refused need not send.
        listed = _top_k(request), _min_probability(request)
        return await self._service.respond(request, partial(self._predict, request, *listed))

    async def _predict(
        self, request: Request, top_k: int, floor: float, served: ServedModel, body: bytes
    ) -> Response:
        form = is_form(request.headers.get("content-type", ""))
        uploads = await self._uploads(request, body, served.config.max_queue if form else None)
        result = await self._service.classify(served, [upload.content for upload in uploads])
        request.scope["state"]["facts"] |= log_facts(result, len(uploads))

        def answer() -> Response:
            rows = _rows(result, uploads, served, top_k, floor)
            return _predictions(rows, result) if form else _prediction(rows[0], result, request)

        # Work: about 60 characters per listed class, and all classes are sorted.
        listed = min(top_k, len(served.card.classes)) * 60 + len(served.card.classes)
        return await self._service.run_by_size(len(uploads) * listed, answer)

    async def _uploads(self, request: Request, body: bytes, most: int | None) -> list[Upload]:
        """Parse a form, or return the body as one picture if ``most`` is None."""
        if most is not None:
            kind = request.headers["content-type"]
            return await self._service.run_by_size(len(body), lambda: read_form(body, kind, most))
        if not body:
            raise HttpError(
                400, "the body is empty; expected a picture file, or a form with picture files."
            )
        if body.startswith((b"{", b"[")):
            raise HttpError(
                422,
                "picture: got JSON; expected the bytes of a picture file, or a form with such "
                "files. For pictures in JSON, as base64, use /v1/models/NAME:predict.",
            )
        if _BASE64.match(body):
            raise HttpError(422, "picture: got base64; expected the bytes of the file.")
        return [Upload(None, body)]


def _rows(
    result: Result, uploads: list[Upload], served: ServedModel, top_k: int, floor: float
) -> list[dict[str, Any]]:
    found = result.answer.probabilities if result.answer else None
    answers = iter(() if found is None else rank_all(found, served.card.classes, top_k, floor))
    return [
        to_row(upload.name, result.errors.get(number) or next(answers))
        for number, upload in enumerate(uploads)
    ]


def _prediction(row: dict[str, Any], result: Result, request: Request) -> Response:
    error = row.get("error")
    if error is not None:
        # curl's default for data, whatever the content.
        if request.headers.get("content-type") == "application/x-www-form-urlencoded":
            raise HttpError(
                422,
                f"{error} If curl sent it by -d, use curl --data-binary: -d leaves out line "
                "breaks.",
            )
        raise HttpError(422, error)
    return timed_response(write_with_names(row), result)


def _predictions(rows: list[dict[str, Any]], result: Result) -> Response:
    errors = [row["error"] for row in rows if "error" in row]
    # Row by row, because one call for all would hold the interpreter lock for long.
    listed = b'"predictions": [' + b", ".join(map(write_with_names, rows)) + b"]}"
    if len(errors) < len(rows):
        return timed_response(b"{" + listed, result)
    message = errors[0] if len(errors) == 1 else f"no picture can be read. The first: {errors[0]}"
    content = write_with_names({"error": message}).removesuffix(b"}") + b", " + listed
    return Response(content, 422, None, "application/json")


def _top_k(request: Request) -> int:
    text = _parameter(request, "top_k", "5")
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= _MOST):
        raise HttpError(400, f"top_k is {text[:40]!r}; expected a whole number from 1 to {_MOST}.")
    return int(text)


def _min_probability(request: Request) -> float:
    text = _parameter(request, "min_probability", "0")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise HttpError(400, f"min_probability is {text[:40]!r}; expected a number from 0 to 1.")
    return value


def _parameter(request: Request, name: str, default: str) -> str:
    # Most requests have no query, and parsing it takes as long as routing.
    found = request.query_params if request.scope["query_string"] else {}
    for given in found:
        _check_spelling(given)
    return found.get(name, default)


def _check_spelling(given: str) -> None:
    """Refuse a misspelled parameter; others, such as ``_=1`` against caches, are ignored."""
    if given in _PARAMETERS:
        return
    plain = {name.replace("_", ""): name for name in _PARAMETERS}
    near = difflib.get_close_matches(re.sub(r"[^a-z]", "", given.lower()), plain, 1, _SIMILAR)
    if near:
        raise HttpError(400, f"{given[:40]!r} is not a parameter. Did you mean {plain[near[0]]}?")
