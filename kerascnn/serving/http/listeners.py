"""Where the server listens: sockets, their addresses as people write them, and TLS.

Knows: the operating system's sockets, and files with certificates. Does not know what is served.
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
"""Free ports that are tried: one that the first address has may be taken at the next."""

_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""What the operating system says where it has no IPv6, or not this address."""


@contextmanager
def listeners(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Listen on every address of a host; uvicorn itself would exit with a log line.

    Args:
        host: A name or an address.
        port: TCP port; 0: a free one, the same at every address.

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
            # What Python adds repeats the address.
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise ConfigError(
                f"{host}:{port}: cannot listen there ({reason}). Choose another `host` or `port`."
            ) from error
        for one in found:
            stack.enter_context(one)
        yield found


def urls(found: list[socket.socket], scheme: str) -> str:
    """Return the addresses of sockets, with the port that each really has."""
    return " and ".join(f"{scheme}://{address(one)}" for one in found)


def address(listener: socket.socket) -> str:
    """Return host and port of a socket, as in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_certificate(certificate: str, key: str | None) -> None:
    """Check that a certificate and its key can be used, before anything listens.

    Args:
        certificate: File with it and with those that vouch for it (PEM).
        key: File with its key; None: the same file.

    Raises:
        ConfigError: They cannot.
    """
    for path in filter(None, (certificate, key)):
        with reading(path, ConfigError):
            Path(path).open("rb").close()
    try:
        load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error) or "the key needs a password"
        raise ConfigError(
            f"{certificate}: no certificate that can be used with {key or 'the key in it'} "
            f"({reason}). Expected both in PEM, the key without a password."
        ) from error


def load_certificate(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """Load a certificate; connections that come from now on get it.

    Raises:
        OSError: A file cannot be read, or is none of the kind.
    """
    # Without a password OpenSSL would ask the terminal for one, and wait.
    context.load_cert_chain(certificate, key, password=lambda: "")


def _listen_everywhere(host: str, port: int) -> list[socket.socket]:
    for left in reversed(range(_TRIES)):
        try:
            return _listen_once(host, port)
        except OSError as error:
            if port or not left or error.errno != errno.EADDRINUSE:
                raise
    raise AssertionError("the last try returns or raises")


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
    """List families and addresses of the host: localhost has one of each, often."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, str(place[0])) for family, _, _, _, place in found))


def _listen(family: int, place: str, port: int, *, needed: bool) -> socket.socket | None:
    """Listen on one address; those after the first are left out where the system lacks them."""
    # On :: as servers do it: it takes IPv4, too.
    both = place == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((place, port), family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        if needed or error.errno not in _ABSENT:
            raise
        return None
