"""Quantization of a float32 network to 8-bit integers.

Knows: onnxruntime's quantizer (QDQ): activation ranges measured on real pictures, per-channel
scales of the weights. Does not know: which method or layers are best (:mod:`.search`).
"""

from __future__ import annotations

import copy
import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import onnx

from kerascnn.card import Normalization
from kerascnn.inference.model_file.signature import normalized
from kerascnn.leftovers import temporary_folder
from kerascnn.training.export.graph import in_order, without_unused_opsets

Method = Literal["min-max", "percentile", "entropy"]
METHODS: tuple[Method, ...] = get_args(Method)

_CHUNK = 8
"""Pictures per calibration batch: the calibrators hold all its activations in memory."""

LAYERS = ("Conv", "Gemm", "MatMul")
"""Operators with weights: those worth quantizing, and those that can be kept in float32."""


def measure_ranges(core: onnx.ModelProto, pixels: npt.NDArray[np.float32], method: Method) -> Any:
    """Measure the range of each tensor of a network on pictures.

    Args:
        core: Network from ``pixels`` to ``logits``, float32.
        pixels: float32 ``[pictures, 3, size, size]``, normalized.
        method: Calibration method: how outliers are clipped.
    """
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    kind = {"min-max": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile,
            "entropy": CalibrationMethod.Entropy}[method]  # fmt: skip
    with _quiet(), temporary_folder() as folder:
        path = folder / "core.onnx"
        onnx.save(core, path)
        augmented = str(folder / "augmented.onnx")
        calibrator = create_calibrator(path, None, augmented, calibrate_method=kind)
        for start in range(0, len(pixels), _CHUNK):
            calibrator.collect_data(_Reader(pixels[start : start + _CHUNK]))
        return calibrator.compute_data()


def quantize(core: onnx.ModelProto, ranges: Any, kept: Iterable[str] = ()) -> onnx.ModelProto:
    """Quantize a network, except layers of ``kept`` names; input and output stay float32."""
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.registry import QDQRegistry

    with _quiet():
        # Unsigned activations and signed weights: the combination that processors have instructions
        # for. Weights use seven of the eight bits (the second True): processors without VNNI hold
        # sums of two products in 16 bits, which would overflow and change predictions.
        quantizer = QDQQuantizer(
            copy.deepcopy(core), True, True, QuantType.QInt8, QuantType.QUInt8, ranges,
            [], list(kept), list(QDQRegistry), {},
        )  # fmt: skip
        quantizer.quantize_model()
    return in_order(without_unused_opsets(quantizer.model.model))


def layers(core: onnx.ModelProto) -> list[str]:
    """List the names of the layers with weights, first to last."""
    constants = {tensor.name for tensor in core.graph.initializer}
    return [
        node.name
        for node in core.graph.node
        if node.op_type in LAYERS and any(name in constants for name in node.input[1:2])
    ]


def normalize(images: npt.NDArray[np.uint8], rule: Normalization) -> npt.NDArray[np.float32]:
    """Normalize pictures as the exported graph does.

    Args:
        images: uint8 ``[pictures, size, size, 3]``, RGB.

    Returns:
        float32 ``[pictures, 3, size, size]``; one channel for a grayscale network.
    """
    return np.ascontiguousarray(normalized(images, rule).transpose(0, 3, 1, 2))


class _Reader:
    """One batch, in the form of a data reader of onnxruntime's calibrators."""

    def __init__(self, batch: npt.NDArray[np.float32]) -> None:
        self.get_next = iter([{"pixels": batch}, None]).__next__


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantizer's output and its advice to pre-process."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(previous)
