"""Clients that leave: by our own connection's word, and by ASGI's message elsewhere."""

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route, Router

from kerascnn.serving.config import ServeConfig
from kerascnn.serving.http.disconnects import EXTENSION, ConnectionState, DisconnectWatcher
from kerascnn.serving.http.errors import ClientDisconnected, HttpError
from kerascnn.serving.http.routing import Routing
from kerascnn.serving.service import Service


def client(ours: bool):
    """Give a request of a client, and what makes it leave."""
    line, left = ConnectionState(), asyncio.Event()

    async def receive():
        await left.wait()
        return {"type": "http.disconnect"}

    extensions = {EXTENSION: line} if ours else {}
    request = Request({"type": "http", "headers": [], "extensions": extensions}, receive)
    return request, (line.close if ours else left.set)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("early", [True, False])
def test_work_for_a_client_that_leaves_is_cancelled(ours, early):
    async def main():
        request, leave = client(ours)
        service = Service(ServeConfig(models=("any.onnx",)))
        ended = asyncio.Event()

        async def work():
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        if early:
            leave()
        else:
            asyncio.get_running_loop().call_soon(leave)
        with pytest.raises(ClientDisconnected):
            await service.run_for_client(request, work())
        assert ended.is_set()
        service.close()

    asyncio.run(asyncio.wait_for(main(), 100))


@pytest.mark.parametrize("ours", [True, False])
def test_one_that_stays_until_the_answer_is_not_told_of(ours):
    async def main():
        told = []
        request, leave = client(ours)
        with DisconnectWatcher(request, lambda: told.append(1)) as leaving:
            await asyncio.sleep(0)
        leave()
        await asyncio.sleep(0)
        assert not told and not leaving.happened

    asyncio.run(asyncio.wait_for(main(), 100))


@pytest.mark.parametrize("path", ["/a/x", "/a/x:y", "/a/b/x", "/a/", "/c", "/a/x\n"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_the_short_way_ends_where_the_router_does(path, method):
    def route(pattern, *methods):
        async def endpoint(request):
            raise HttpError(418, f"{pattern} {request.path_params}")

        return Route(pattern, endpoint, methods=methods)

    routes = [
        route("/a/x", "GET"), route("/a/{name}", "GET"), route("/a/{name}:y", "POST"),
        route("/a/{name}", "POST"), route("/a/{name}/{rest:path}", "POST"), route("/c", "POST"),
    ]  # fmt: skip
    router = Router(routes, redirect_slashes=False)

    def outcome(app):
        scope = {"type": "http", "method": method, "path": path, "headers": [], "app": None}
        try:
            asyncio.run(app(scope, None, None))
        except (HttpError, HTTPException) as error:
            return type(error), getattr(error, "status_code", None), str(error)
        return None

    assert outcome(router) is not None
    assert outcome(Routing(router)) == outcome(router)
