"""What is no model, or no picture: a clear error, for that file alone."""

import json
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn import Classifier
from kerascnn.cli import main
from kerascnn.errors import KerascnnError, ModelFileError


@pytest.fixture
def model(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(exported, tmp_path / "clothes.onnx"))


def refused(path: Path, match: str) -> None:
    """Both doors: Python raises one of our errors, the command line says it in one sentence."""
    with pytest.raises(ModelFileError, match=match):
        Classifier(path)
    done = CliRunner().invoke(main, ["predict", str(path), "picture.png"])
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert path.name in done.stderr


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x89PNG\r\n\x1a\n", bytes(range(256)) * 40, b"\xff" * 1000, b"\x00" * 1000],
    ids=["empty", "text", "png", "bytes", "ones", "zeros"],
)
def test_what_is_not_an_onnx_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    refused(path, "not an ONNX file|truncated|cannot load")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file(share: float, model: Path) -> None:
    data = model.read_bytes()
    model.write_bytes(data[: int(share * len(data))])
    refused(model, "not an ONNX file, or a truncated one|no card")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", "no such file")
    (tmp_path / "folder.onnx").mkdir()
    refused(tmp_path / "folder.onnx", "cannot read it")


def test_a_card_of_an_unknown_schema(model: Path) -> None:
    data = model.read_bytes()
    assert data.count(b'"schema": 1}') == 1
    model.write_bytes(data.replace(b'"schema": 1}', b'"schema": 7}'))
    refused(model, "the card has schema 7, and this kerascnn reads schema 1")


def test_a_graph_with_an_unknown_operator(model: Path) -> None:
    data = model.read_bytes()
    assert b"Softmax" in data
    model.write_bytes(data.replace(b"\x22\x07Softmax", b"\x22\x07Saftmox"))
    refused(model, r"cannot load it \(.*Saftmox.*\)\. It has an operator that onnxruntime .* lacks")


def test_a_file_for_a_later_version_of_onnx(model: Path) -> None:
    """What onnxruntime says of it comes after three hundred characters of C++."""
    data = bytearray(model.read_bytes())
    assert data[0] == 8  # the field ir_version
    data[1] = 99
    model.write_bytes(data)
    refused(model, r"cannot load it \(Unsupported model IR version: 99.*update onnxruntime")


def test_a_graph_with_another_input(model: Path) -> None:
    """The name of the input is changed where it stands, so that the file stays whole."""
    data = model.read_bytes()
    model.write_bytes(data.replace(b"\x05image", b"\x05imago"))
    refused(model, r"takes .*imago.*expected image \(uint8\)")


def bomb(path: Path, width: int, height: int) -> None:
    """Write a PNG whose header promises far more pixels than there are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(bytes(1000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b""))


def test_bad_pictures_are_named_one_by_one_and_the_rest_goes_on(model: Path) -> None:
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save("good.png")
    Image.fromarray(np.full((400, 400, 3), 90, np.uint8)).save("whole.jpg")
    Path("cut.jpg").write_bytes(Path("whole.jpg").read_bytes()[:600])
    bomb(Path("bomb.png"), 100_000, 100_000)
    bomb(Path("zero.png"), 0, 5)
    Path("text.png").write_text("no picture", encoding="utf-8")
    Path("empty.png").write_bytes(b"")
    Path("folder.png").mkdir()
    url = "https://example.org/a.jpg"
    bad = [
        url,
        "cut.jpg",
        "bomb.png",
        "zero.png",
        "text.png",
        "empty.png",
        "folder.png",
        "none.png",
    ]
    paths = [name for one in bad for name in (one, "good.png")]
    done = CliRunner().invoke(main, ["predict", str(model), *paths, "--json", "--batch-size", "3"])
    assert done.exit_code == 3
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["path"] for row in rows] == paths
    assert all(row["error"].startswith(row["path"]) for row in rows[::2])
    assert "URLs are not fetched" in rows[0]["error"]
    assert "too many pixels" in rows[4]["error"] or "more than the limit" in rows[4]["error"]
    alone = Classifier(model).predict(["good.png"])[0]
    assert all(row["label"] == alone.label for row in rows[1::2])


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 32, 32, 3), np.float32),
        np.zeros((32, 32, 3), np.uint8),
        np.zeros((1, 3, 32, 32), np.uint8),
        np.zeros((1, 31, 32, 3), np.uint8),
    ],
    ids=["float", "one picture", "planes", "size"],
)
def test_a_batch_of_another_type_or_shape(batch: np.ndarray, model: Path) -> None:
    with pytest.raises(KerascnnError, match=r"expected uint8 \[batch, 32, 32, 3\]"):
        Classifier(model).run(batch)


def test_a_path_without_permission_is_its_own_line(model: Path, monkeypatch) -> None:
    Image.new("RGB", (8, 8)).save("mine.png")
    Image.new("RGB", (8, 8)).save("theirs.png")
    real = open

    def refusing(file, *arguments, **options):
        if str(file) == "theirs.png":
            raise PermissionError(13, "Permission denied", file)
        return real(file, *arguments, **options)

    monkeypatch.setattr("builtins.open", refusing)
    monkeypatch.setattr("os.access", lambda path, *_mode: path != "theirs.png")
    done = CliRunner().invoke(main, ["predict", str(model), "theirs.png", "mine.png", "--json"])
    first, second = map(json.loads, done.stdout.splitlines())
    assert (done.exit_code, "permission" in first["error"].lower(), "label" in second) == (
        3,
        True,
        True,
    )
