"""For whom the server is there: by which names it is called, and which pages may use it.

Knows: ``Host``, ``Origin`` and ``Sec-Fetch-Site``, and what a browser can be made to send. Does
not know tokens, nor CORS' own headers.

A page of anybody can make its visitor's browser send simple POSTs to 127.0.0.1; and after its own
name was made to resolve to 127.0.0.1 (DNS rebinding), read the answers. The first names another
origin, the second another host.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence

from kerascnn.serving.http.errors import HttpError

_HOST = re.compile(r"(\[[0-9a-f:.]+(?:%[^\s/\]]+)?\]|[^:@/\s\[\]]*)(?::[0-9]*)?", re.IGNORECASE)
"""The ``Host`` header: a name or an address, an IPv6 one in brackets, and a port."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods by which a page of another origin learns and changes nothing."""


class OriginPolicy:
    """Refuses what a page of somebody else made a browser send.

    Args:
        hosts: Names by which the server is called; ``*.example.org``: all below it; ``*``: any.
            Numbers (a page's address is never one that its owner does not control) and names
            without a dot (of this machine, or of a container; nobody can register one) always are.
        origins: Origins of pages that may use it, besides its own; ``*``: any.
    """

    def __init__(self, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._hosts = {_bare(host) for host in hosts}
        self._origins, self._latest = set(origins), ""

    def check(self, method: str, headers: Mapping[bytes, bytes]) -> None:
        """Check a request; raise if it is refused.

        Raises:
            HttpError: 421: the server has another name; 403: a page of another origin sent it.
        """
        host = headers.get(b"host", b"").decode("latin-1")
        if host and host != self._latest and not self._is_ours(host):
            raise HttpError(
                421,
                f"Host is {host[:80]!r}, which is not a name of this server. Start it with "
                "--allowed-host NAME if it is one.",
                close=True,
            )
        self._latest = host  # the next request has the same, mostly
        if method not in _READING and not self._may(headers, host):
            raise HttpError(
                403,
                "this was sent by a page from another origin. To allow it, start the server "
                "with --cors ORIGIN.",
                close=True,
            )

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = _bare(found[1])
        return (
            "*" in self._hosts
            or name in self._hosts
            or "." not in name.removesuffix(".localhost")
            or _is_number(name)
            or any(host[0] == "*" and name.endswith(host[1:]) for host in self._hosts if host)
        )

    def _may(self, headers: Mapping[bytes, bytes], host: str) -> bool:
        origin = headers.get(b"origin")
        site = headers.get(b"sec-fetch-site", b"").lower()
        if "*" in self._origins or (origin or b"").decode("latin-1") in self._origins:
            return True
        if site:  # browsers say it, and no page can; it is right behind a proxy too
            return site in (b"same-origin", b"none")
        return origin is None or _same(origin.decode("latin-1"), host)


def names_of(host: str) -> tuple[str, ...]:
    """List the names by which a server that listens there is called.

    Args:
        host: As ``--host`` has it.
    """
    return (host, socket.gethostname()) if _is_any(host) else (host,)


def _is_any(host: str) -> bool:
    return _is_number(host) and ipaddress.ip_address(_bare(host)).is_unspecified


def as_sent(host: str) -> str:
    """Return a name as clients send it: in small letters, and of ASCII (RFC 5890)."""
    try:
        return host.lower() if host.isascii() else host.encode("idna").decode()
    except UnicodeError:  # no name; none that is sent is the same
        return host


def _bare(host: str) -> str:
    return as_sent(host).strip("[]").rstrip(".")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(_bare(name))
    except ValueError:
        return False
    return True


def _same(origin: str, host: str) -> bool:
    """Compare names and ports; a proxy may have taken off TLS, so the scheme does not count."""
    scheme, _, place = origin.lower().partition("://")
    standard = {"http": ":80", "https": ":443"}.get(scheme, "")
    plain = host.lower().removesuffix(standard) if standard else host.lower()
    return bool(place) and place.removesuffix(standard) == plain
