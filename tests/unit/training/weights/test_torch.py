"""PyTorch's weights: the converted network answers as PyTorch's own did."""

import importlib.machinery
import importlib.util
import json
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from kerascnn.errors import KerascnnError, ModelFileError
from kerascnn.training.networks.row import INSIDE, TORCH
from kerascnn.training.weights.check import check_weights
from kerascnn.training.weights.files import read_tensors
from kerascnn.training.weights.start import start_network

ROOT = Path(__file__).parents[4]
GOLDEN = json.loads((ROOT / "tests/golden/torch_logits.json").read_text())
CLASSES = 10


def _maker() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(
        "make_torch_golden", str(ROOT / "scripts/make_torch_golden")
    )
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


MAKER = _maker()


ROWS = {
    "timm tf_efficientnet_b0": "efficientnet_b0", "timm efficientnet_b1": "efficientnet_b1",
    "timm mobilenetv2_100": "mobilenet_v2", "timm convnext_tiny": "convnext_tiny",
    "vgg11_bn": "vgg11",
}  # fmt: skip
"""What users call the network, where it has another name in PyTorch."""

LONG = {"efficientnet_b0", "convnext_tiny", "wide_resnet50_2", "timm efficientnet_b1",
        "timm mobilenetv2_100"}  # fmt: skip
"""Whose twins of another library, or of other numbers, are tried in every run."""


def state_dict(name: str) -> dict[str, Any]:
    golden = GOLDEN[name]
    return {
        key: np.ascontiguousarray(MAKER.make_tensor(key, tuple(shape), golden["gain"]))
        for key, shape in golden["tensors"].items()
    }


@pytest.fixture
def resnet18(tmp_path: Path) -> Path:
    path = tmp_path / "resnet18.safetensors"
    save_file(state_dict("resnet18"), path)
    return path


def changed(tmp_path: Path, **changes: Any) -> Path:
    tensors = state_dict("resnet18")
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    path = tmp_path / "changed.safetensors"
    save_file(tensors, path)
    return path


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.full) if one in LONG else one for one in GOLDEN]
)
def test_the_converted_network_answers_as_pytorch_did(name: str, tmp_path: Path) -> None:
    path, golden = tmp_path / f"{name.split()[-1]}.safetensors", GOLDEN[name]
    save_file(state_dict(name), path)
    start = start_network(ROWS.get(name, name), CLASSES, golden["size"], str(path))
    pictures = MAKER.make_pictures(golden["size"])
    inside = start.network.family.startswith(("efficientnet", "convnext"))
    assert start.normalization == (INSIDE if inside else TORCH)
    if inside:  # they take pixels, and normalize as PyTorch's preprocessing does
        pictures = pictures * np.float32(TORCH.std) + np.float32(TORCH.mean)
    logits, wanted = start.core.predict_on_batch(pictures), np.asarray(golden["logits"])
    assert np.abs(logits - wanted).max() <= 3e-5 * max(1, np.abs(wanted).max())
    assert not start.fresh_head


def test_efficientnet_of_another_padding_is_refused(tmp_path: Path) -> None:
    """The tensors' names do not tell timm's port of TensorFlow's weights from its own."""
    own, ported = (tmp_path / f"{n}_b5.safetensors" for n in ("efficientnet", "tf_efficientnet"))
    for path in (own, ported):
        path.write_bytes(b"not read")
    with pytest.raises(KerascnnError, match="Other PyTorch weights are for efficientnet_b5_torch"):
        start_network("efficientnet_b5", CLASSES, 64, str(own))
    with pytest.raises(KerascnnError, match=r"are for the network efficientnet_b4\. Other"):
        start_network("efficientnet_b4_torch", CLASSES, 64, str(ported))
    with pytest.raises(KerascnnError, match=r"whose layers or padding .*Keras'.*densenet121"):
        start_network("mobilenet_v3_small", CLASSES, 64, str(own))


def test_resnet50_of_pytorch_goes_to_the_row_with_its_strides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.safetensors"
    save_file(state_dict("resnet50"), path)
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    for _ in range(2):  # before the data is read, and again with the run's own network
        assert check_weights("resnet50", str(path)).name == "resnet50_v1_5"
    assert start_network("resnet50", CLASSES, 64, str(path)).network.name == "resnet50_v1_5"
    (told,) = set(caplog.records)  # after a command has run, pytest 9 catches each twice
    assert "building resnet50_v1_5 for it" in told.getMessage()


