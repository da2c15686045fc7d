"""Attributes and methods of layers, replaced while a block of code runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from keras import layers


@contextmanager
def replaced(values: Mapping[tuple[layers.Layer, str], Any]) -> Iterator[None]:
    """Replace attributes or methods of layers while the block runs.

    Args:
        values: By layer and name; in place of a method a function without ``self``.

    Yields:
        Nothing. Afterwards, and so in every file, the layers are what they were.
    """
    before = {(one, name): vars(one)[name] for one, name in values if name in vars(one)}
    for (layer, name), value in values.items():
        setattr(layer, name, value)
    try:
        yield
    finally:
        for layer, name in values:
            if (layer, name) in before:
                setattr(layer, name, before[layer, name])
            else:
                delattr(layer, name)  # the class's method is visible again
