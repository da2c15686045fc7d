"""`kerascnn card` reads a file without Keras, onnx or onnxruntime."""

import json
import sys

import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.inference.model_file.metadata import read_card

pytestmark = pytest.mark.both


@pytest.fixture(autouse=True)
def _nothing_heavy(monkeypatch) -> None:
    for module in ("keras", "tensorflow", "onnx", "onnxruntime", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)  # importing it fails


def test_everything_that_a_file_of_ours_says(exported) -> None:
    card = read_card(exported)
    done = CliRunner().invoke(main, ["card", str(exported)])
    assert done.exit_code == 0, done.output
    lines = {" ".join(line.split()) for line in done.stdout.splitlines()}
    assert f"file {exported}: {exported.stat().st_size:,} bytes" in lines
    assert f"classes ({len(card.classes)}) {', '.join(card.classes)}" in lines
    assert "input image: uint8 [batch, height, width, 3]" in lines
    assert f"output probabilities: float32 [batch, {len(card.classes)}]" in lines
    assert f"probes {len(card.probes)} pictures that every provider is checked on" in lines
    said = [card.weights_sha256, card.parity.data, f"keras {card.versions['keras']}", card.network,
            f"opset ai.onnx {18}", card.precision, card.data["sha256"], "none enlarged",
            f"val_top1 {card.metrics['val_top1']:.6g}"]  # fmt: skip
    text = "\n".join(lines)
    assert [one for one in said if one not in text] == []


def test_summary_names_it_for_files_of_its_kind(exported) -> None:
    done = CliRunner().invoke(main, ["summary", str(exported)])
    assert (done.exit_code, "kerascnn card shows their metadata" in done.output) == (1, True), (
        done.output
    )


def test_as_json(exported) -> None:
    found = json.loads(CliRunner().invoke(main, ["card", str(exported), "--json"]).stdout)
    assert found["card"] == json.loads(read_card(exported).to_json())
    assert found["inputs"] == [
        {"name": "image", "type": "uint8", "shape": ["batch", "height", "width", 3]}
    ]
    assert [end["name"] for end in found["outputs"]] == ["logits", "probabilities"]
    assert (found["opsets"], found["bytes"]) == ({"ai.onnx": 18}, exported.stat().st_size)
    assert found["producer"].startswith("kerascnn ")
    assert "kerascnn" not in found["metadata"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"hello", "not an ONNX file"), (None, "no such file"), (b"", "not an ONNX file"),
     (b"\x89HDF\r\n\x1a\n", "an HDF5 file")],
)  # fmt: skip
def test_what_is_no_onnx_file(content, said, tmp_path) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    done = CliRunner().invoke(main, ["card", str(path)])
    assert (done.exit_code, said in done.stderr) == (1, True), done.output
    assert len(done.output.splitlines()) == 1


def test_half_a_file(exported, tmp_path) -> None:
    whole = exported.read_bytes()
    for length in (len(whole) // 2, len(whole) - 3, 40):
        (tmp_path / "m.onnx").write_bytes(whole[:length])
        done = CliRunner().invoke(main, ["card", str(tmp_path / "m.onnx")])
        assert (done.exit_code, "truncated" in done.stderr) == (1, True)
