"""The endpoints of the v1 protocol of KServe and TensorFlow Serving.

Knows: its paths, and its names for the state of a model. Does not know how a request is parsed
(:mod:`.v1_messages`) or how pictures are classified (service).
"""

from __future__ import annotations

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kerascnn.serving.endpoints.v1_messages import read_request, write_answer
from kerascnn.serving.endpoints.v2 import first_error, log_facts, timed_response
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.incremental_json import write_with_names
from kerascnn.serving.served_model import ServedModel
from kerascnn.serving.service import Service

_STATES = {"READY": "AVAILABLE", "LOADING": "LOADING", "UNAVAILABLE": "END"}
"""Model states of TensorFlow Serving by those of Triton."""


class V1:
    """Endpoints of the v1 protocol."""

    def __init__(self, service: Service) -> None:
        self._service, self._models = service, service.models
        self._cards: WeakKeyDictionary[ServedModel, bytes] = WeakKeyDictionary()

    def routes(self) -> list[Route]:
        """List the routes."""
        base, of_version = "/v1/models/{name}", "/v1/models/{name}/versions/{version}"
        return [
            Route(f"{base}:predict", self.predict, methods=["POST"]),
            Route(f"{of_version}:predict", self.predict, methods=["POST"]),
            Route(f"{base}:{{verb}}", self.refuse_verb, methods=["POST"]),
            Route(f"{of_version}:{{verb}}", self.refuse_verb, methods=["POST"]),
            Route("/v1/models", self.list_models),
            Route(of_version, self.state),
            Route(base, self.state),
        ]

    async def list_models(self, _request: Request) -> Response:
        """Return the status and card of all models."""
        shown = [await self._shown(self._models.get(one)) for one in self._models.names]
        return _json(b'{"models": [%s]}' % b", ".join(shown))

    async def state(self, request: Request) -> Response:
        """Return the status and card of a model."""
        name, version = request.path_params["name"], request.path_params.get("version")
        if (version or name).endswith(":predict"):
            raise HTTPException(405, headers={"Allow": "POST"})
        try:
            return _json(await self._shown(self._models.get(name, version)))
        except HttpError as refusal:
            if refusal.status == 503:
                refusal.fields = {"name": name, "ready": False, **self._states(name, version)}
            raise

    async def refuse_verb(self, request: Request) -> Response:
        """Refuse ``:classify``, ``:regress`` and other verbs, which are not supported."""
        verb = request.path_params["verb"]
        raise HttpError(404, f":{verb[:40]} is not supported; expected :predict.")

    async def predict(self, request: Request) -> Response:
        """Return the probabilities of each picture."""
        return await self._service.respond(request, partial(self._predict, request))

    async def _predict(self, request: Request, served: ServedModel, body: bytes) -> Response:
        most = served.config.max_queue
        asked = await self._service.read_message(len(body), read_request, body, most)
        result = await self._service.classify(served, asked.pictures)
        if result.answer is None or result.errors:
            raise first_error(result)
        rows = result.answer.probabilities
        # Estimated at 20 characters per number.
        content = await self._service.run_by_size(20 * rows.size, lambda: write_answer(asked, rows))
        request.scope["state"]["facts"] |= log_facts(result, len(asked.pictures))
        return timed_response(content, result)

    async def _shown(self, served: ServedModel) -> bytes:
        """Serialize status and card; the card is cached, as it may have 20,000 class names."""
        if served not in self._cards:
            write = partial(_card, served)
            self._cards[served] = await self._service.run_by_size(
                30 * len(served.card.classes), write
            )
        head = {
            "name": served.name,
            "ready": True,
            "version": served.version,
            "provider": str(served.provider),
            **self._states(served.name, None),
        }
        return b'%s, "card": %s}' % (write_with_names(head)[:-1], self._cards[served])

    def _states(self, name: str, version: str | None) -> dict[str, Any]:
        rows = [row for row in self._models.index() if row["name"] == name]
        states = [_state(row) for row in rows if version in (None, row["version"])]
        return {"model_version_status": states}


def _state(row: dict[str, str]) -> dict[str, Any]:
    status = {"error_code": "UNKNOWN" if row["reason"] else "OK", "error_message": row["reason"]}
    return {"version": row["version"], "state": _STATES[row["state"]], "status": status}


def _card(served: ServedModel) -> bytes:
    card = served.card.to_dict()
    card.pop("probes")  # long, and not for human readers
    return write_with_names(card)


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
