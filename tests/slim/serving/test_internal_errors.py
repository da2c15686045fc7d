"""Faults of the server itself: one request gets 500, with its ID, and the others go on."""

import asyncio
import json
import logging

import numpy as np
import pytest

from kerascnn.serving import ServeConfig
from kerascnn.serving.request_log import RequestLog

from .asking import SAID, asked, finished
from .conftest import encoded
from .small_model import write_model

ID = "of-this-request"


@pytest.fixture
def config(tmp_path, monkeypatch) -> ServeConfig:
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    path = tmp_path / "m.onnx"
    write_model(path, np.eye(3))
    return ServeConfig((str(path),), foreign=SAID, grpc_port=0)


async def broken(*_arguments):
    raise ZeroDivisionError("a fault")


def said(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.exc_info]


def test_by_http(config, monkeypatch, caplog):
    lines = []

    async def main():
        async with asked(config, write_log=lines.append) as (client, service):
            monkeypatch.setattr(service, "classify", broken)
            picture = {
                "content": encoded(np.zeros((16, 16, 3), np.uint8)),
                "headers": {"X-Request-ID": ID},
            }
            return await client.post("/predict", **picture), await client.get("/v2/health/live")

    failed, live = finished(main())
    assert (failed.status_code, live.status_code) == (500, 200)
    assert failed.json() == {"error": f"internal error; request {ID}"}
    assert said(caplog) == [f"request {ID} failed"]
    assert "ZeroDivisionError" in caplog.text
    assert [json.loads(line)["outcome"] for line in lines] == ["error", "ok"]


def test_by_grpc(config, monkeypatch, caplog):
    grpc = pytest.importorskip("grpc", reason="needs the extra grpc")
    from kerascnn.serving.endpoints.grpc import SERVICE, GrpcServer
    from kerascnn.serving.endpoints.grpc_messages import message_class, write_message

    lines = []
    pixels = {"name": "image", "datatype": "UINT8", "shape": [1, 1, 1, 3]}
    request = {"model_name": "m", "inputs": [{**pixels, "contents": {"uint_contents": [1, 2, 3]}}]}
    content = write_message("ModelInferRequest", request)

    async def main():
        async with asked(config) as (_, service):
            server = GrpcServer(service, RequestLog(service.metrics, lines.append))
            async with grpc.aio.insecure_channel(await server.start()) as channel:
                infer = channel.unary_unary(f"/{SERVICE}/ModelInfer")
                answer = await infer(content)
                monkeypatch.setattr(service, "classify", broken)
                with pytest.raises(grpc.aio.AioRpcError) as failed:
                    await infer(content, metadata=(("x-request-id", ID),))
                begun = asyncio.Event()

                async def endless(*_arguments):
                    begun.set()
                    await asyncio.Event().wait()

                monkeypatch.setattr(service, "classify", endless)
                left = infer(content)
                await begun.wait()
                left.cancel()
                while len(lines) < 3:
                    await asyncio.sleep(0.01)
            await server.stop(0)
            return message_class("ModelInferResponse").FromString(answer), failed.value

    answer, failed = finished(main())
    assert answer.model_name == "m"
    assert failed.code() is grpc.StatusCode.INTERNAL
    assert failed.details() == f"internal error; request {ID}"
    assert said(caplog) == [f"request {ID} failed"]
    told = [json.loads(line) for line in lines]
    assert [(one["status"], one["outcome"]) for one in told] == [
        (200, "ok"), (500, "error"), (499, "gone"),
    ]  # fmt: skip
