"""Several models: by name, in a folder, and in Triton's layout of a model repository."""

import asyncio
import re
import shutil

import httpx
import numpy as np
import pytest

from kerascnn.errors import ConfigError
from kerascnn.printable import command_line
from kerascnn.serving import ModelConfig, ServeConfig, create_app
from kerascnn.serving.sources import unread_settings

from .asking import SAID, asked, finished
from .small_model import write_model


def serving(*models, **options) -> ServeConfig:
    """Of models that ``small_model`` wrote."""
    return ServeConfig(
        tuple(ModelConfig(str(path), name, "cpu", foreign=SAID) for name, path in models), **options
    )


def write_version(folder, number, matrix):
    (folder / str(number)).mkdir(parents=True)
    write_model(folder / str(number) / "model.onnx", matrix)


RED = np.zeros((16, 16, 3), np.uint8) + np.uint8([255, 0, 0])
TURNED = np.fliplr(np.eye(3)) * 8
"""Calls red blue."""


async def answer(client, name, version=None) -> int:
    """Which class red is."""
    of_version = f"/versions/{version}" if version else ""
    body = {"instances": [RED.tolist()]}
    found = await client.post(f"/v1/models/{name}{of_version}:predict", json=body)
    return int(np.argmax(found.json()["predictions"])) if found.status_code == 200 else -1


def test_models_by_name_and_path(tmp_path):
    for number, matrix in ((1, np.eye(3) * 8), (2, TURNED)):
        (tmp_path / f"v{number}").mkdir()
        write_model(tmp_path / f"v{number}" / "model.onnx", matrix)
    first, second = (str(tmp_path / f"v{number}" / "model.onnx") for number in (1, 2))
    assert ServeConfig((f"a={first}", f"b={second}")).names == ("a", "b")
    (tmp_path / "odd=name.onnx").touch()
    assert ServeConfig((str(tmp_path / "odd=name.onnx"),)).names == ("odd=name",)
    with pytest.raises(ConfigError, match="two models are called model"):
        ServeConfig((first, second))

    async def main():
        async with asked(serving(("a", first), ("b", second))) as (client, _):
            assert [await answer(client, name) for name in "ab"] == [0, 2]
            refused = await client.post("/predict", content=b"x")
            assert refused.status_code == 404
            assert "/v1/models/NAME/predict: a, b" in refused.json()["error"]

    finished(main())


def test_mounted_without_its_lifespan(tmp_path):
    write_model(tmp_path / "rgb.onnx", np.eye(3))

    async def main():
        app = create_app(serving(("rgb", tmp_path / "rgb.onnx")))
        transport = httpx.ASGITransport(app)  # like Starlette's mount, it does not run the lifespan
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            refused = await client.post("/predict", content=b"x")
            assert refused.status_code == 503
            assert "must run its lifespan" in refused.json()["error"]

    finished(main())


def test_folders(tmp_path):
    empty = tmp_path / "is empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match="a folder without models"):
        ServeConfig((str(empty),))
    (empty / "card.json").touch()
    export = command_line(["kerascnn", "export", str(empty), "--onnx"])
    with pytest.raises(ConfigError, match=f"It is a run folder .* {re.escape(export)}"):
        ServeConfig((str(empty),))
    with pytest.raises(ConfigError, match="not valid UTF-8; expected NAME=FILE"):
        ServeConfig((str(tmp_path / "\udcff.onnx"),))
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in "ab":
        write_model(flat / f"{name}.onnx", np.eye(3))
    write_model(flat / "E.ONNX", np.eye(3))
    (flat / "._a.onnx").write_bytes(b"\0\5\x16\7")  # macOS, on disks of others
    assert ServeConfig((str(flat),)).names == ("E", "a", "b")
    (flat / "E.ONNX").unlink()
    write_version(flat / "c", 1, np.eye(3))
    write_version(flat / "d", "01", np.eye(3))  # no version: it begins with zero
    (flat / "c" / "config.pbtxt").write_text('name: "c"')
    assert ServeConfig((str(flat),)).names == ("a", "b", "c")
    assert ServeConfig((str(flat / "c"),)).names == ("c",)
    (line,) = unread_settings(ServeConfig((str(flat),)).served)
    assert "c/config.pbtxt is not read" in line
    assert "--max-batch" in line
    assert ServeConfig((f"x={flat / 'c'}",)).names == ("x",)
    with pytest.raises(ConfigError, match="several models"):
        ServeConfig((f"x={flat}",))


def test_a_model_repository(tmp_path):
    model = tmp_path / "rgb"
    for number, matrix in ((9, np.eye(3) * 8), (10, TURNED)):
        write_version(model, number, matrix)

    async def main():
        async with asked(serving(("", tmp_path))) as (client, service):
            metadata = (await client.get("/v2/models/rgb")).json()
            assert metadata["versions"] == ["9", "10"]
            assert [await answer(client, "rgb", one) for one in (None, "9", "10", "11")] == [
                2, 0, 2, -1,
            ]  # fmt: skip
            index = (await client.post("/v2/repository/index")).json()
            assert [(row["version"], row["state"]) for row in index] == [
                ("10", "READY"), ("9", "READY"),
            ]  # fmt: skip
            # A newer version, one that is gone, and one that is replaced in its place.
            write_version(model, 11, np.eye(3) * 8)
            shutil.rmtree(model / "9")
            write_model(model / "10" / "model.onnx", np.eye(3) * 8)
            await service.models.reload()
            assert [await answer(client, "rgb", one) for one in (None, "9", "10", "11")] == [
                0, -1, 0, 0,
            ]  # fmt: skip
            assert service.ready
            shutil.move(model, tmp_path / "elsewhere")  # it may come again
            await service.models.reload()
            assert await answer(client, "rgb") == 0

    finished(main())


