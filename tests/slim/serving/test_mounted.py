"""The server's application inside another one, at a path of its own."""

import asyncio

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from kerascnn import Classifier
from kerascnn.serving import ServeConfig, create_app

from .asking import SAID, finished
from .conftest import encoded
from .small_model import write_model


@pytest.mark.parametrize("cors", [(), ("https://example.org",)])
def test_its_lifespan_is_for_the_application_that_mounts_it(tmp_path, cors):
    path, token = tmp_path / "m.onnx", tmp_path / "token"
    write_model(path, np.eye(3))
    token.write_text("secret")
    config = ServeConfig((str(path),), foreign=SAID, token_file=str(token), cors=cors)
    picture = encoded(np.full((16, 16, 3), (0, 200, 0), np.uint8))

    async def main():
        app = create_app(config)
        outer = Starlette(routes=[Mount("/colors", app)], lifespan=app.lifespan)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(outer), base_url="http://127.0.0.1/colors"
        )
        # The health checks need no token, wherever they are mounted.
        async with outer.router.lifespan_context(outer), client:
            while (ready := await client.get("/v2/health/ready")).status_code == 503:
                await asyncio.sleep(0.01)
            refused = await client.post("/predict", content=picture)
            headers = {"Authorization": "Bearer secret"}
            return ready, refused, await client.post("/predict", content=picture, headers=headers)

    ready, refused, answer = finished(main())
    assert (ready.status_code, refused.status_code, answer.status_code) == (200, 401, 200)
    with Classifier(path, foreign=SAID) as classifier:
        assert answer.json()["label"] == classifier.classify(picture).label == "green"
