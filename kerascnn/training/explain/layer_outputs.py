"""Capturing the outputs of layers while a network runs.

Knows: how to hook a layer's call, in flat and nested models alike. Does not know: what the outputs
are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
from keras import layers


@contextmanager
def hooked(layer: layers.Layer, look: Callable[[Any], Any]) -> Iterator[None]:
    """Route a layer's output through a function while the block runs.

    Args:
        layer: Layer of any model, also of a nested one.
        look: Function of the layer's output; its return value replaces the output.
    """
    call = layer.call
    layer.call = lambda *args, **kwargs: look(call(*args, **kwargs))
    try:
        yield
    finally:
        del layer.call  # the instance's attribute, so that the class's method is visible again


def outputs(model: keras.Model, pictures: Any, wanted: Sequence[layers.Layer]) -> dict[str, Any]:
    """Run a network, and keep the outputs of some layers.

    Returns:
        Outputs by layer name, in the order in which the layers ran; for a layer that ran more than
        once, the last.
    """
    seen: dict[str, Any] = {}

    def keep(layer: layers.Layer) -> Callable[[Any], Any]:
        def look(output: Any) -> Any:
            seen.pop(layer.name, None)
            seen[layer.name] = output
            return output

        return look

    with ExitStack() as stack:
        for layer in wanted:
            stack.enter_context(hooked(layer, keep(layer)))
        model(pictures, training=False)
    return seen
