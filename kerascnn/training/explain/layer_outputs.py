"""Looking at what a layer puts out while a network runs.

Knows: how a layer's call is hooked for a while, in flat and in nested models alike. Does not
know what is looked for.
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
        layer: Layer of any model; a nested one need not be taken apart.
        look: Given the layer's output; what it returns goes on through the network instead.
    """
    call = layer.call
    layer.call = lambda *args, **kwargs: look(call(*args, **kwargs))
    try:
        yield
    finally:
        del layer.call  # the instance's, so that the class's own is seen again


def outputs(model: keras.Model, pictures: Any, wanted: Sequence[layers.Layer]) -> dict[str, Any]:
    """Run a network, and keep what some layers put out.

    Returns:
        The output by the layer's name, in the order in which the layers ran; of a layer that
        ran more than once, the last.
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
