"""Conversion of the bare network from Keras to ONNX.

Knows: tf2onnx and its pitfalls. Does not know: preprocessing, cards, parity.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import onnx

from kerascnn.errors import ModelFileError, kind_and_line
from kerascnn.training.export.graph import IR_VERSION, OPSET, without_unused_opsets
from kerascnn.training.export.operators import HANDLERS
from kerascnn.training.export.rewrites import simplify
from kerascnn.training.export.traceable import traceable
from kerascnn.training.keras_backend import silenced, use_tensorflow

if TYPE_CHECKING:
    import keras

CONVERSION_OPSET = 15
"""Opset of the conversion; at 18, tf2onnx writes global average pooling as Transpose and
ReduceMean."""
CATCH_ERRORS = "TF2ONNX_CATCH_ERRORS"
"""Environment variable of tf2onnx: whether a failed optimization is caught and skipped."""

log = logging.getLogger(__name__)


def core_model(network: keras.Model) -> onnx.ModelProto:
    """Convert a network.

    Args:
        network: Network from float32 ``[batch, size, size, 3]`` to logits, on the TensorFlow
            backend.

    Returns:
        A model from ``pixels``, float32 ``[batch, 3, size, size]``, to ``logits``, float32
        ``[batch, classes]``.

    Raises:
        ConfigError: Keras runs on another backend.
        ModelFileError: The network has an operation that ONNX lacks.
    """
    use_tensorflow()
    converted = _convert(network)
    _refuse_unknown(network.name, converted)
    converted = _upgraded(network.name, converted)
    converted.ir_version = IR_VERSION
    _rename_inputs_and_outputs(converted.graph)
    # tf2onnx lists ai.onnx.ml, which nothing uses and quantizers reject.
    return simplify(without_unused_opsets(converted))


def _convert(network: keras.Model) -> onnx.ModelProto:
    import tf2onnx

    # _refuse_unknown reports in one line what tf2onnx could not convert.
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    logits = _as_function(network)
    convert = partial(
        tf2onnx.convert.from_function,
        logits,
        input_signature=logits.input_signature,
        opset=CONVERSION_OPSET,
        # The preprocessing outputs channels first: the network needs no Transpose at its input.
        inputs_as_nchw=["pixels"],
        custom_op_handlers=HANDLERS,
    )
    try:
        with traceable():
            return _without_copies(convert)
    except Exception as error:
        # TensorFlow's tracing and tf2onnx raise errors of any class on networks they do not know.
        raise _unconverted(network.name, error) from error


def _as_function(network: keras.Model) -> Any:
    import tensorflow as tf

    pixels = tf.TensorSpec((None, *network.input_shape[1:]), tf.float32, name="pixels")

    # AutoGraph would replace an error's message by its own stack trace.
    @tf.function(input_signature=[pixels], autograph=False)  # type: ignore[untyped-decorator]
    def logits(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": network(pixels, training=False)}

    return logits


def _upgraded(name: str, converted: onnx.ModelProto) -> onnx.ModelProto:
    """Convert a model to the opset of exported files."""
    try:
        return onnx.version_converter.convert_version(converted, OPSET)
    except Exception as error:  # raised in C++, of any class
        raise _unconverted(name, error) from error


def _unconverted(name: str, error: Exception) -> ModelFileError:
    return ModelFileError(
        f"{name}: cannot be converted to ONNX ({kind_and_line(error)}). Build it from other "
        "layers; kerascnn export --debug shows where it fails."
    )


def _refuse_unknown(name: str, converted: onnx.ModelProto) -> None:
    """Reject operations that tf2onnx left as TensorFlow's, which it only logs."""
    unknown = sorted(
        {
            f"{node.op_type} ({_layer(node.name)})"
            for node in converted.graph.node
            if node.domain == "" and not onnx.defs.has(node.op_type)
        }
    )
    if unknown:
        raise ModelFileError(
            f"{name}: ONNX has no operator for TensorFlow's {', '.join(unknown[:3])}"
            f"{' and others' if len(unknown) > 3 else ''}, so it cannot be exported. Build the "
            "model from other layers."
        )


def _layer(node: str) -> str:
    """Return the layer of a node: the innermost scope in its TensorFlow name."""
    return (node.rpartition("/")[0] or node).rpartition("/")[2]


def _without_copies(convert: Callable[[], tuple[onnx.ModelProto, Any]]) -> onnx.ModelProto:
    """Convert without copying all weights before each of tf2onnx's optimizations.

    The copies let it undo an optimization that fails, which none did on any network here. If one
    fails, the conversion is repeated as tf2onnx does it by default.
    """
    try:
        with silenced(), _environment(CATCH_ERRORS, "FALSE"):
            return convert()[0]
    except Exception as error:  # noqa: BLE001 - any optimization may raise anything
        log.debug("an optimization of tf2onnx failed (%s): converting again, with copies", error)
    # Even if it is set to "TRUE", tf2onnx 1.17 does not catch.
    with silenced(), _environment(CATCH_ERRORS, None):
        return convert()[0]


@contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    """Set or unset an environment variable while the block runs."""
    before = os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def _rename_inputs_and_outputs(graph: onnx.GraphProto) -> None:
    """Name the input ``pixels``, the output ``logits`` and the dynamic axis ``batch``."""
    names = {graph.input[0].name: "pixels", graph.output[0].name: "logits"}
    for node in graph.node:
        for ends in (node.input, node.output):
            for index, name in enumerate(ends):
                ends[index] = names.get(name, name)
    for value in (graph.input[0], graph.output[0]):
        value.name = names[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    # tf2onnx's inner shapes have axis names like unk__172; onnxruntime infers them anyway.
    del graph.value_info[:]
