"""Checks the host and the origin of requests: which names the server has, which pages may use it.

Knows: ``Host``, ``Origin`` and ``Sec-Fetch-Site``, and cross-site attacks. Does not know tokens or
CORS headers.

Any web page can make its visitor's browser send simple POST requests to 127.0.0.1, and read the
responses if its own host name is made to resolve to 127.0.0.1 (DNS rebinding). The former requests
name another origin, the latter another host.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence

from kerascnn.serving.http.errors import HttpError

_HOST = re.compile(r"(\[[0-9a-f:.]+(?:%[^\s/\]]+)?\]|[^:@/\s\[\]]*)(?::[0-9]*)?", re.IGNORECASE)
"""The ``Host`` header: a name or an address (IPv6 in brackets), and an optional port."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods with which a page of another origin can neither read nor change anything."""


class OriginPolicy:
    """Refuses requests that a page of another site made a browser send.

    Args:
        hosts: Names of the server; ``*.example.org``: all names below; ``*``: any. IP addresses
            (which DNS rebinding cannot use) and names without a dot (of this machine or a
            container, which nobody can register) are always accepted.
        origins: Origins of other pages that may use it; ``*``: any.
    """

    def __init__(self, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._hosts = {_canonical_host(host) for host in hosts}
        self._origins, self._latest = set(origins), ""

    def check(self, method: str, headers: Mapping[bytes, bytes]) -> None:
        """Refuse a host name that is not the server's (421), and a page of another origin (403).

        Raises:
            HttpError: 421: unknown host name; 403: a page of another origin sent it.
        """
        host = headers.get(b"host", b"").decode("latin-1")
        if host and host != self._latest and not self._is_own_host(host):
            raise HttpError(
                421,
                f"Host is {host[:80]!r}, which is not a name of this server. If it should be, "
                "start the server with --allowed-host NAME.",
                close=True,
            )
        self._latest = host  # most requests have the same
        if method not in _SAFE_METHODS and not self._is_allowed(headers, host):
            raise HttpError(
                403,
                "the request was sent by a page of another origin. To allow it, start the server "
                "with --cors ORIGIN.",
                close=True,
            )

    def _is_own_host(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = _canonical_host(found[1])
        return (
            "*" in self._hosts
            or name in self._hosts
            or "." not in name.removesuffix(".localhost")
            or _is_number(name)
            or any(host[0] == "*" and name.endswith(host[1:]) for host in self._hosts if host)
        )

    def _is_allowed(self, headers: Mapping[bytes, bytes], host: str) -> bool:
        origin = headers.get(b"origin")
        site = headers.get(b"sec-fetch-site", b"").lower()
        if "*" in self._origins or (origin or b"").decode("latin-1") in self._origins:
            return True
        if site:  # set by browsers only, and correct behind a proxy too
            return site in (b"same-origin", b"none")
        return origin is None or _same_host(origin.decode("latin-1"), host)


def names_of(host: str) -> tuple[str, ...]:
    """List the names of a server with this option ``host``."""
    every = _is_number(host) and ipaddress.ip_address(_canonical_host(host)).is_unspecified
    return (host, socket.gethostname()) if every else (host,)


def normalized_host(host: str) -> str:
    """Return a host name as clients send it: in lower case and ASCII (RFC 5890)."""
    try:
        return host.lower() if host.isascii() else host.encode("idna").decode()
    except UnicodeError:  # not a host name; matches nothing
        return host


def _canonical_host(host: str) -> str:
    return normalized_host(host).strip("[]").rstrip(".")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(_canonical_host(name))
    except ValueError:
        return False
    return True


def _same_host(origin: str, host: str) -> bool:
    """Compare names and ports, without the scheme: a proxy may have terminated TLS."""
    scheme, _, place = origin.lower().partition("://")
    standard = {"http": ":80", "https": ":443"}.get(scheme, "")
    plain = host.lower().removesuffix(standard) if standard else host.lower()
    return bool(place) and place.removesuffix(standard) == plain
