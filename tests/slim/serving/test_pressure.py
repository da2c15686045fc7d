"""Under pressure: what is too much is refused, what is late is cut, what is gone costs nothing."""

import signal
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import encoded, exchange, http, wait_for

pytestmark = pytest.mark.slow


def post_many(server, content: bytes, count: int) -> list:
    with ThreadPoolExecutor(count) as pool:
        return list(
            pool.map(lambda _: http.post(f"{server.url}/predict", content=content), range(count))
        )


def test_a_full_queue_refuses_with_retry_after(serving, exported, slow_picture, pictures):
    with serving(exported, "--max-queue", 3, "--max-batch", 2) as server:
        answers = post_many(server, slow_picture, 10)
        assert {answer.status_code for answer in answers} == {200, 503}
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(refused) >= 3
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
        assert "pictures are waiting" in refused[0].json()["error"]
        counted = server.metric("requests_total", model=exported.stem, outcome="refused")
        assert counted == len(refused)
        # Normal again at once.
        assert server.metric("queue_pictures") == 0
        good = http.post(f"{server.url}/predict", content=encoded(pictures[0]))
        assert good.status_code == 200


def test_late_answers_are_cut_at_the_deadline(serving, exported, slow_picture):
    with serving(exported, "--timeout", 0.6) as server:
        began = time.monotonic()
        answers = post_many(server, slow_picture, 12)
        took = time.monotonic() - began
        assert {answer.status_code for answer in answers} <= {200, 503}
        late = [a for a in answers if a.status_code == 503 and "no answer within" in a.text]
        assert late
        assert all("Retry-After" in answer.headers for answer in late)
        assert took < 5  # twelve of them take longer than that only if none was given up
        assert server.metric("requests_total", outcome="deadline") == len(late)
        wait_for(lambda: server.metric("queue_pictures") == 0)


@pytest.mark.parametrize("politely", [True, False])
def test_clients_that_hang_up_cost_no_more_work(serving, exported, slow_picture, politely):
    with serving(exported) as server:
        connections = [server.connect() for _ in range(30)]
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(slow_picture)}\r\n\r\n"
        for connection in connections:
            connection.sendall(head.encode() + slow_picture)
        wait_for(lambda: server.metric("queue_pictures") >= 20)
        for connection in connections:
            if not politely:  # a reset instead of an end
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.close()
        wait_for(lambda: server.metric("queue_pictures") == 0, seconds=5)
        time.sleep(1)
        assert server.metric("batch_pictures_sum") < 15  # of thirty
        assert server.metric("requests_total", outcome="gone") >= 15


def test_sigterm_finishes_what_was_taken(serving, exported, slow_picture):
    with serving(exported, "--grace", 20, "--timeout", 20) as server:
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.extend(post_many(server, slow_picture, 1)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        wait_for(lambda: server.metric("queue_pictures") == 4)
        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()

        def refused() -> bool:
            try:
                server.connect().close()
            except ConnectionRefusedError:
                return True
            return False

        wait_for(refused, seconds=5)
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 20
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [200] * 4
        assert server.process.stderr.read() == ""


def test_the_grace_ends(serving, exported):
    with serving(exported, "--grace", 0.5) as server:
        with server.connect() as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
            wait_for(lambda: server.metric("body_bytes") == 1)
            began = time.monotonic()
            assert server.stop() == 1
            assert time.monotonic() - began < 5
        assert "1 requests were not finished within 0.5 s" in server.process.stderr.read()


def test_idle_connections_do_not_hold_it_up(serving, exported):
    with serving(exported) as server, server.connect() as fresh, server.connect() as used:
        used.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in used.recv(100)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5
        assert fresh.recv(10) == b""


def test_too_much_in_flight_at_a_time(serving, exported):
    with serving(exported, "--max-body-mb", 0.1, "--read-timeout", 5) as server:
        # 30 clients that each send nine tenths of the largest body, and keep the rest.
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
        connections = [server.connect() for _ in range(30)]
        for connection in connections:
            connection.sendall(head + bytes(90_000))
        wait_for(lambda: server.metric("requests_total", outcome="refused") >= 10)
        assert server.metric("body_bytes") <= 17 * 100_000
        for connection in connections:
            connection.close()
        wait_for(lambda: server.metric("body_bytes") == 0)


def test_clients_that_do_not_read_are_cut(serving, exported):
    with serving(exported, "--read-timeout", 1, "--max-queue", 100_000) as server:
        request = (
            f"POST /v2/models/{exported.stem}/infer HTTP/1.1\r\nHost: x\r\n"
            "Inference-Header-Content-Length: 0\r\n"
            f"Content-Length: {5000 * 3072}\r\n\r\n"
        )
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.connect((server.host, int(server.port)))
            for _ in range(40):  # answers of 400 kB each fill every buffer on the way
                deaf.settimeout(3)
                try:
                    deaf.sendall(request.encode() + bytes(5000 * 3072))
                except (TimeoutError, ConnectionError):
                    break
            wait_for(lambda: server.metric("body_bytes") == 0)
        assert exchange(server, b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200
