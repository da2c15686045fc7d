"""Capturing the outputs of layers while a network runs.

Knows: how to hook a layer's call, in flat and nested models alike. Does not know: what the outputs
are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import keras
from keras import layers

from kerascnn.training.networks.replaced import replaced

Look = Callable[[layers.Layer, Any], Any]
"""A function of a layer and its output; its return value replaces the output."""


def hooked(wanted: Iterable[layers.Layer], look: Look) -> AbstractContextManager[None]:
    """Route the outputs of layers of any model, nested or not, through a function in a block."""
    return replaced({(one, "call"): partial(_looked_at, look, one, one.call) for one in wanted})


def _looked_at(
    look: Look, layer: layers.Layer, call: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    return look(layer, call(*args, **kwargs))


def outputs(model: keras.Model, pictures: Any, wanted: Iterable[layers.Layer]) -> dict[str, Any]:
    """Run a network; return some layers' outputs by name, in order, the last of repeated ones."""
    seen: dict[str, Any] = {}

    def keep(layer: layers.Layer, output: Any) -> Any:
        seen.pop(layer.name, None)
        seen[layer.name] = output
        return output

    with hooked(wanted, keep):
        model(pictures, training=False)
    return seen
