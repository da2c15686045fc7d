"""Files of models: errors of any kind end nothing, and weights beside a file are part of it."""

import asyncio
import os
from contextlib import asynccontextmanager

import httpx
import numpy as np
import onnxruntime
import pytest

from kerascnn import Classifier
from kerascnn.errors import KerascnnError
from kerascnn.inference.model_file.external_data import files_beside
from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.serving import ModelConfig, ServeConfig, create_app, repository
from kerascnn.serving import served_model as home
from kerascnn.serving.model_file import ModelFile
from kerascnn.serving.service import Service

from .small_model import entry, field, write_model


def of(*paths, **options) -> Service:
    foreign = ForeignModel(("red", "green", "blue"), normalize="unit")
    defaults = {"reload_seconds": 0, "provider": "cpu", "foreign": foreign}
    return Service(ServeConfig(tuple(map(str, paths)), **defaults | options))


@asynccontextmanager
async def loaded(path, **options):
    """A service of the small model that is written there, loaded; it is closed at the end."""
    write_model(path, np.eye(3))
    service = of(path, **options)
    await service.models.load()
    yield service
    service.close()


def version(service: Service) -> str:
    return service.models.get("rgb").version


def finished(main):
    """Run a test's coroutine; the limit only ends one that would wait for ever."""
    return asyncio.run(asyncio.wait_for(main, 100))


def asking(service: Service) -> httpx.AsyncClient:
    app = httpx.ASGITransport(create_app(service))
    return httpx.AsyncClient(transport=app, base_url="http://127.0.0.1")


def failed(service: Service, name: str) -> float:
    labels = {"model": name, "outcome": "failed"}
    return service.metrics.registry.get_sample_value("kerascnn_reloads_total", labels) or 0


KINDS = [ValueError("odd"), RuntimeError(""), MemoryError(), RecursionError("deep"), KeyError(3)]


@pytest.fixture
def opening(monkeypatch):
    """How often models were opened; the next opening fails with what is put into it."""
    opened, errors = [], []

    class Opened(home.Classifier):
        def __init__(self, path, *rest):
            opened.append(path)
            if errors:
                raise errors.pop()
            super().__init__(path, *rest)

    monkeypatch.setattr(home, "Classifier", Opened)
    return opened, errors


@pytest.mark.parametrize("error", KINDS, ids=repr)
def test_an_error_of_any_kind_ends_no_reloading(tmp_path, opening, caplog, error):
    path = tmp_path / "rgb.onnx"

    async def main():
        async with loaded(path) as service:
            first = version(service)
            opening[1].append(error)
            write_model(path, np.eye(3) * 2)
            await service.models.reload()
            assert (service.ready, version(service)) == (True, first)
            assert failed(service, "rgb") == 1
            write_model(path, np.eye(3) * 3)
            await service.models.reload()
            assert version(service) != first

    finished(main())
    assert type(error).__name__ in caplog.text
    assert "the older version stays in use" in caplog.text


@pytest.mark.parametrize("error", KINDS, ids=repr)
def test_an_error_of_any_kind_at_the_start_is_told(tmp_path, opening, exported, error):
    path, told = tmp_path / "rgb.onnx", []

    async def main():
        write_model(path, np.eye(3))
        service = of(path)
        opening[1].append(error)
        life, steps = asyncio.Event(), iter(({"type": "lifespan.startup"},))

        async def receive():
            for step in steps:
                return step
            await life.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message):
            told.append(message)

        def fail(found):
            told.append(found)
            life.set()

        await create_app(service, failed=fail)({"type": "lifespan", "state": {}}, receive, send)
        assert failed(service, "rgb") == 1
        async with asking(service) as client:
            ready = await client.get("/v2/health/ready")
            asked = await client.post("/predict", content=b"x")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert type(error).__name__ in ready.json()["reason"]
        assert asked.status_code == 503
        assert type(error).__name__ in asked.json()["error"]

    finished(main())
    assert any(type(error).__name__ in str(found) for found in told)


def test_one_that_fails_keeps_no_other_from_being_served(tmp_path, exported):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"garbage")

    async def main():
        service = of(broken, exported, foreign=None)
        with pytest.raises(KerascnnError, match="broken"):
            await service.models.load()
        assert service.models.get(exported.stem)
        assert not service.ready
        broken.write_bytes(exported.read_bytes())
        await service.models.reload()
        assert service.ready
        assert service.models.problem is None
        service.close()

    finished(main())


def test_what_waits_at_the_start_is_opened_once(tmp_path, opening):
    paths = [tmp_path / f"{name}.onnx" for name in "abc"]

    async def main():
        for path in paths:
            write_model(path, np.eye(3))
        said = of(paths[0]).config.foreign
        config = ServeConfig(tuple(ModelConfig(str(path), foreign=said) for path in paths))
        models = Service(config).models
        await asyncio.gather(models.load(), models.reload(), models.reload())
        assert models.ready
        models.close()

    finished(main())
    assert opening[0] == paths


def test_weights_beside_a_file_are_part_of_its_version(tmp_path):
    async def main():
        path = tmp_path / "rgb.onnx"
        async with loaded(path) as service:
            red = np.zeros((16, 16, 3), np.uint8) + np.uint8([255, 0, 0])
            async with asking(service) as client:
                seen = []
                for matrix in (np.eye(3) * 8, np.fliplr(np.eye(3)) * 8):
                    # Only the file beside it is replaced.
                    (tmp_path / "new").write_bytes(matrix.astype("<f4").tobytes())
                    (tmp_path / "new").replace(tmp_path / "rgb.onnx.data")
                    await service.models.reload()
                    headers = {"Inference-Header-Content-Length": "0"}
                    asked = await client.post("/v2/models/rgb/infer", content=red.tobytes(),
                                              headers=headers)  # fmt: skip
                    length = int(asked.headers["Inference-Header-Content-Length"])
                    logits = np.frombuffer(asked.content, "<f4", 3, length)
                    seen.append((version(service), int(logits.argmax())))
        return seen

    (first, red), (second, blue) = finished(main())
    assert first != second
    assert (red, blue) == (0, 2)


