"""The measurement of a backbone's features after every stage, in one forward pass.

Knows: where a stage ends, and pooling. Does not know: what follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from kerascnn.card import Normalization
from kerascnn.training.advising.facts import Facts, StageFacts
from kerascnn.training.linear.feature_svd import decompose
from kerascnn.training.linear.leave_one_out import probe, probe_with_views
from kerascnn.training.networks.blocks import blocks, flat
from kerascnn.training.networks.from_pixels import Normalize, uniform_batches

FEATURES = 512
"""Maximum number of features of a stage: its maps are averaged over a grid of 4 x 4, 2 x 2 or 1 x
1."""

PIXELS = 8
"""Height and width to which pictures are averaged for the probe without a network."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class StageExtractor:
    """A backbone with an output for every stage.

    Attributes:
        model: Model from uint8 pictures to a list of float32 ``[pictures, features]``.
        stages: Names of the stages, in order.
    """

    model: keras.Model
    stages: tuple[str, ...]


def measure(
    observer: StageExtractor,
    pictures: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    counts: tuple[int, ...],
    progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> Facts:
    """Run pictures and their mirror images through a backbone, once each.

    Args:
        pictures: uint8 ``[pictures, size, size, 3]``, RGB.
        labels: int64 ``[pictures]``, of at least two classes.
        counts: Training pictures of each class, of which these may be a sample.
    """
    total, classes = 2 * len(pictures), len(counts)
    seen = _outputs(observer, pictures, lambda done: progress(done, total))
    mirrored = _outputs(
        observer, pictures[:, :, ::-1], lambda done: progress(len(pictures) + done, total)
    )
    found = [decompose(features) for features in seen]
    answers = [probe(one, labels, classes) for one in found]
    right = [float((answer == labels).mean()) for answer in answers]
    best = right.index(max(right))
    both = decompose(np.concatenate([seen[best], mirrored[best]]))
    plain = decompose(_parts(pictures.astype(np.float32), PIXELS))
    return Facts(
        counts=counts,
        sampled=len(pictures),
        pixels=float((probe(plain, labels, classes) == labels).mean()),
        stages=tuple(map(StageFacts, observer.stages, right)),
        flipped=float((probe_with_views(both, labels, classes) == labels).mean()),
        confused=_confused(answers[best], labels, classes),
    )


def open_extractor(core: keras.Model, normalization: Normalization) -> StageExtractor:
    """Make a backbone with an output for every stage.

    Args:
        core: Network from normalized pixels to logits, as
            :func:`kerascnn.training.weights.start.start_network` makes it; its head does not
            matter. Its weights are shared, not copied.
    """
    by_name = {layer.name: layer for layer in flat(core)}
    ends: dict[str, Any] = {}
    for block in blocks(core)[:-1]:
        outputs = [by_name[name].output for name in block.layers]
        maps = [output for output in outputs if len(output.shape) == 4]
        # A flattened map has too many features; the map before it has the same information.
        ends[block.stage] = (maps or outputs)[-1]
    # A nested model, whose names cannot collide with those of the network's layers.
    inside = keras.Model(core.inputs[0], list(ends.values()))
    image = keras.Input((*core.input_shape[1:3], 3), dtype="uint8", name="image")
    scaled = Normalize(normalization)(layers.Rescaling(1.0)(image))
    seen = inside(scaled)
    seen = list(seen) if isinstance(seen, list | tuple) else [seen]
    return StageExtractor(keras.Model(image, [_pooled(end) for end in seen]), tuple(ends))


def _pooled(output: Any) -> Any:
    """Average feature maps over a grid, and flatten the result."""
    if len(output.shape) != 4:
        return layers.Flatten()(output)
    rows, columns, channels = output.shape[1:]
    grid = next(one for one in (4, 2, 1) if one == 1 or one * one * channels <= FEATURES)
    grid = min(grid, rows, columns)
    parts = layers.AveragePooling2D((rows // grid, columns // grid))(output)
    return layers.Flatten()(parts[:, :grid, :grid])


def _outputs(
    observer: StageExtractor, pictures: Array, progress: Callable[[int], object]
) -> list[npt.NDArray[np.float32]]:
    kept: list[list[Array]] = []
    done = 0
    for batch, count in uniform_batches([pictures]):
        told = observer.model.predict_on_batch(batch)
        kept.append([part[:count] for part in (told if isinstance(told, list | tuple) else [told])])
        done += count
        progress(done)
    return [np.concatenate(parts).astype(np.float32) for parts in zip(*kept, strict=True)]


def _parts(pictures: npt.NDArray[np.float32], grid: int) -> npt.NDArray[np.float32]:
    """Average pictures over a grid: float32 ``[pictures, grid * grid * 3]``."""
    step = max(1, math.floor(pictures.shape[1] / grid))
    cut = pictures[:, : step * grid, : step * grid]
    parts = cut.reshape(len(cut), cut.shape[1] // step, step, cut.shape[2] // step, step, 3)
    flat_parts: npt.NDArray[np.float32] = parts.mean((2, 4)).reshape(len(cut), -1)
    return flat_parts


def _confused(answers: Array, labels: Array, classes: int) -> tuple[str, str, float] | None:
    """Return the class that is most often classified as another one, that class, and the share."""
    table = np.zeros((classes, classes))
    np.add.at(table, (labels, answers), 1)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    if not shares.any():
        return None
    one, other = np.unravel_index(shares.argmax(), shares.shape)
    return str(one), str(other), float(shares[one, other])
