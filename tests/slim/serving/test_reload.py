"""Hot reload: a replaced file is switched to between two requests, a broken one is not."""

import asyncio
import shutil
import signal
import threading
from itertools import groupby

import httpx
import pytest

from kerascnn.inference.model_file.metadata import read_card
from kerascnn.serving import ServeConfig, create_app
from kerascnn.serving.repository import ModelRepository
from kerascnn.serving.service import Service

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


def wait_for_checks(server, count: int = 2) -> None:
    """Wait until the server has looked at its files so many times more; the first may be old."""
    before = server.metric("reload_checks_total")
    wait_for(lambda: server.metric("reload_checks_total") >= before + count)


@pytest.mark.slow
def test_switching_under_load(serving, versions, tmp_path, pictures):
    served = tmp_path / "clothes.onnx"
    replace(served, versions[0])
    content, stop = encoded(pictures[3]), threading.Event()
    seen = [[] for _ in range(4)]  # by each client, in its order
    with serving(served, "--reload-seconds", 0.1) as server:
        first = http.post(f"{server.url}/predict", content=content).json()["label"]
        names = (first, first.swapcase())

        def ask(mine):
            while not stop.is_set():
                answer = http.post(f"{server.url}/predict", content=content)
                mine.append((answer.status_code, answer.json().get("label")))

        def all_see(name):
            return all(mine and mine[-1] == (200, name) for mine in seen)

        threads = [threading.Thread(target=ask, args=(mine,)) for mine in seen]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: all_see(names[0]))
            for turn in (1, 0, 1):
                replace(served, versions[turn])
                wait_for(lambda turn=turn: all_see(names[turn]))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        for mine in seen:  # each answered, and never by a version that was left already
            assert {status for status, _ in mine} == {200}
            assert [label for label, _ in groupby(mine)] == [(200, names[n]) for n in (0, 1, 0, 1)]
        wait_for(lambda: server.metric("reloads_total", outcome="ok") == 3)
        wait_for(lambda: server.metric("model_info") == 1)  # the old versions are gone from it


def test_a_request_that_comes_in_while_its_model_is_replaced(versions, tmp_path, pictures):
    served = tmp_path / "clothes.onnx"
    replace(served, versions[0])
    content = encoded(pictures[3])

    async def main():
        service = Service(ServeConfig((str(served),)))
        app = httpx.ASGITransport(create_app(service))
        await service.models.load()
        old = service.models.get("clothes").version
        half, rest = asyncio.Event(), asyncio.Event()

        async def slowly():
            yield content[:50]
            half.set()
            await rest.wait()
            yield content[50:]

        async with httpx.AsyncClient(transport=app, base_url="http://server") as client:
            asking = asyncio.create_task(client.post("/predict", content=slowly()))
            await half.wait()
            replace(served, versions[1])
            reloading = asyncio.create_task(service.models.reload())
            while service.models.get("clothes").version == old:
                await asyncio.sleep(0.01)
            assert not reloading.done()  # the old one may not be closed yet
            other = await client.post("/predict", content=content)
            rest.set()
            answer = await asking
            await reloading
        service.close()
        return answer, other

    answer, other = asyncio.run(asyncio.wait_for(main(), 100))
    assert (answer.status_code, other.status_code) == (200, 200)
    assert other.json()["label"] == answer.json()["label"].swapcase()


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
        failed = server.metric("reloads_total", outcome="failed")
        served.unlink()
        wait_for_checks(server)
        assert version(server) == before
        assert http.get(f"{server.url}/v2/health/ready").status_code == 200
        assert server.metric("reloads_total", outcome="failed") == failed  # it may come again
        replace(served, versions[1])
        wait_for(lambda: version(server) != before)


def test_sighup(serving, versions, tmp_path):
    served = tmp_path / "clothes.onnx"
    replace(served, versions[0])
    with serving(served, "--reload-seconds", 0) as server:
        before = version(server)
        replace(served, versions[1])
        assert server.metric("reload_checks_total") == 0
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: server.metric("reload_checks_total") > 0)
        assert version(server) != before
        assert server.metric("reload_checks_total") == 1  # nobody looked but for the signal


@pytest.mark.parametrize("seconds", [0, 0.5])
def test_nobody_looks_for_newer_files_unasked(versions, monkeypatch, seconds):
    asked = []

    def watch(models):
        asked.append(models)
        return asyncio.sleep(0)

    async def main():
        steps = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

        async def step():
            return next(steps)

        async def told(_message):
            pass

        config = ServeConfig((str(versions[0]),), reload_seconds=seconds)
        await create_app(config)({"type": "lifespan", "state": {}}, step, told)

    monkeypatch.setattr(ModelRepository, "watch", watch)
    asyncio.run(main())
    assert len(asked) == (seconds > 0)
