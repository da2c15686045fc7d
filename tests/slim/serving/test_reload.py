"""Hot reload: a replaced file is switched to between two requests, a broken one is not."""

import shutil
import signal
import threading
import time

import pytest

from kerascnn.inference.metadata import read_card

from .conftest import encoded, http, wait_for


@pytest.fixture(scope="module")
def versions(exported, tmp_path_factory):
    """Two files whose answers can be told apart: the second has another name for each class."""
    other = exported.read_bytes()
    for name in read_card(exported).classes:  # of the same length, so the file stays one
        other = other.replace(name.encode(), name.swapcase().encode())
    folder = tmp_path_factory.mktemp("versions")
    (folder / "a.onnx").write_bytes(exported.read_bytes())
    (folder / "b.onnx").write_bytes(other)
    return folder / "a.onnx", folder / "b.onnx"


def replace(target, source):
    """As a deployment does it: a whole file, renamed over the old one."""
    shutil.copyfile(source, target.with_suffix(".tmp"))
    target.with_suffix(".tmp").replace(target)


def version(server) -> str:
    return http.get(f"{server.url}/v1/models").json()["models"][0]["version"]


@pytest.mark.slow
def test_switching_under_load(serving, versions, tmp_path, pictures):
    served = tmp_path / "clothes.onnx"
    replace(served, versions[0])
    content, seen, stop = encoded(pictures[3]), [], threading.Event()
    with serving(served, "--reload-seconds", 0.1) as server:
        first = http.post(f"{server.url}/predict", content=content).json()

        def ask():
            while not stop.is_set():
                answer = http.post(f"{server.url}/predict", content=content)
                seen.append((answer.status_code, answer.json().get("label")))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for turn in (1, 0, 1):
            before = version(server)
            replace(served, versions[turn])
            wait_for(lambda before=before: version(server) != before)
            time.sleep(0.2)
        stop.set()
        for thread in threads:
            thread.join()
        assert {status for status, _ in seen} == {200}
        labels = [label for _, label in seen]
        assert set(labels) == {first["label"], first["label"].swapcase()}
        assert labels[-1] == first["label"].swapcase()
        assert server.metric("reloads_total", outcome="ok") == 3
        assert server.metric("model_info") == 1  # the old versions are gone from it


def test_a_request_that_comes_in_while_its_model_is_replaced(serving, versions, tmp_path, pictures):
    served = tmp_path / "clothes.onnx"
    replace(served, versions[0])
    content = encoded(pictures[3])
    with serving(served, "--reload-seconds", 0.1) as server, server.connect() as connection:
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content[:50])
        wait_for(lambda: server.metric("body_bytes") == 50)
        before = version(server)
        replace(served, versions[1])
        wait_for(lambda: version(server) != before)
        time.sleep(0.3)
        connection.sendall(content[50:])
        assert b"200 OK" in connection.recv(15)


@pytest.mark.slow
def test_a_broken_file_is_not_switched_to(serving, versions, tmp_path, pictures):
    served = tmp_path / "clothes.onnx"
    replace(served, versions[0])
    with serving(served, "--reload-seconds", 0.1) as server:
        before = version(server)
        for broken in (b"", b"garbage", versions[1].read_bytes()[:-2000]):
            failed = server.metric("reloads_total", outcome="failed")
            (tmp_path / "broken").write_bytes(broken)
            (tmp_path / "broken").replace(served)
            wait_for(lambda n=failed: server.metric("reloads_total", outcome="failed") > n)
            assert version(server) == before
            answer = http.post(f"{server.url}/predict", content=encoded(pictures[0]))
            assert answer.status_code == 200
        served.unlink()
        time.sleep(0.3)
        assert version(server) == before
        assert http.get(f"{server.url}/v2/health/ready").status_code == 200
        replace(served, versions[1])
        wait_for(lambda: version(server) != before)


def test_sighup(serving, versions, tmp_path):
    served = tmp_path / "clothes.onnx"
    replace(served, versions[0])
    with serving(served, "--reload-seconds", 0) as server:
        before = version(server)
        replace(served, versions[1])
        time.sleep(0.5)
        assert version(server) == before
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: version(server) != before)
