"""Grad-CAM: where a network looks (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391).

Knows: the last convolution's feature map, and gradients on TensorFlow and JAX. Does not know: how
heat maps are drawn (:mod:`kerascnn.report.heat`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.errors import ConfigError
from kerascnn.inference.occlusion import (
    Explanation,
    Heat,
    check_top,
    normalized_heat,
    reasons,
    top_classes,
)
from kerascnn.inference.prediction import bounded, finite_rows, not_finite_error
from kerascnn.metrics.calibration import softmax
from kerascnn.training.explain.layer_outputs import hooked, outputs
from kerascnn.training.networks.blocks import flat
from kerascnn.training.networks.from_pixels import from_pixels, predict_logits

BATCH = 16
"""Pictures per call; a gradient keeps every layer's output in memory."""

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
"""Layers whose output is a feature map."""


class GradCam:
    """Computes heat maps of a trained network.

    Args:
        core: Network from normalized float32 pixels to logits.
        model: The network from uint8 pictures, as
            :func:`kerascnn.training.networks.from_pixels.from_pixels` makes it.

    Attributes:
        layer: Layer whose output is used: the last with the size of the last convolution's feature
            map, so that normalization, activation and shortcuts are included.

    Raises:
        ConfigError: The network has no convolution.
    """

    def __init__(self, core: keras.Model, model: keras.Model) -> None:
        self._model = model
        self.layer = _last_map(core)

    def heat(
        self, pictures: images.UInt8Array, classes: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Compute a heat map of one class of each picture.

        Args:
            pictures: uint8 ``[pictures, size, size, 3]``.
            classes: Class of each picture, int64 ``[pictures]``.

        Returns:
            float32 ``[pictures, rows, columns]``, of the size of the feature map, 0 to 1.
        """
        found = [
            self._batch(pictures[start : start + BATCH], classes[start : start + BATCH])
            for start in range(0, len(pictures), BATCH)
        ]
        return np.concatenate(found)

    def _batch(
        self, pictures: images.UInt8Array, classes: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        kept: dict[str, Any] = {}
        wanted = ops.one_hot(classes, self._model.output_shape[-1])

        def scores(change: Any) -> Any:
            """Return the sum of the chosen logits, with a change added to the feature map."""

            def look(_: layers.Layer, output: Any) -> Any:
                kept["map"] = output
                return output if change is None else output + ops.cast(change, output.dtype)

            with hooked([self.layer], look):
                logits = self._model(pictures, training=False)
            return ops.sum(ops.cast(logits, "float32") * wanted)

        scores(None)
        maps = ops.convert_to_numpy(ops.cast(kept["map"], "float32"))
        slopes = _gradient(scores, np.zeros(maps.shape, np.float32))
        weights = slopes.mean(axis=(1, 2), keepdims=True)
        return np.stack([normalized_heat(one) for one in (weights * maps).sum(axis=-1)])


class Explainer:
    """Explains predictions one by one, with a network that is loaded once.

    Args:
        core: Network from normalized float32 pixels to logits.

    Raises:
        ConfigError: The network has no convolution.
    """

    def __init__(self, core: keras.Model, card: ModelCard) -> None:
        self._card = card
        self._model = from_pixels(core, card.normalization)
        self._cam = GradCam(core, self._model)

    def explain(
        self, picture: images.UInt8Array, top: int = 3, name: str = "picture"
    ) -> Explanation:
        """Explain the network's prediction of one picture.

        Args:
            picture: uint8 ``[height, width, 3]``, RGB, of any size.

        Raises:
            ConfigError: ``top`` is below 1.
            PictureError: The network's output is not finite.
        """
        check_top(top)
        card = self._card
        sized = images.size_picture(picture, card.image_size, card.resize)
        logits = bounded(predict_logits(self._model, sized[None]))
        if not finite_rows(logits, logits)[0]:
            raise not_finite_error(name)
        probabilities = softmax(logits, card.temperature)[0]
        chosen = top_classes(probabilities, top)
        heats: list[Heat] = list(self._cam.heat(np.repeat(sized[None], len(chosen), 0), chosen))
        return Explanation(sized, reasons(card.classes, probabilities, chosen, heats), "Grad-CAM")


def _last_map(core: keras.Model) -> layers.Layer:
    everything = {layer.name: layer for layer in flat(core)}
    seen = outputs(
        core, np.zeros((1, *core.input_shape[1:]), np.float32), list(everything.values())
    )
    ran = [(everything[name], output.shape) for name, output in seen.items()]
    last = max(
        (i for i, (layer, _) in enumerate(ran) if isinstance(layer, _CONVOLUTIONS)), default=None
    )
    if last is None:
        raise ConfigError(
            f"{core.name}: has no convolution, so there is no feature map to look at. "
            "Export it, and explain the .onnx file."
        )
    same = [
        layer for layer, shape in ran[last:] if len(shape) == 4 and shape[1:3] == ran[last][1][1:3]
    ]
    return same[-1]


def _gradient(function: Callable[[Any], Any], place: npt.NDArray[np.float32]) -> Any:
    """Return the gradient of a scalar function, on TensorFlow or JAX."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        start = tf.convert_to_tensor(place)
        with tf.GradientTape() as tape:
            tape.watch(start)
            value = function(start)
        return tape.gradient(value, start).numpy()
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(function)(place))
    raise ConfigError(
        f"Grad-CAM runs on TensorFlow and JAX; Keras's backend is {backend}. "
        "Set KERAS_BACKEND=tensorflow, or explain the .onnx file."
    )
