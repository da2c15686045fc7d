"""The web page at ``/``: its files, and their Content-Security-Policy.

Knows: the files and their headers. Does not know their content.
"""

from __future__ import annotations

import json
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kerascnn.language import current_language, sentences

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: the page loads nothing from other sites, and cannot be framed."""

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""File in this package and media type, by path."""


def page_routes() -> list[Route]:
    """List the routes of the page's files, which are read once."""
    routes = [
        _route(path, files(__package__).joinpath(name).read_bytes(), kind)
        for path, (name, kind) in _FILES.items()
    ]
    return [*routes, _route("/page/language.json", _language(), "application/json")]


def _language() -> bytes:
    """Return the texts of the page, in the server's language at startup."""
    language = current_language()
    data = {"language": language, "table": dict(sentences(language))}
    return json.dumps(data, ensure_ascii=False).encode("utf-8")


def _route(path: str, content: bytes, kind: str) -> Route:
    headers = {
        "Content-Type": kind,
        "Content-Security-Policy": _POLICY,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
    }

    async def send(_request: Request) -> Response:
        return Response(content, headers=headers)

    return Route(path, send)