def test_a_head_of_another_class_count_is_replaced(resnet18: Path) -> None:
    start = start_network("resnet18", 3, 32, str(resnet18))
    assert start.fresh_head
    assert start.core.output_shape == (None, 3)
    kernel = start.core.get_layer("conv3_block1_0_conv").kernel
    theirs = state_dict("resnet18")["layer2.0.downsample.0.weight"]
    np.testing.assert_array_equal(np.asarray(kernel), theirs.transpose(2, 3, 1, 0))


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    path = changed(tmp_path, layer3__1__bn2__running_var=None)
    with pytest.raises(ModelFileError, match="conv4_block2_2_bn/moving_variance"):
        start_network("resnet18", CLASSES, 32, str(path))


def test_a_tensor_of_another_shape_is_named_with_both_shapes(tmp_path: Path) -> None:
    path = changed(tmp_path, layer1__0__bn1__weight=np.ones(65, np.float32))
    with pytest.raises(ModelFileError, match=r"conv2_block1_1_bn/gamma.*\(65,\).*\(64,\)"):
        start_network("resnet18", CLASSES, 32, str(path))


def test_a_tensor_too_many_is_named(tmp_path: Path) -> None:
    path = changed(tmp_path, layer9__0__conv1__weight=np.ones((1, 1, 1, 1), np.float32))
    with pytest.raises(ModelFileError, match=r"conv10_block1_1_conv/kernel"):
        start_network("resnet18", CLASSES, 32, str(path))
    path = changed(tmp_path, extra=np.ones(3, np.float32))
    with pytest.raises(ModelFileError, match="extra"):
        start_network("resnet18", CLASSES, 32, str(path))


def test_the_wrong_network_and_a_truncated_file_are_told(resnet18: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"bn1\.bias"):
        start_network("alexnet", CLASSES, 127, str(resnet18))
    with pytest.raises(KerascnnError, match="takes no weights from PyTorch"):
        start_network("cnn", CLASSES, 32, str(resnet18))
    with pytest.raises(ModelFileError, match="resnet18_small has a 3x3 one"):
        start_network("resnet18_small", CLASSES, 32, str(resnet18))
    half = tmp_path / "half.safetensors"
    half.write_bytes(resnet18.read_bytes()[:100_000])
    with pytest.raises(ModelFileError, match="truncated"):
        start_network("resnet18", CLASSES, 32, str(half))


def test_timms_names_of_vgg_are_known_too(tmp_path: Path) -> None:
    """timm has convolutions in place of the dense layers, and other names."""
    names = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2",
             "classifier.6": "head.fc"}  # fmt: skip
    tensors = {}
    for key, tensor in state_dict("vgg11").items():
        layer, _, what = key.rpartition(".")
        if key == "classifier.0.weight":
            tensor = tensor.reshape(4096, 512, 2, 2)
        if key == "classifier.3.weight":
            tensor = tensor.reshape(4096, 4096, 1, 1)
        tensors[f"{names.get(layer, layer)}.{what}"] = tensor
    path, golden = tmp_path / "timm.safetensors", GOLDEN["vgg11"]
    save_file(tensors, path)
    core = start_network("vgg11", CLASSES, golden["size"], str(path)).core
    logits = core.predict_on_batch(MAKER.make_pictures(golden["size"]))
    assert np.abs(logits - np.asarray(golden["logits"])).max() <= 1e-4


def test_weights_of_vgg_at_another_image_size_are_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "vgg11.safetensors"
    save_file(state_dict("vgg11"), path)
    with pytest.raises(ModelFileError, match=r"fc1/kernel.*depends on `image_size`"):
        start_network("vgg11", CLASSES, 96, str(path))


@pytest.mark.parametrize("ending", ["pth", "pt", "pth.tar", "ckpt", "bin"])
def test_without_torch_its_files_are_told(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / f"w.{ending}"
    path.write_bytes(b"PK")
    assert check_weights("resnet18", str(path)).name == "resnet18"
    with pytest.raises(ModelFileError, match=r"pip install torch, or .*safetensors"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
     (b"<!DOCTYPE html><html>", "web page"), (b"", "It is empty")],
)  # fmt: skip
def test_what_was_downloaded_in_place_of_weights_is_told(content, told, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=f"not a weights file.*{told}"):
        read_tensors(path)


