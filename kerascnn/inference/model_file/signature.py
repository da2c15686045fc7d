"""The signature of a graph: how pictures are fed, and what its outputs mean.

Knows: names, layout, types and meaning of inputs and outputs. Does not know sessions: it turns
pictures into a session's input, and its output into logits and probabilities. Every file that
kerascnn exported has the signature of :func:`own_signature`; that of a foreign file is found by
:mod:`kerascnn.inference.signature_of_foreign`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.card import ModelCard, Normalization
from kerascnn.errors import ModelFileError
from kerascnn.metrics.calibration import softmax
from kerascnn.printable import first_few

Layout = Literal["NHWC", "NCHW", "NHW"]

Meaning = Literal[
    "both", "logits", "probabilities", "sigmoids", "log_odds",
    "negative_logs", "logs_10", "negative_logs_10", "logs_2", "negative_logs_2",
]  # fmt: skip
"""Meanings of the outputs. ``both``: logits and probabilities, as in kerascnn's files.
``probabilities``: they sum to 1. ``sigmoids``: independent of each other. ``log_odds``:
log(p / (1 - p)). The others: keys of ``LOGARITHMS``."""

LOGARITHMS: dict[Meaning, float] = {
    "negative_logs": -1.0, "logs_10": math.log(10), "negative_logs_10": -math.log(10),
    "logs_2": math.log(2), "negative_logs_2": -math.log(2),
}  # fmt: skip
"""Logarithms of probabilities, negated or to another base, and the factor that makes them log p."""

Arrays = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

TYPES: dict[str, np.dtype[Any]] = {
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
}
"""Supported types of numbers, by onnxruntime's names."""

INPUT_TYPES = TYPES | {
    "tensor(int32)": np.dtype(np.int32),
    "tensor(int64)": np.dtype(np.int64),
}
"""Supported input types. A graph that takes whole numbers gets pixels as they are, 0 to 255."""


def takes_integers(dtype: str) -> bool:
    """Return whether an input type is whole numbers, so that the graph normalizes pixels itself."""
    return dtype in INPUT_TYPES and INPUT_TYPES[dtype].kind in "iu"


_LEAST = np.finfo(np.float32).tiny
"""Replaces a probability of 0, whose logarithm is not finite."""


class Scale(NamedTuple):
    """Scale of quantized numbers, which stand for ``(number - zero) * scale``."""

    scale: float
    zero: int

    def real(self, numbers: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Dequantize numbers as DequantizeLinear does.

        Examples:
            >>> Scale(0.5, 3).real(np.asarray([1, 5], np.uint8)).tolist()
            [-1.0, 1.0]
        """
        off = numbers.astype(np.int32) - np.int32(self.zero)
        return off.astype(np.float32) * np.float32(self.scale)


@dataclass(frozen=True)
class Signature:
    """Type, layout and meaning of a graph's input and outputs.

    Attributes:
        card: Classes, size and normalization; the graph normalizes if ``dtype`` is an integer type.
        layout: Layout of the input; ``NHW`` has no channel axis.
        dtype: Type of the input, a key of ``INPUT_TYPES``.
        channels: 3, or 1 for gray.
        batch: Fixed batch size of the graph; None for any.
        pinned: Sizes of dynamic axes of the input, by name.
        normalizes: Whether the graph itself normalizes pixels, as far as can be seen.
        scales: Scales of quantized outputs, by name.
    """

    card: ModelCard
    input: str
    outputs: tuple[str, ...]
    layout: Layout = "NHWC"
    dtype: str = "tensor(uint8)"
    channels: int = 3
    meaning: Meaning = "both"
    batch: int | None = None
    pinned: Mapping[str, int] = field(default_factory=dict)
    normalizes: bool = True
    scales: Mapping[str, Scale] = field(default_factory=dict)
    weights: tuple[Path, ...] = ()

    def portions(self, pictures: images.UInt8Array) -> Iterator[tuple[images.UInt8Array, int]]:
        """Yield batches of the graph's size, padded with zeros, and the number of real pictures."""
        step = self.batch or max(1, len(pictures))
        for start in range(0, len(pictures), step):
            part = pictures[start : start + step]
            count = len(part)
            if missing := (self.batch or count) - count:
                part = np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.uint8)])
            yield part, count

    def feed(self, pictures: images.UInt8Array) -> dict[str, npt.NDArray[Any]]:
        """Turn pictures into the graph's input.

        Args:
            pictures: uint8 ``[batch, height, width, 3]``, RGB; ``batch`` of them if that is fixed.

        Returns:
            The input by name, in the graph's type and layout.
        """
        array: npt.NDArray[Any]
        if takes_integers(self.dtype):
            array = images.gray(pictures) if self.channels == 1 else pictures
        else:
            array = normalized(pictures, self.card.normalization)
        array = array.astype(INPUT_TYPES[self.dtype], copy=False)
        if self.layout == "NCHW":
            array = np.ascontiguousarray(array.transpose(0, 3, 1, 2))
        return {self.input: array[..., 0] if self.layout == "NHW" else array}

    def real(
        self, name: str, output: npt.NDArray[Any] | list[dict[Any, float]]
    ) -> npt.NDArray[np.float32]:
        """Convert an output to float32: dequantized if it has a scale, ordered if it has names.

        Raises:
            ModelFileError: Its names are not those of the classes.
        """
        if isinstance(output, list):  # of maps from names or numbers to probabilities (ZipMap)
            return np.asarray([self._in_order(row) for row in output], np.float32)
        scale = self.scales.get(name)
        return np.asarray(output, np.float32) if scale is None else scale.real(output)

    def _in_order(self, row: dict[Any, float]) -> list[float]:
        keys: Sequence[Any] = self.card.classes
        if set(row) != set(keys):
            keys = range(len(keys))
        if set(row) != set(keys):
            raise ModelFileError(
                f"{self.card.name}: names its classes {first_few(sorted(map(str, row)))}; expected "
                "those of `labels` FILE. Give a file with these names."
            )
        return [row[key] for key in keys]

    def read(self, outputs: Sequence[npt.NDArray[Any]], count: int) -> Arrays:
        """Turn the graph's outputs into logits and probabilities.

        Args:
            outputs: In the order of ``self.outputs``.
            count: Number of real pictures in the batch, without padding.

        Returns:
            Logits and probabilities, each float32 ``[count, classes]``.

        Raises:
            ModelFileError: A foreign graph does not output one row per picture.
        """
        if self.meaning == "both":
            return outputs[0][:count], outputs[1][:count]
        output, classes = self.real(self.outputs[0], outputs[0]), len(self.card.classes)
        rows = rows_of(output, self.batch or count)
        if rows is None or rows.shape[1] not in (classes, 1):
            raise ModelFileError(
                f"{self.card.name}: gives {list(output.shape)} for {self.batch or count} pictures; "
                f"expected one row of {classes:,} numbers for each. Export it again with an axis "
                "for pictures."
            )
        return answers_of(rows[:count], self.meaning, classes)


