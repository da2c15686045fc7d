"""Listening sockets, their addresses, and TLS certificates.

Knows: the operating system's sockets, and certificate files. Does not know what is served.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kerascnn.errors import ConfigError
from kerascnn.files import reading

_TRIES = 20
"""Attempts to find a free port, because one that is free at the first address of a host may be
taken at the next."""

_UNAVAILABLE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Error codes of a system without IPv6 or without this address."""

_BACKLOG = 2048
"""Connections that the system keeps until they are accepted; uvicorn's default."""


@contextmanager
def listeners(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Listen on every address of a host, because uvicorn exits if it cannot listen.

    Port 0: any free port, the same for every address.

    Raises:
        ConfigError: The address cannot be used.
    """
    with ExitStack() as stack:
        try:
            found = _listen_everywhere(host.strip("[]"), port)
        except socket.gaierror as error:
            raise ConfigError(
                f"`host` is {host!r} ({error.strerror}); expected a name or an address of this "
                "machine, without the port, which is `port`."
            ) from error
        except OSError as error:
            # strerror, because Python's message repeats the address.
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise ConfigError(
                f"{host}:{port}: cannot listen there ({reason}). Choose another `host` or `port`."
            ) from error
        for one in found:
            stack.enter_context(one)
        yield found


def urls(found: list[socket.socket], scheme: str) -> str:
    """Return the URLs of sockets, with their actual ports."""
    return " and ".join(f"{scheme}://{address(one)}" for one in found)


def address(listener: socket.socket) -> str:
    """Return host and port of a socket, in the form of a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_certificate(certificate: str, key: str | None) -> None:
    """Check that a certificate and its key are usable, before the server listens.

    Args:
        certificate: File with the certificate chain (PEM).
        key: File with its private key; None: the same file.

    Raises:
        ConfigError: They are not usable.
    """
    for path in filter(None, (certificate, key)):
        with reading(path, ConfigError):
            Path(path).open("rb").close()
    try:
        load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error) or "the key needs a password"
        raise ConfigError(
            f"{certificate}: not a certificate that can be used with {key or 'the key in it'} "
            f"({reason}). Expected both in PEM, the key without a password."
        ) from error


def load_certificate(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """Load a certificate, which applies to new connections.

    Raises:
        OSError: A file cannot be read, or is not a certificate or key.
    """
    # Without this, OpenSSL would prompt for a password on the terminal.
    context.load_cert_chain(certificate, key, password=lambda: "")


def _listen_everywhere(host: str, port: int) -> list[socket.socket]:
    for _ in range(_TRIES - 1):
        try:
            return _listen_once(host, port)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise
    return _listen_once(host, port)


def _listen_once(host: str, port: int) -> list[socket.socket]:
    found: list[socket.socket] = []
    try:
        for family, place in _places(host, port):
            same = found[0].getsockname()[1] if found else port
            one = _listen(family, place, same, needed=not found)
            if one is not None:
                found.append(one)
    except OSError:
        for one in found:
            one.close()
        raise
    return found


def _places(host: str, port: int) -> list[tuple[int, str]]:
    """List address families and addresses of a host; localhost often has IPv4 and IPv6."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, str(place[0])) for family, _, _, _, place in found))


def _listen(family: int, place: str, port: int, *, needed: bool) -> socket.socket | None:
    """Listen on one address; return None if it is not needed and the system does not have it."""
    # Like other servers, :: also accepts IPv4.
    both = place == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            (place, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
        )
    except OSError as error:
        if needed or error.errno not in _UNAVAILABLE:
            raise
        return None