def test_a_folder_takes_the_place_of_a_file_and_a_file_that_of_a_folder(tmp_path):
    """The first kept every request from being answered, and nothing was loaded any more."""
    path = tmp_path / "rgb.onnx"
    write_model(path, np.eye(3) * 8)

    async def main():
        async with asked(serving(("", path))) as (client, service):

            async def served() -> tuple[int, int]:
                await service.models.reload()
                versions = (await client.get("/v2/models/rgb")).json()["versions"]
                return await answer(client, "rgb"), len(versions)

            assert await served() == (0, 1)
            path.unlink()
            path.mkdir()  # not complete yet
            assert await served() == (0, 1)
            write_version(path, 3, TURNED)
            assert await served() == (2, 1)
            shutil.rmtree(path)
            path.write_bytes(b"garbage")
            assert await served() == (2, 1)
            write_model(path, np.eye(3) * 8)
            assert await served() == (0, 1)
            index = (await client.post("/v2/repository/index")).json()
            assert [row["state"] for row in index] == ["READY"]
            assert service.ready

    finished(main())


def test_the_last_version_that_is_gone_is_served_until_another_comes(tmp_path):
    model = tmp_path / "rgb"
    write_version(model, 1, np.eye(3) * 8)

    async def main():
        async with asked(serving(("", tmp_path))) as (client, service):
            shutil.rmtree(model / "1")
            write_version(model, 2, TURNED)
            (model / "2" / "model.onnx").write_bytes(b"garbage")
            await service.models.reload()
            assert [await answer(client, "rgb", one) for one in (None, "1", "2")] == [0, 0, -1]
            write_model(model / "2" / "model.onnx", TURNED)
            await service.models.reload()
            assert [await answer(client, "rgb", one) for one in (None, "1", "2")] == [2, -1, 2]

    finished(main())


def test_a_version_that_does_not_load_leaves_the_older_one(tmp_path):
    write_version(tmp_path / "rgb", 1, np.eye(3) * 8)

    async def main():
        async with asked(serving(("", tmp_path))) as (client, service):
            write_version(tmp_path / "rgb", 2, TURNED)
            (tmp_path / "rgb" / "2" / "model.onnx").write_bytes(b"garbage")
            await service.models.reload()
            assert await answer(client, "rgb") == 0
            rows = (await client.post("/v2/repository/index", json={"ready": False})).json()
            assert [row["state"] for row in rows] == ["READY", "UNAVAILABLE"]
            assert "garbage" not in rows[0]["reason"] and rows[1]["reason"]
            ready = (await client.post("/v2/repository/index", json={"ready": True})).json()
            assert [row["version"] for row in ready] == ["1"]
            assert (await client.post("/v2/repository/index", content=b"x")).status_code == 400
            load = await client.post("/v2/repository/models/rgb/load")
            assert load.status_code == 400

    finished(main())


def test_what_is_set_for_one_model(tmp_path):
    for name in "ab":
        write_model(tmp_path / f"{name}.onnx", np.eye(3))
    config = ServeConfig(
        (ModelConfig(str(tmp_path / "a.onnx"), max_batch=2, max_queue=3, provider="cpu",
                     foreign=SAID),
         ModelConfig(str(tmp_path / "b.onnx"), provider="cpu", foreign=SAID)),
    )  # fmt: skip

    async def main():
        async with asked(config) as (client, service):
            assert service.models.get("a").batcher.sizes == (1, 2)
            assert service.models.get("b").batcher.sizes[-1] == 16
            sent = {"instances": [RED.tolist()] * 4}
            assert (await client.post("/v1/models/a:predict", json=sent)).status_code == 400
            assert (await client.post("/v1/models/b:predict", json=sent)).status_code == 200
            shown = (await client.get("/v2/models/a/config")).json()
            assert shown["max_batch_size"] == 3

    finished(main())


def test_statistics(tmp_path):
    write_model(tmp_path / "rgb.onnx", np.eye(3))

    async def main():
        async with asked(serving(("rgb", tmp_path / "rgb.onnx"))) as (client, service):
            for _ in range(3):
                assert await answer(client, "rgb") >= 0
            await client.post("/v1/models/rgb/predict", content=b"no picture")
            await asyncio.sleep(0)
            for path in ("models/stats", "models/rgb/stats"):
                (found,) = (await client.get(f"/v2/{path}")).json()["model_stats"]
                assert (found["name"], found["inference_count"]) == ("rgb", 3)
                assert found["execution_count"] == 3
                stages = found["inference_stats"]
                assert stages["success"]["count"] == stages["compute_infer"]["count"] == 3
                assert stages["fail"]["count"] == 1
                assert stages["success"]["ns"] >= stages["compute_infer"]["ns"] > 0
                assert found["batch_stats"][0]["batch_size"] == 1
                assert found["last_inference"] > 1_600_000_000_000
            version = service.models.get("rgb").version
            assert (await client.get(f"/v2/models/rgb/versions/{version}/stats")).status_code == 200
            assert (await client.get("/v2/models/rgb/versions/7/stats")).status_code == 404
            assert (await client.get("/v2/models/nobody/stats")).status_code == 404

    finished(main())
