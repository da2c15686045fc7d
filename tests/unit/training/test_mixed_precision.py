"""Lower precision: smaller, still right, and every changed answer counted."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from kerascnn import Classifier, training
from kerascnn.card import ModelCard
from kerascnn.cli import main
from kerascnn.dataset import load_dataset, sized_pictures
from kerascnn.errors import ParityError
from kerascnn.training.export.graph import in_order
from kerascnn.training.export.precision.quantize import layers


@pytest.fixture(scope="module")
def small(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The trained network in both lower precisions, exported as people do."""
    folder = tmp_path_factory.mktemp("small")
    files = {name: folder / f"{name}.onnx" for name in ("float16", "int8")}
    for name, path in files.items():
        arguments = ["export", str(trained), "--onnx", "--precision", name, "--out", str(path)]
        done = CliRunner().invoke(main, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        printed = json.loads(done.stdout)
        assert printed["parity"]["top1_mismatches"] == printed["card"]["parity"]["top1_mismatches"]
        path.with_suffix(".json").write_text(done.stdout, encoding="utf-8")
    return files


@pytest.fixture(scope="module")
def test_split() -> tuple[np.ndarray, np.ndarray]:
    split = load_dataset("fashion-mini").splits["test"]
    return np.stack(list(sized_pictures(split.pictures, 32, "pad"))), split.labels


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_what_the_card_says_is_what_is_found(precision, small, exported, test_split) -> None:
    images, labels = test_split
    classifier, before = Classifier(small[precision], "cpu"), Classifier(exported, "cpu")
    card = classifier.card
    found, expected = (c.run(images)[1].argmax(1) for c in (classifier, before))
    assert card.precision == precision
    assert card.parity.images == len(images) == 500
    assert card.parity.top1_mismatches == (found != expected).sum()
    assert card.reduction.top1_before == pytest.approx((expected == labels).mean())
    assert card.reduction.top1_after == pytest.approx((found == labels).mean())
    assert card.reduction.dropped <= 0.5
    assert card.reduction.speedup["cpu"] > 0
    assert ModelCard.from_json(card.to_json()) == card


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "size", "kind"), [("float16", 0.6, 10), ("int8", 0.35, 3)])
def test_the_file_is_smaller_and_keeps_the_contract(precision, size, kind, small, exported) -> None:
    model = onnx.load(small[precision])
    onnx.checker.check_model(model, full_check=True)
    assert small[precision].stat().st_size < size * exported.stat().st_size
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert [value.type.tensor_type.elem_type for value in model.graph.output] == [1, 1]
    assert model.graph.input[0].type.tensor_type.elem_type == 2
    weights = [t for t in model.graph.initializer if t.data_type == kind and len(t.dims) > 1]
    assert len(weights) >= 3


@pytest.mark.slow
def test_raw_pictures_of_any_size_go_into_an_int8_file_too(small, photograph) -> None:
    import onnxruntime

    from kerascnn import images

    session = onnxruntime.InferenceSession(small["int8"], providers=["CPUExecutionProvider"])
    classifier = Classifier(small["int8"], "cpu")
    for height, width in ((32, 32), (100, 75), (31, 64)):
        raw = photograph(height, width)
        sized = images.size_picture(raw, 32, classifier.card.resize)
        found = session.run(["probabilities"], {"image": raw[None]})[0]
        np.testing.assert_allclose(found, classifier.run(sized[None])[1], atol=1e-6)


@pytest.mark.slow
def test_a_file_that_loses_too_much_is_refused_and_not_left(trained: Path, tmp_path: Path) -> None:
    """Ranges from almost black pictures cut off everything brighter."""
    split = load_dataset("fashion-mini").splits["train"]
    dark = np.stack([np.asarray(split.pictures[i])[..., 0] // 64 for i in range(64)])
    names = np.asarray(load_dataset("fashion-mini").classes)
    np.savez(tmp_path / "dark.npz", x_train=dark, y_train=split.labels[:64], classes=names)
    out = tmp_path / "dark.onnx"
    with pytest.raises(ParityError, match=r"points \(allowed: 0\.5\).*`max_drop`"):
        training.export_onnx(trained, out, precision="int8", calibrate=tmp_path / "dark.npz")
    assert not out.exists()
    assert list(tmp_path.glob("*.onnx*")) == []


def test_nodes_are_put_behind_what_they_need(exported: Path) -> None:
    model = onnx.load(exported)
    order = [node.name for node in model.graph.node]
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert sorted(node.name for node in in_order(model).graph.node) == sorted(order)
    onnx.checker.check_model(model)


def test_layers_with_weights_are_found_in_order(exported: Path) -> None:
    names = layers(onnx.load(exported))
    assert len(names) == 4
    assert "head" in names[-1]


@pytest.mark.slow
def test_weights_of_int8_leave_a_bit_for_processors_that_would_overflow(small) -> None:
    graph = onnx.load(small["int8"]).graph
    wide = [onnx.numpy_helper.to_array(one) for one in graph.initializer if len(one.dims) > 1]
    weights = [array for array in wide if array.dtype == np.int8]
    assert weights
    assert all(64 >= int(np.abs(array.astype(int)).max()) > 32 for array in weights)


@pytest.mark.slow
def test_int8_answers_the_same_without_vnni(small, test_split, tmp_path) -> None:
    """On an emulated processor with AVX2 alone; with all eight bits, probabilities differed."""
    emulator = shutil.which("qemu-x86_64")
    if not emulator:
        pytest.skip("needs: apt-get install qemu-user")
    np.save(tmp_path / "images.npy", test_split[0][:50])
    script = (
        "import sys, numpy; from kerascnn import Classifier\n"
        "images = numpy.load(sys.argv[2] + '/images.npy')\n"
        "answers = Classifier(sys.argv[1], 'cpu', threads=1).run(images)[1]\n"
        "numpy.save(sys.argv[2] + '/answers.npy', answers)\n"
    )
    subprocess.run(
        [emulator, "-cpu", "Haswell", os.path.realpath(sys.executable), "-c", script,
         str(small["int8"]), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True, capture_output=True,
    )  # fmt: skip
    here = Classifier(small["int8"], "cpu").run(test_split[0][:50])[1]
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), here, atol=1e-3)
