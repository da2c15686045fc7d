"""Weights outside the file: never from another folder."""

from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from kerascnn import Classifier
from kerascnn.errors import KerascnnError


@pytest.mark.parametrize("provider", ["cpu"] + ["openvino"] * (find_spec("openvino") is not None))
@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "inner/../../secret.bin"])
def test_weights_from_outside_the_folder_are_refused(
    provider: str, location: str, exported: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(10_000_000))
    inside = tmp_path / "models"
    inside.mkdir()
    model = onnx.load(exported)
    weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    length = len(weights.raw_data)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        weights.external_data.append(onnx.StringStringEntryProto(key=key, value=value))
    helper.set_model_props(model, {entry.key: entry.value for entry in model.metadata_props})
    (inside / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(KerascnnError, match=r"model\.onnx: .* cannot load it"):
        Classifier(inside / "model.onnx", provider)


@pytest.mark.parametrize("provider", ["cpu"] + ["openvino"] * (find_spec("openvino") is not None))
def test_weights_that_were_not_copied_are_named(
    provider: str, exported: Path, tmp_path: Path
) -> None:
    model = onnx.load(exported)
    onnx.save(
        model, tmp_path / "m.onnx", save_as_external_data=True, location="m.onnx.data",
        size_threshold=max(len(tensor.raw_data) for tensor in model.graph.initializer),
    )  # fmt: skip
    Classifier(tmp_path / "m.onnx", provider).close()
    (tmp_path / "m.onnx.data").unlink()
    with pytest.raises(KerascnnError, match=r"its weights are in m\.onnx\.data, which is not be"):
        Classifier(tmp_path / "m.onnx", provider)
