"""Files as Azure Custom Vision and scikit-learn's converter write them: a map of names per picture.

What is right is what onnxruntime gives by name, for the pixels that ONNX's metadata ask for.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kerascnn import Classifier
from kerascnn.errors import ModelFileError
from kerascnn.inference import ForeignModel

NAMES = ("oak", "cherry", "hemlock")
"""Not in the order of the alphabet, in which onnxruntime gives them."""


def custom_vision(path: Path, **keys) -> Path:
    """Write mean color, a matrix, softmax and ZipMap; with BGR pixels from 0 to 255."""
    matrix = np.random.default_rng(0).normal(0, 0.02, (3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["model_output"], axis=1),
        helper.make_node("ArgMax", ["model_output"], ["best"], axis=1),
        helper.make_node("ArrayFeatureExtractor", ["names", "best"], ["name"], domain="ai.onnx.ml"),
        helper.make_node("ZipMap", ["model_output"], ["loss"], domain="ai.onnx.ml", **keys),
    ]
    key = TensorProto.STRING if "classlabels_strings" in keys else TensorProto.INT64
    one = helper.make_map_type_proto(key, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    graph = helper.make_graph(
        nodes, "custom vision",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("name", TensorProto.STRING, None),
         helper.make_value_info("loss", helper.make_sequence_type_proto(one))],
        [numpy_helper.from_array(matrix, "matrix"),
         helper.make_tensor("names", TensorProto.STRING, [3], [name.encode() for name in NAMES])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    pixels = {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"}
    helper.set_model_props(model, pixels)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    "keys", [{"classlabels_strings": NAMES}, {"classlabels_int64s": (0, 1, 2)}]
)
def test_maps_of_names_are_read_in_the_order_of_the_labels(keys, tmp_path, caplog) -> None:
    path = custom_vision(tmp_path / "model.onnx", **keys)
    pictures = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    planes = pictures[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    rows = onnxruntime.InferenceSession(path).run(["loss"], {"data": planes})[0]
    order = keys.get("classlabels_strings") or keys["classlabels_int64s"]
    wanted = [[row[key] for key in order] for row in rows]
    found = Classifier(path, foreign=ForeignModel(NAMES)).run(pictures)[1]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert "`normalize` was not given" not in caplog.text


def test_other_names_than_those_of_the_labels_are_told(tmp_path) -> None:
    path = custom_vision(tmp_path / "model.onnx", classlabels_strings=NAMES)
    with pytest.raises(ModelFileError, match="names its classes cherry, hemlock, oak"):
        Classifier(path, foreign=ForeignModel(("a", "b", "c")))