@pytest.mark.parametrize("provider", ["cpu", "openvino"])
@pytest.mark.parametrize("location", ["rgb.onnx.data", "./w.bin", "sub/folder/w.bin"])
def test_weights_overwritten_in_place_do_not_change_the_open_model(tmp_path, provider, location):
    if provider == "openvino":
        pytest.importorskip("openvino")
    elif not hasattr(onnxruntime.SessionOptions, "add_external_initializers_from_files_in_memory"):
        pytest.skip("this onnxruntime maps such files")
    path, weights = tmp_path / "rgb.onnx", tmp_path / location
    weights.parent.mkdir(parents=True, exist_ok=True)
    write_model(path, np.arange(3), location, "Add")
    foreign = ForeignModel(("red", "green", "blue"), normalize="unit")
    red = np.zeros((1, 16, 16, 3), np.uint8) + np.uint8([255, 0, 0])
    with Classifier(path, provider, foreign=foreign) as classifier:
        before = classifier.run(red)[0]
        with weights.open("r+b") as file:
            file.write(np.full(3, 7, "<f4").tobytes())
        assert np.array_equal(classifier.run(red)[0], before)
        with weights.open("r+b") as file:
            file.truncate(0)
        assert np.array_equal(classifier.run(red)[0], before)
    with pytest.raises(KerascnnError, match="cannot load"):
        Classifier(path, provider, foreign=foreign)


def test_two_models_do_not_share_a_version(tmp_path):
    versions = []
    for name, factor in (("a", 1), ("b", 2), ("c", 1)):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "m.onnx"
        write_model(path, np.eye(3) * factor, location="weights.bin")
        file = ModelFile(path)
        file.find_companions()
        versions.append(file.version())
    assert versions[0] == versions[2] != versions[1]


def test_looking_for_newer_files_goes_on_after_any_error(tmp_path, monkeypatch, caplog):
    path = tmp_path / "rgb.onnx"
    look, calls = repository.versions_in, []

    def failing(folder):
        calls.append(folder)
        if 1 < len(calls) < 4:
            raise ValueError("odd")
        return look(folder)

    monkeypatch.setattr(repository, "versions_in", failing)

    async def main():
        async with loaded(path, reload_seconds=0.01) as service:
            first = version(service)
            watching = asyncio.create_task(service.models.watch())
            write_model(path, np.eye(3)[::-1])
            while version(service) == first:
                assert not watching.done()
                await asyncio.sleep(0.01)
            watching.cancel()

    finished(main())
    assert caplog.text.count("looking for newer files failed") == 1, "one error is told once"


def test_one_overwritten_in_place_with_the_old_size_and_time_is_taken(tmp_path):
    path = tmp_path / "rgb.onnx"

    async def main():
        async with loaded(path) as service:
            first, before = version(service), path.stat()
            while (
                path.stat().st_ctime_ns == before.st_ctime_ns
            ):  # clocks of file systems are coarse
                write_model(path, np.eye(3)[::-1])
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            assert path.stat().st_size == before.st_size
            await service.models.reload()
            second = version(service)
        return first != second

    assert finished(main())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_in_its_place_is_refused_and_the_next_file_taken(tmp_path):
    """Opening it would wait for ever, and nothing would be reloaded any more."""
    path = tmp_path / "rgb.onnx"

    async def main():
        async with loaded(path) as service:
            (before,) = service.models.versions("rgb")
            path.unlink()
            os.mkfifo(path)
            await service.models.reload()
            assert failed(service, "rgb") == 1
            assert service.models.versions("rgb") == [before]
            path.unlink()
            write_model(path, np.eye(3)[::-1])
            await service.models.reload()
            (after,) = service.models.versions("rgb")
        return before.version != after.version

    assert finished(main())


def test_a_file_of_its_own_keeps_its_version(exported):
    import hashlib

    file = ModelFile(exported)
    file.find_companions()
    assert file.version() == hashlib.sha256(exported.read_bytes()).hexdigest()[:12]


def test_weights_that_are_missing_or_elsewhere(tmp_path):
    async def main():
        path = tmp_path / "rgb.onnx"
        async with loaded(path) as service:
            first = version(service)
            (tmp_path / "rgb.onnx.data").unlink()
            await service.models.reload()
            assert version(service) == first
            write_model(path, np.eye(3) * 5)  # they come again
            await service.models.reload()
            assert version(service) != first

    finished(main())
    outside = tmp_path / "outside.onnx"
    for location in ("../x", "/etc/hostname", "a/../../x", ""):
        tensor = field(8, "w") + entry("location", location)
        outside.write_bytes(field(7, field(5, tensor)))
        assert files_beside(outside) == ()


def test_tensors_of_every_place_are_found(tmp_path):
    tensor = field(8, "w") + entry("location", "deep.bin")
    attribute = field(5, field(5, tensor))
    subgraph = field(5, field(6, field(1, attribute)))
    sparse = field(15, field(1, tensor))
    path = tmp_path / "m.onnx"
    for model in (
        field(7, field(1, attribute)),
        field(7, field(1, subgraph)),
        field(7, sparse),
        field(7, b"") + field(25, field(7, attribute)),
    ):
        path.write_bytes(model)
        assert files_beside(path) == (tmp_path / "deep.bin",)
