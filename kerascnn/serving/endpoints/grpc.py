"""The Open Inference Protocol v2 over gRPC.

Knows: grpc's asyncio server, and its methods. Does not know how a call is checked and logged
(:mod:`.grpc_calls`), how a message is parsed (:mod:`.grpc_messages`), or how pictures are
classified (service). Limits, token, metrics and log are shared with HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from kerascnn.errors import ConfigError
from kerascnn.serving.endpoints import v2_metadata
from kerascnn.serving.endpoints.grpc_calls import Calls, Context, Work, abort
from kerascnn.serving.endpoints.grpc_health import HEALTH, Health
from kerascnn.serving.endpoints.grpc_messages import (
    id_of,
    infer_response,
    message_class,
    read_infer,
    read_short,
    size_to_parse,
    write_message,
)
from kerascnn.serving.endpoints.v2 import infer, log_facts
from kerascnn.serving.endpoints.v2_answers import outputs_of
from kerascnn.serving.endpoints.v2_messages import interpret
from kerascnn.serving.http.connection import MAX_CONNECTIONS
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.message_reader import LONG
from kerascnn.serving.request_log import RequestLog, RequestRecord
from kerascnn.serving.served_model import ServedModel
from kerascnn.serving.service import Service, in_time

SERVICE = "inference.GRPCInferenceService"

_SLACK = 65_536
"""Allowance for the bytes of a message other than its tensor."""

_PUBLIC = frozenset({f"/{SERVICE}/ServerLive", f"/{SERVICE}/ServerReady", f"/{HEALTH}/Check"})
"""Methods that do not require the token."""

_STREAM = f"/{SERVICE}/ModelStreamInfer"


class GrpcServer:
    """gRPC server on the event loop of the HTTP server."""

    def __init__(self, service: Service, request_log: RequestLog) -> None:
        self._service, self._models = service, service.models
        self._calls = Calls(request_log, service.config.read_token(), _PUBLIC)
        self._health = Health(service, SERVICE)
        self._server: Any = None

    async def start(self) -> str:
        """Start to listen, and return the address.

        Raises:
            ConfigError: The address cannot be used.
        """
        config = self._service.config
        options = (
            ("grpc.max_receive_message_length", config.max_body + _SLACK),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # fail if the port is in use
        )
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MAX_CONNECTIONS)
        self._server.add_generic_rpc_handlers(self._handlers())
        host = f"[{config.host.strip('[]')}]" if ":" in config.host else config.host
        try:
            port = self._add_port(f"{host}:{config.grpc_port or 0}")
        except RuntimeError as error:
            raise ConfigError(
                f"{host}:{config.grpc_port}: cannot listen there for gRPC. Choose another "
                "`grpc_port`."
            ) from error
        await self._server.start()
        return f"{host}:{port}"

    def _handlers(self) -> tuple[Any, Any]:
        handlers = {
            name: self._calls.unary(f"/{SERVICE}/{name}", work)
            for name, work in self._methods().items()
        }
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._stream)
        health = {
            "Check": self._calls.unary(f"/{HEALTH}/Check", self._health.check),
            "Watch": grpc.unary_stream_rpc_method_handler(self._health.watch),
        }
        return (
            grpc.method_handlers_generic_handler(SERVICE, handlers),
            grpc.method_handlers_generic_handler(HEALTH, health),
        )

    async def stop(self, grace: float) -> None:
        """Stop; requests in progress have ``grace`` seconds to finish."""
        if self._server is not None:
            await self._server.stop(grace)

    def _add_port(self, address: str) -> int:
        config = self._service.config
        if config.tls_cert is None:
            return int(self._server.add_insecure_port(address))
        certificate = Path(config.tls_cert).read_bytes()
        key = Path(config.tls_key or config.tls_cert).read_bytes()
        pair = grpc.ssl_server_credentials(((key, certificate),))
        return int(self._server.add_secure_port(address, pair))

    def _methods(self) -> dict[str, Work]:
        models = self._models
        answers: dict[str, Callable[[Any], dict[str, Any]]] = {
            "ServerLive": lambda _: {"live": True},
            "ServerReady": lambda _: {"ready": self._service.ready},
            "ServerMetadata": lambda _: v2_metadata.server_metadata(),
            "ModelReady": self._model_ready,
            "ModelMetadata": lambda asked: v2_metadata.model_metadata(self._find(asked), models),
            "ModelConfig": lambda asked: {"config": v2_metadata.model_config(self._find(asked))},
            "ModelStatistics": lambda asked: v2_metadata.statistics(
                models, asked.name or None, asked.version or None
            ),
            "RepositoryIndex": self._index,
        }
        answering = {name: _answering(name, answer) for name, answer in answers.items()}
        return {**answering, "ModelInfer": self._infer_alone}

    def _model_ready(self, asked: Any) -> dict[str, bool]:
        try:
            self._find(asked)
        except HttpError as refusal:
            if refusal.status not in (404, 503):
                raise
            return {"ready": False}  # also for an unknown model, like Triton
        return {"ready": True}

    def _index(self, asked: Any) -> dict[str, Any]:
        rows = self._models.index()
        return {"models": [row for row in rows if not asked.ready or row["state"] == "READY"]}

    def _find(self, asked: Any) -> ServedModel:
        return self._models.get(asked.name, asked.version or None)

    async def _infer_alone(self, content: bytes, context: Context, record: RequestRecord) -> bytes:
        return bytes((await self._infer(content, context, record)).SerializeToString())

    async def _infer(self, content: bytes, context: Context, record: RequestRecord) -> Any:
        with self._service.bodies.holding() as held:
            held.add(len(content))
            self._service.bodies.check_held()
            # Raw tensors need no parsing, but a copy, which would block the event loop.
            size = max(size_to_parse(content), min(len(content), LONG - 1))
            name, version, fields, binary = await self._service.read_message(
                size, read_infer, content
            )
            served = self._models.get(name, version or None)
            record.facts |= {"model": served.name, "version": served.version}
            classes, most = served.card.classes, served.config.max_queue
            read = partial(interpret, fields, memoryview(binary), len(classes), most)
            with served.admission.in_use():
                request = await self._service.run_by_size(len(content), read)
                seconds = _seconds(self._service, context)
                result, values = await in_time(seconds, infer(self._service, served, request))
                outputs = list(outputs_of(request, classes, values))
            record.facts |= log_facts(result, len(request.pictures))
        return infer_response(served.name, served.version, request.id, outputs)

    async def _stream(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        """Respond to one request after the other; a refused one leaves the stream open."""
        try:
            self._calls.check_token(context)  # now, because a first request may never arrive
        except HttpError as refusal:
            await abort(context, refusal)
        async for content in requests:
            answer = message_class("ModelStreamInferResponse")()
            try:
                found = await self._calls.run(_STREAM, self._infer, content, context)
            except HttpError as refusal:
                # Like Triton, so that the client knows which request failed.
                answer.infer_response.id = id_of(content)
                answer.error_message = str(refusal)
            else:
                answer.infer_response.CopyFrom(found)
            yield answer.SerializeToString()


def _answering(name: str, answer: Callable[[Any], dict[str, Any]]) -> Work:
    """Create the handler of a unary call that does not run a model."""

    async def handle(content: bytes, _context: Context, _record: RequestRecord) -> bytes:
        asked = read_short(f"{name}Request", content)
        return write_message(f"{name}Response", answer(asked))

    return handle


def _seconds(service: Service, context: Context) -> float:
    """Return the time limit in seconds: the earlier of the client's deadline and the server's."""
    left = context.time_remaining()
    return service.config.timeout if left is None else min(left, service.config.timeout)
