"""Preprocessing, network and outputs joined into one graph.

Knows: the file contract: names, types, metadata. Does not know: how the parts are made.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kerascnn.card import METADATA_KEY, ModelCard
from kerascnn.errors import ModelFileError, one_line
from kerascnn.training.export.graph import OPSET
from kerascnn.training.export.preprocessing import preprocessing_model


def compose(core: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    """Join preprocessing and network: ``image`` to ``logits`` and ``probabilities``.

    Raises:
        ModelFileError: The graph is invalid.
    """
    try:
        joined = onnx.compose.merge_models(
            preprocessing_model(card),
            core,
            io_map=[("pixels", "pixels")],
            name=card.network.encode("ascii", "replace").decode(),
        )
        _add_probabilities(joined.graph, card)
        # merge_models lists the opset once per part, which quantizers reject.
        del joined.opset_import[:]
        joined.opset_import.append(helper.make_opsetid("", OPSET))
        joined.producer_name = "kerascnn"
        joined.producer_version = card.versions.get("kerascnn", "")
        for described in (joined, joined.graph):  # set by tf2onnx, from its function, and by onnx
            described.ClearField("doc_string")
        onnx.checker.check_model(joined, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = one_line(error)
        raise ModelFileError(f"{card.name}: the ONNX graph is not valid ({reason}).") from error
    return joined


def with_card(model: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    """Set the card in a model's metadata."""
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    return model


def _add_probabilities(graph: onnx.GraphProto, card: ModelCard) -> None:
    scaled = "logits"
    if card.temperature != 1.0:
        value = np.asarray(card.temperature, np.float32)
        graph.initializer.append(numpy_helper.from_array(value, "temperature"))
        scaled = "calibrated_logits"
        graph.node.append(helper.make_node("Div", ["logits", "temperature"], [scaled], "calibrate"))
    graph.node.append(helper.make_node("Softmax", [scaled], ["probabilities"], "softmax", axis=1))
    shape = ["batch", len(card.classes)]
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in ("logits", "probabilities")
    )