def test_numbers_of_numpy_beside_the_weights_are_no_hindrance(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = {"fc.weight": torch.ones(2, 3)}
    torch.save(
        {"state_dict": state, "best": np.float64(0.9), "seen": np.int64(3)}, tmp_path / "w.pth"
    )
    assert read_tensors(tmp_path / "w.pth").keys() == state.keys()


class Trap:
    """A pickle that would write a file when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


def test_a_pth_file_is_read_and_code_in_it_is_never_run(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path, golden = tmp_path / "w.pth", GOLDEN["resnet18"]
    tensors = {name: torch.from_numpy(np.array(t)) for name, t in state_dict("resnet18").items()}
    torch.save({"state_dict": tensors}, path)
    start = start_network("resnet18", CLASSES, golden["size"], str(path))
    logits = start.core.predict_on_batch(MAKER.make_pictures(golden["size"]))
    assert np.abs(logits - np.asarray(golden["logits"])).max() <= 1e-4
    torch.save(Trap(), path)
    with pytest.raises(ModelFileError, match="cannot be read as"):
        start_network("resnet18", CLASSES, 32, str(path))
    assert not Path("sprung").exists()
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ModelFileError, match="truncated"):
        start_network("resnet18", CLASSES, 32, str(path))


VIT = {"cls_token": (1, 1, 8), "pos_embed": (1, 5, 8), "patch_embed.proj.weight": (8, 3, 4, 4),
       "blocks.0.norm1.weight": (8,), "blocks.0.attn.qkv.weight": (24, 8)}  # fmt: skip


def test_a_network_that_is_not_known_is_told_as_such(tmp_path: Path, caplog: Any) -> None:
    path = changed(tmp_path, layer1__0__se__fc1__weight=np.ones((4, 64, 1, 1), np.float32))
    with pytest.raises(
        ModelFileError, match=r"layer1\.0\.se\.fc1\.weight .* 102 of 103 have its names"
    ):
        start_network("resnet18", CLASSES, 32, str(path))
    save_file(state_dict("densenet121"), path)
    with pytest.raises(
        ModelFileError, match=r"606 of 606 have the names of densenet121, densenet169"
    ):
        start_network("resnet18", CLASSES, 32, str(path))
    save_file(state_dict("vgg11"), path)
    with pytest.raises(ModelFileError, match=r"22 of 22 have the names of vgg11\. Choose"):
        start_network("vgg13", CLASSES, 64, str(path))
    save_file({name: np.ones(shape, np.float32) for name, shape in VIT.items()}, path)
    with pytest.raises(
        ModelFileError, match="most of its 5 tensors are not named like those of any network"
    ):
        start_network("resnet18", CLASSES, 32, str(path))
    assert "left out" not in caplog.text


def test_weights_in_parts_are_read_together(tmp_path: Path) -> None:
    state = state_dict("resnet18")
    names = list(state)
    first, second = (tmp_path / f"model-0000{n}-of-00002.safetensors" for n in (1, 2))
    save_file({name: state[name] for name in names[:50]}, first)
    save_file({name: state[name] for name in names[50:]}, second)
    read = read_tensors(second)
    assert read.keys() == state.keys()
    np.testing.assert_array_equal(read[names[0]], state[names[0]])
    first.unlink()
    with pytest.raises(
        ModelFileError, match=r"model-00001-of-00002\.safetensors is not next to it"
    ):
        start_network("resnet18", CLASSES, 32, str(second))
    index = tmp_path / "model.safetensors.index.json"
    index.write_text("{}")
    with pytest.raises(ModelFileError, match=r"is an index of weight files\. Give one of those"):
        start_network("resnet18", CLASSES, 32, str(index))


@pytest.mark.parametrize("kind", ["F8_E4M3", "F8_E5M2"])
def test_numbers_of_eight_bits_are_named(kind: str, tmp_path: Path) -> None:
    header = json.dumps({"conv1.weight": {"dtype": kind, "shape": [4], "data_offsets": [0, 4]}})
    path = tmp_path / "small.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(4))
    with pytest.raises(ModelFileError, match=f"conv1.weight holds numbers of type {kind}: quant"):
        start_network("resnet18", CLASSES, 32, str(path))
