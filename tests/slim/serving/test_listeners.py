"""Where the server listens: every address with the port that it really has, and TLS."""

import asyncio
import errno
import shutil
import signal
import socket
import ssl
from pathlib import Path
from typing import cast

import httpx
import pytest

from kerascnn.errors import ConfigError
from kerascnn.serving import ServeConfig
from kerascnn.serving.http import tls_listener
from kerascnn.serving.http.listeners import check_certificate, listeners, load_certificate, urls
from kerascnn.serving.http.tls_listener import TlsListener

from .conftest import http, wait_for

FIRST, SECOND = (Path(__file__).with_name(f"{name}.pem") for name in ("first", "second"))
"""Certificates of localhost with their keys, for tests alone."""

BOTH = [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 0)), (socket.AF_INET6, 1, 6, "", ("::1", 0))]

LOCKED = """\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,41F1799CB0AAD1637573955EB62C0A61

2VpQJxz112bgO63xesS/ixvdica1pkN6XvbF7I7iIqj+9N4/WfyTcGvXWmJkhVT/
7eSkL0gpkT3uJRj0yRO9JmCWaf4Db7ZauiYEzmsbhOIW2NymMM245lDL85GKnXUV
uxe6kdtxCAh4HGPdWcCZZPBpSdnbBIry/hzmCcqQDu0=
-----END EC PRIVATE KEY-----
"""

needs_ipv6 = pytest.mark.skipif(
    not (socket.has_ipv6 and socket.has_dualstack_ipv6()), reason="needs IPv6"
)


@needs_ipv6
def test_both_families(serving, exported):
    with serving(exported, "--host", "::") as server:
        assert f"http://[::]:{server.port}" == server.url
        for host in ("127.0.0.1", "[::1]"):
            assert http.get(f"http://{host}:{server.port}/v2/health/live").status_code == 200


@needs_ipv6
def test_every_address_of_a_name(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: BOTH)
    with listeners("localhost", 0) as found:
        ports = {listener.getsockname()[1] for listener in found}
        [port] = ports
        assert urls(found, "http") == f"http://127.0.0.1:{port} and http://[::1]:{port}"
    assert port


@needs_ipv6
def test_a_free_port_is_free_at_every_address(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: BOTH)
    create, refused = socket.create_server, []

    def taken_twice(place, **options):
        if place[0] == "::1" and len(refused) < 2:
            refused.append(place)
            raise OSError(errno.EADDRINUSE, "in use")
        return create(place, **options)

    monkeypatch.setattr(socket, "create_server", taken_twice)
    with listeners("localhost", 0) as found:
        assert len({listener.getsockname()[1] for listener in found}) == 1
        port = found[0].getsockname()[1]
    refused.clear()
    with pytest.raises(ConfigError, match="cannot listen"), listeners("localhost", port):
        pass


def test_several_models_at_a_free_port(serving, exported, tmp_path):
    other = tmp_path / "other.onnx"
    shutil.copyfile(exported, other)
    with serving(exported, other) as server:
        assert int(server.port) > 0
        names = http.get(f"{server.url}/v2/models").json()["models"]
        assert names == [exported.stem, "other"]


def served_certificate(port: str) -> str:
    return ssl.get_server_certificate(("127.0.0.1", int(port)), timeout=100)


def test_tls(serving, exported, tmp_path):
    certificate = tmp_path / "tls.pem"
    shutil.copyfile(FIRST, certificate)
    trusting = ssl.create_default_context(cafile=FIRST)
    with serving(exported, "--tls-cert", certificate) as server:
        assert server.url.startswith("https://")
        answer = httpx.get(f"https://localhost:{server.port}/v2/models", verify=trusting)
        assert answer.json() == {"models": [exported.stem]}
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{server.port}/v2/models")
        # It is renewed at SIGHUP, unless the new one cannot be used.
        first = served_certificate(server.port)
        for content in (b"garbage", SECOND.read_bytes()):
            assert served_certificate(server.port) == first
            before = server.metric("reload_checks_total")
            certificate.write_bytes(content)
            server.process.send_signal(signal.SIGHUP)
            wait_for(lambda n=before: server.metric("reload_checks_total") > n)
        wait_for(lambda: served_certificate(server.port) != first)
        assert server.stop() == 0


def test_a_handshake_has_as_long_as_a_request(serving, exported):
    options = "--tls-cert", FIRST, "--read-timeout", "0.5"
    # The limit of asyncio itself is a minute.
    with serving(exported, *options) as server, server.connect(50) as silent:
        assert silent.recv(1) == b""


def test_the_oldest_handshake_is_given_up_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr(tls_listener, "MOST_HANDSHAKES", 2)

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load_certificate(context, str(FIRST), None)
        plain = socket.create_server(("127.0.0.1", 0))
        place = plain.getsockname()
        listener = TlsListener(plain, Echo, context, 1000)
        # Three are silent; one began, and does not go on.
        silent = [await asyncio.open_connection(*place) for _ in range(2)]
        halfway = await asyncio.open_connection(*place)
        halfway[1].write(b"\x16\x03\x01\x02\x00")
        assert await silent[0][0].read() == b""
        last = await asyncio.open_connection(*place)
        assert await silent[1][0].read() == b""
        trusting = ssl.create_default_context(cafile=FIRST)
        reader, writer = await asyncio.open_connection(
            *place, ssl=trusting, server_hostname="localhost"
        )
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert await halfway[0].read() == b""
        listener.close()
        await listener.wait_closed()
        assert await last[0].read() == b""
        writer.write(b"again")  # what is secure stays
        assert await reader.readexactly(5) == b"again"
        for _, one in (*silent, halfway, last, (reader, writer)):
            one.close()

    asyncio.run(asyncio.wait_for(main(), 100))


def test_handshakes_begin_one_a_turn(monkeypatch):
    """A signature takes a millisecond, in which nobody else is answered."""

    async def main() -> None:
        turn, begun = 0, []

        async def begin(_protocol, connection, **_options) -> None:
            begun.append(turn)
            connection.close()

        monkeypatch.setattr(asyncio.get_running_loop(), "connect_accepted_socket", begin)
        plain = socket.create_server(("127.0.0.1", 0))
        clients = [socket.create_connection(plain.getsockname()) for _ in range(10)]
        for client in clients:
            client.sendall(b"\x16")
        listener = TlsListener(plain, Echo, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), 1000)
        while len(begun) < len(clients):
            turn += 1
            await asyncio.sleep(0)
        assert len(set(begun)) == len(clients)
        listener.close()
        for client in clients:
            client.close()

    asyncio.run(asyncio.wait_for(main(), 100))


class Echo(asyncio.Protocol):
    """Answers with what it gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


@pytest.mark.parametrize(
    ("certificate", "key", "reason"),
    [
        (FIRST, SECOND, "not a certificate that can be used"),
        ("none.pem", None, "no such file"),
        (FIRST, "none.pem", "no such file"),
        ("empty.pem", None, "not a certificate that can be used"),
    ],
)
def test_certificates_that_cannot_be_used(certificate, key, reason, tmp_path):
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ConfigError, match=reason):
        check_certificate(str(certificate), None if key is None else str(key))


def test_a_key_without_a_certificate():
    with pytest.raises(ConfigError, match="`tls_key` without `tls_cert`"):
        ServeConfig(("a.onnx",), tls_key="k.pem")


def test_a_key_with_a_password_is_no_question_at_the_terminal(tmp_path):
    locked = tmp_path / "locked.pem"
    locked.write_text(LOCKED)
    with pytest.raises(ConfigError, match="without a password"):
        check_certificate(str(FIRST), str(locked))
