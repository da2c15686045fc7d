"""From a path to what answers it.

Knows: Starlette's routes, and a shorter way for those that are busy. Does not know the endpoints.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send


class Routing:
    """Starlette's router, and for POST requests a way around it.

    The router tries every route, and wraps what it finds twice. For a small network's request that
    takes as long as the network.

    Args:
        router: It has all routes; it raises what it cannot route.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._posts = [
            (route.path_regex, route.endpoint)
            for route in router.routes
            if isinstance(route, Route) and "POST" in (route.methods or ())
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http" and scope["method"] == "POST" and not scope.get("root_path"):
            for path, endpoint in self._posts:
                found = path.match(scope["path"])
                if found is not None:
                    scope["path_params"] = found.groupdict()
                    response = await endpoint(Request(scope, receive, send))
                    await response(scope, receive, send)
                    return
        await self._router(scope, receive, send)
