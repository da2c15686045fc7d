"""Under pressure: what is too much is refused, what is late is cut, what is gone costs nothing.

Pictures and networks take no time here: the servers are held until a test lets them go on.
"""

import signal
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from kerascnn.parallel import usable_cpus

from .conftest import exchange, http, post, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.serial]


def test_a_full_queue_refuses_with_retry_after(serving, exported, content):
    with serving(exported, "--max-queue", 3, "--max-batch", 2, hold="decode") as server:
        with ThreadPoolExecutor(3) as pool, server.gate.held():
            taken = [pool.submit(post, server, content) for _ in range(3)]
            wait_for(lambda: server.metric("queue_pictures") == 3)
            refused = [post(server, content) for _ in range(4)]
            assert server.metric("queue_pictures") == 3
        assert [answer.result().status_code for answer in taken] == [200] * 3
        for answer in refused:
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) >= 1
            assert "3 pictures are waiting" in answer.json()["error"]
        wait_for(
            lambda: server.metric("requests_total", model=exported.stem, outcome="refused") == 4
        )
        # Normal again at once.
        wait_for(lambda: server.metric("queue_pictures") == 0)
        assert post(server, content).status_code == 200


@pytest.mark.parametrize("hold", ["decode", "run"])
def test_late_answers_are_cut_at_the_deadline(serving, exported, content, hold):
    with serving(exported, "--timeout", 0.6, hold=hold) as server:
        with ThreadPoolExecutor(12) as pool, server.gate.held():
            asked = [pool.submit(post, server, content) for _ in range(12)]
            late = [answer.result() for answer in asked]
            wait_for(lambda: server.metric("queue_pictures") == 0)
        for answer in late:
            assert answer.status_code == 503
            assert "no response within 0.6 s" in answer.json()["error"]
            assert "Retry-After" in answer.headers
        wait_for(lambda: server.metric("requests_total", outcome="deadline") == 12)
        wait_for(lambda: post(server, content).status_code == 200)


@pytest.mark.parametrize(("hold", "busy"), [("decode", usable_cpus()), ("run", 1)])
def test_clients_that_hang_up_cost_no_more_work(serving, exported, content, hold, busy):
    clients = busy + 20
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
    with serving(exported, "--max-batch", 1, hold=hold) as server:
        calls = server.gate.calls
        with server.gate.held():
            connections = [server.connect() for _ in range(clients)]
            for connection in connections:
                connection.sendall(head.encode() + content)
            wait_for(lambda: server.metric("queue_pictures") == clients)
            wait_for(lambda: server.gate.calls == calls + busy)
            for number, connection in enumerate(connections):
                if number % 2:  # a reset instead of an end
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()
            wait_for(lambda: server.metric("requests_total", outcome="gone") == clients)
            wait_for(lambda: server.metric("queue_pictures") == 0)
        # Work is done in order, so after this answer nothing of the others' is left to do.
        assert post(server, content).status_code == 200
        assert server.gate.calls == calls + busy + 1
        wait_for(lambda: server.metric("batch_pictures_sum") == (2 if hold == "run" else 1))


def test_sigterm_finishes_what_was_taken(serving, exported, content):
    with serving(exported, hold="decode") as server:
        with ThreadPoolExecutor(4) as pool, server.gate.held():
            asked = [pool.submit(post, server, content) for _ in range(4)]
            wait_for(lambda: server.metric("queue_pictures") == 4)
            server.process.send_signal(signal.SIGTERM)

            def refused() -> bool:
                try:
                    server.connect().close()
                except ConnectionRefusedError:
                    return True
                return False

            wait_for(refused)
            assert server.process.poll() is None
        assert [answer.result().status_code for answer in asked] == [200] * 4
        assert server.process.wait(100) == 0
        assert server.process.stderr.read() == ""


def test_the_grace_ends(serving, exported):
    with serving(exported, "--grace", 0.5) as server:
        with server.connect() as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
            wait_for(lambda: server.metric("body_bytes") == 1)
            assert server.stop() == 1
        assert "1 requests were not finished within 0.5 s" in server.process.stderr.read()


def test_idle_connections_do_not_hold_it_up(serving, exported):
    """If they did, the time of grace would have to end first, and that is long."""
    with serving(exported) as server, server.connect() as fresh, server.connect() as used:
        used.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in used.recv(100)
        assert server.stop() == 0
        assert fresh.recv(10) == b""


def test_too_much_in_flight_at_a_time(serving, exported):
    with serving(exported, "--max-body-mb", 0.1) as server, ExitStack() as stack:
        # 30 clients that each send nine tenths of the largest body, and keep the rest.
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
        connections = [stack.enter_context(server.connect()) for _ in range(30)]
        for connection in connections:
            with suppress(BrokenPipeError, ConnectionResetError):  # refused already
                connection.sendall(head + bytes(90_000))
        wait_for(lambda: server.metric("requests_total", outcome="refused") >= 10)
        assert server.metric("body_bytes") <= 17 * 100_000
        stack.close()
        wait_for(lambda: server.metric("body_bytes") == 0)


def test_clients_that_do_not_read_are_cut(serving, exported):
    with serving(exported, "--read-timeout", 3) as server:
        document = len(http.get(f"{server.url}/openapi.json").content)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.connect((server.host, int(server.port)))
            # Answers of 20 MB together fill every buffer on the way.
            count = 20_000_000 // document
            deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * count)

            def cut() -> bool:
                try:
                    deaf.sendall(b"\r\n")  # means nothing between two requests
                except ConnectionError:
                    return True
                return False

            wait_for(cut)
        assert exchange(server, b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200
        assert server.stop() == 0  # nothing is left that waits for it