def own_signature(card: ModelCard, weights: tuple[Path, ...]) -> Signature:
    """Return the signature of a file that kerascnn exported, with the weight files beside it."""
    height, width = card.shape
    # Fixed sizes let every provider run at full speed, without dynamic shapes.
    pinned = {"height": height, "width": width}
    return Signature(card, "image", ("logits", "probabilities"), pinned=pinned, weights=weights)


def normalized(
    pictures: images.UInt8Array, normalization: Normalization
) -> npt.NDArray[np.float32]:
    """Normalize uint8 ``[pictures, height, width, 3]``, RGB, as the exported graph does.

    Returns:
        float32 ``[pictures, height, width, channels]`` in the network's order; one channel for a
        gray network.
    """
    order = normalization.channel_order
    ordered = images.gray(pictures) if order == "grey" else pictures
    if order == "BGR":
        ordered = ordered[..., ::-1]
    mean = np.asarray(normalization.mean[: ordered.shape[-1]], np.float32)
    std = np.asarray(normalization.std[: ordered.shape[-1]], np.float32)
    return (ordered.astype(np.float32) - mean) / std


def answers_of(values: npt.NDArray[np.float32], meaning: Meaning, classes: int) -> Arrays:
    """Turn the outputs of a foreign model into logits and probabilities.

    All are float32 ``[pictures, classes]``; for two classes, ``values`` may be ``[pictures, 1]``,
    the number of the second class.

    Examples:
        >>> answers_of(np.asarray([[0.25]], np.float32), "sigmoids", 2)[1].tolist()
        [[0.75, 0.25]]
    """
    one_of_two = values.shape[1] == 1 and classes == 2
    if meaning in LOGARITHMS:
        values, meaning = values * np.float32(LOGARITHMS[meaning]), "logits"
    if meaning == "logits":
        logits = np.concatenate([np.zeros_like(values), values], axis=1) if one_of_two else values
        return logits, softmax(logits).astype(np.float32)
    if meaning == "log_odds":
        values = of_log_odds(values)
    if one_of_two:
        values = np.concatenate([1 - values, values], axis=1)
    elif meaning == "sigmoids":
        values = values / np.maximum(values.sum(axis=1, keepdims=True), _LEAST)
    # A softmax to which a small number is added exceeds 1.
    values = np.minimum(values, 1)
    return np.log(np.maximum(values, _LEAST)), values


def of_log_odds(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn log(p / (1 - p)) into p."""
    odds = np.exp(-np.maximum(values, -80))  # exp(89) is infinite
    return (1 / (1 + odds)).astype(np.float32)


def rows_of(output: npt.NDArray[Any], count: int) -> npt.NDArray[Any] | None:
    """Reshape an output to one row per picture; axes of length 1 are ignored.

    Args:
        output: Output of any shape.
        count: Number of pictures in the input.

    Returns:
        ``[count, numbers]``; None if its first axis is not the batch axis, which may be missing
        for a single picture.

    Examples:
        >>> rows_of(np.zeros((6, 3, 1, 1)), 6).shape, rows_of(np.zeros(3), 1).shape
        ((6, 3), (1, 3))
    """
    sides = [side for side in output.shape if side != 1]
    if count != 1 and sides[:1] != [count]:
        return None
    return output.reshape(count, -1)
