"""A server without a network, for tests: the application in this process, asked by httpx."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import httpx

from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.serving import ServeConfig, create_app
from kerascnn.serving.service import Service

SAID = ForeignModel(("red", "green", "blue"), normalize="unit")
"""Of the models of ``small_model``."""


def finished(main: Awaitable):
    """Run a test's coroutine; the limit only ends one that would wait for ever."""
    return asyncio.run(asyncio.wait_for(main, 100))


@asynccontextmanager
async def asked(config: ServeConfig, **options) -> AsyncIterator[tuple[httpx.AsyncClient, Service]]:
    """Load the models, and give a client and the service behind it."""
    service = Service(config)
    await service.models.load()
    transport = httpx.ASGITransport(create_app(service, **options))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client, service
    finally:
        service.close()
