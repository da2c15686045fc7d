"""The endpoints of the protocol v1 of KServe and TensorFlow Serving.

Knows: its paths, and its words for the state of a model. Does not know how a request is read
(:mod:`.v1_messages`), nor how pictures are classified (service).
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kerascnn.serving.endpoints.v1_messages import read_request, write_answer
from kerascnn.serving.endpoints.v2 import first_error, log_facts, server_timing
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.incremental_json import write_with_names
from kerascnn.serving.served_model import ServedModel
from kerascnn.serving.service import Service

_STATES = {"READY": "AVAILABLE", "LOADING": "LOADING", "UNAVAILABLE": "END"}
"""Words of TensorFlow Serving, by those of Triton."""


class V1:
    """The endpoints."""

    def __init__(self, service: Service) -> None:
        self._service, self._models = service, service.models

    def routes(self) -> list[Route]:
        """List them."""
        base, of_version = "/v1/models/{name}", "/v1/models/{name}/versions/{version}"
        return [
            Route(f"{base}:predict", self.predict, methods=["POST"]),
            Route(f"{of_version}:predict", self.predict, methods=["POST"]),
            Route("/v1/models", self.list_models),
            Route(of_version, self.state),
            Route(base, self.state),
        ]

    async def list_models(self, _request: Request) -> Response:
        """Show all models."""
        return _json({"models": [self._shown(self._models.get(one)) for one in self._models.names]})

    async def state(self, request: Request) -> Response:
        """Show a model, and whether it is ready."""
        name, version = request.path_params["name"], request.path_params.get("version")
        try:
            return _json(self._shown(self._models.get(name, version)))
        except HttpError as refusal:
            if refusal.status == 503:
                refusal.fields = {"name": name, "ready": False, **self._states(name, version)}
            raise

    async def predict(self, request: Request) -> Response:
        """Return the probabilities of each picture."""
        served, facts = self._service.find(request), request.scope["state"]["facts"]
        # In use from here on: it may be replaced while the body comes in.
        with served.batcher.in_use():
            async with self._service.body(request) as body:
                response = await self._service.run_for_client(
                    request, self._predict(served, body, facts)
                )
        return await self._service.compress_if_accepted(request, response)

    async def _predict(self, served: ServedModel, body: bytes, facts: dict[str, Any]) -> Response:
        most = served.config.max_queue
        asked = await self._service.read_message(len(body), read_request, body, most)
        result = await self._service.classify(served, asked.pictures)
        if result.answer is None or result.errors:
            raise first_error(result)
        rows = result.answer.probabilities
        # About twenty characters a number.
        content = await self._service.run_by_size(20 * rows.size, lambda: write_answer(asked, rows))
        facts |= log_facts(result, len(asked.pictures))
        headers = {"Server-Timing": server_timing(result)}
        return Response(content, 200, headers, "application/json")

    def _shown(self, served: ServedModel) -> dict[str, Any]:
        card = served.card.to_dict()
        card.pop("probes")  # long, and of no use to people
        return {
            "name": served.name,
            "ready": True,
            "version": served.version,
            "provider": str(served.provider),
            "card": card,
            **self._states(served.name, None),
        }

    def _states(self, name: str, version: str | None) -> dict[str, Any]:
        rows = [row for row in self._models.index() if row["name"] == name]
        states = [_state(row) for row in rows if version in (None, row["version"])]
        return {"model_version_status": states}


def _state(row: dict[str, str]) -> dict[str, Any]:
    status = {"error_code": "UNKNOWN" if row["reason"] else "OK", "error_message": row["reason"]}
    return {"version": row["version"], "state": _STATES[row["state"]], "status": status}


def _json(value: Any) -> Response:
    return Response(write_with_names(value), media_type="application/json")
