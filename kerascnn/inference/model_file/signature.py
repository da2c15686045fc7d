"""The signature of a graph: how pictures go in, and what its outputs mean.

Knows: names, layout, types and the meaning of a graph's ends. Does not know sessions: it turns
pictures into what a session takes, and what it gives into logits and probabilities. A file that
kerascnn exported has the one signature of :func:`own_signature`; for a file made elsewhere it is
found out by :mod:`kerascnn.inference.signature_of_foreign`.
"""

from __future__ import annotations

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

Layout = Literal["NHWC", "NCHW", "NHW"]

Meaning = Literal["both", "logits", "probabilities", "sigmoids", "negative_logs"]
"""What the outputs are. ``both``: logits and probabilities, as kerascnn's files give them.
``probabilities``: they sum to 1. ``sigmoids``: each stands for itself.
``negative_logs``: -log p."""

Arrays = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

TYPES: dict[str, np.dtype[Any]] = {
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
}
"""onnxruntime's names of the types that pictures may go in as."""

_LEAST = np.finfo(np.float32).tiny
"""Stands for a probability of 0, whose logarithm is not finite."""


class Scale(NamedTuple):
    """What whole numbers stand for: ``(number - zero) * scale``."""

    scale: float
    zero: int

    def real(self, numbers: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Give the numbers as DequantizeLinear does.

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
        card: Classes, size and normalization. Where ``dtype`` is uint8 the graph normalizes.
        input: Name of the input.
        outputs: Names of the outputs that are asked for.
        layout: Layout of the input; ``NHW`` has no axis of channels.
        dtype: Type of the input, a key of ``TYPES``.
        channels: 3, or 1 for grey.
        meaning: Meaning of the outputs.
        batch: Pictures that the graph takes at once, None for any number.
        pinned: Dynamic axes of the input by name, with the size they shall have.
        normalizes: Whether the graph is seen to normalize its pixels itself.
        scales: Of outputs that are whole numbers, what these stand for.
        weights: Files beside the model's that hold weights.
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
        """Cut a batch into what the graph takes at once.

        Args:
            pictures: uint8 ``[batch, size, size, 3]``, RGB.

        Yields:
            Pictures, filled up with zeros if need be, and how many of them count.
        """
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
            pictures: uint8 ``[batch, size, size, 3]``, RGB; as many as ``batch`` says.

        Returns:
            The input by name, of the graph's type and layout.
        """
        array: npt.NDArray[Any]
        if TYPES[self.dtype] == np.uint8:
            array = images.grey(pictures) if self.channels == 1 else pictures
        else:
            array = normalized(pictures, self.card.normalization)
            array = array.astype(TYPES[self.dtype], copy=False)
        if self.layout == "NCHW":
            array = np.ascontiguousarray(array.transpose(0, 3, 1, 2))
        return {self.input: array[..., 0] if self.layout == "NHW" else array}

    def real(self, name: str, output: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Turn an output into float32, by its scale if it has one."""
        scale = self.scales.get(name)
        return np.asarray(output, np.float32) if scale is None else scale.real(output)

    def read(self, outputs: Sequence[npt.NDArray[Any]], count: int) -> Arrays:
        """Turn the graph's outputs into answers.

        Args:
            outputs: In the order of ``outputs``.
            count: How many pictures of the batch count.

        Returns:
            Logits and probabilities, each float32 ``[count, classes]``.

        Raises:
            ModelFileError: A graph made elsewhere does not give one row a picture.
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
    """Return the signature of every file that kerascnn exported, and of the files beside it."""
    height, width = card.shape
    # Sizes are pinned: every provider is at full speed and never has to resize.
    pinned = {"height": height, "width": width}
    return Signature(card, "image", ("logits", "probabilities"), pinned=pinned, weights=weights)


def normalized(
    pictures: images.UInt8Array, normalization: Normalization
) -> npt.NDArray[np.float32]:
    """Normalize pictures as the exported graph does.

    Args:
        pictures: uint8 ``[pictures, height, width, 3]``, RGB.
        normalization: Normalization of the card.

    Returns:
        float32 ``[pictures, height, width, channels]`` in the network's order; one channel for a
        grey network.
    """
    order = normalization.channel_order
    ordered = images.grey(pictures) if order == "grey" else pictures
    if order == "BGR":
        ordered = ordered[..., ::-1]
    mean = np.asarray(normalization.mean[: ordered.shape[-1]], np.float32)
    std = np.asarray(normalization.std[: ordered.shape[-1]], np.float32)
    return (ordered.astype(np.float32) - mean) / std


def answers_of(values: npt.NDArray[np.float32], meaning: Meaning, classes: int) -> Arrays:
    """Turn the outputs of a model made elsewhere into logits and probabilities.

    Args:
        values: float32 ``[pictures, classes]``; or ``[pictures, 1]`` for two classes, which then
            speaks for the second.
        meaning: Meaning of the numbers.
        classes: Number of classes.

    Returns:
        Logits and probabilities, each float32 ``[pictures, classes]``.

    Examples:
        >>> answers_of(np.asarray([[0.25]], np.float32), "sigmoids", 2)[1].tolist()
        [[0.75, 0.25]]
    """
    one_of_two = values.shape[1] == 1 and classes == 2
    if meaning == "negative_logs":
        values, meaning = -values, "logits"
    if meaning == "logits":
        logits = np.concatenate([np.zeros_like(values), values], axis=1) if one_of_two else values
        return logits, softmax(logits).astype(np.float32)
    if one_of_two:
        values = np.concatenate([1 - values, values], axis=1)
    elif meaning == "sigmoids":
        values = values / np.maximum(values.sum(axis=1, keepdims=True), _LEAST)
    return np.log(np.maximum(values, _LEAST)), values


def rows_of(output: npt.NDArray[Any], count: int) -> npt.NDArray[Any] | None:
    """Read an output as one row a picture; axes of length 1 are of no consequence.

    Args:
        output: Output of any shape.
        count: Pictures that went in.

    Returns:
        ``[count, numbers]``; None if its first axis is not that of the pictures. For one picture
        an output may lack that axis.

    Examples:
        >>> rows_of(np.zeros((6, 3, 1, 1)), 6).shape, rows_of(np.zeros(3), 1).shape
        ((6, 3), (1, 3))
    """
    sides = [side for side in output.shape if side != 1]
    if count != 1 and sides[:1] != [count]:
        return None
    return output.reshape(count, -1)
