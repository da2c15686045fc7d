"""The head of an HTTP request: its limits, what is refused, and what is rewritten.

Knows: RFC 9110 and RFC 9112. Does not know connections or parsers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

HEAD_BYTES, HEADERS, URL_BYTES = 32_768, 100, 8_192
"""Limits of one request. Browsers send up to 16 kB with cookies; the paths here are short. The
last two are about those of Apache (LimitRequestFields, LimitRequestLine)."""

Headers = list[tuple[bytes, bytes]]
"""Names, in lower case, and values."""

_CODING, _WHOLE_URL = b"transfer-encoding", re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
"""A header's name, and the host in a request target that is an absolute URL."""

_VERSIONS = ("1.0", "1.1")

_OFFERS = frozenset({b"upgrade", b"http2-settings"})
"""Headers that offer another protocol; ``Connection`` lists their names."""


def head_error(
    version: str, url: bytes, headers: Sequence[tuple[bytes, bytes]]
) -> tuple[int, str] | None:
    """Return status and message for a head that is refused; None if it is accepted."""
    names = [name for name, _ in headers]
    hosts = names.count(b"host")
    if version not in _VERSIONS:
        return 505, f"HTTP/{version}; expected HTTP/1.1 or HTTP/1.0."
    if hosts > 1:
        return 400, "the request has several Host headers; expected one."
    if not hosts and version != "1.0":
        return 400, "the request has no Host header; HTTP/1.1 requires one."
    if url[:1] not in (b"/", b"*") and not _WHOLE_URL.match(url):
        return 400, "the target is a URL of another scheme; expected http or a path."
    if _CODING in names and dict(headers)[_CODING].lower() != b"chunked":
        return 501, "Transfer-Encoding is not chunked; expected that, or none."
    return None


def use_host_of_url(url: bytes, headers: Headers) -> bytes:
    """Replace ``Host`` by that of an absolute URL (RFC 9112, 3.2.2), and return it with a path."""
    host = _WHOLE_URL.match(url)
    if host is None:
        return url
    headers[:] = [(b"host", host[1]), *(one for one in headers if one[0] != b"host")]
    path = url[host.end() :]
    return host[0] + (path if path.startswith(b"/") else b"/" + path)


def without_offers(method: bytes, url: bytes, version: str, headers: Headers) -> bytes:
    """Return a head without the headers that offer another protocol."""
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
    for name, value in headers:
        if name == b"connection":
            kept = [one for one in value.split(b",") if one.strip().lower() not in _OFFERS]
            value = b",".join(kept)
        if name not in _OFFERS:
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])
