"""Attributes and methods of objects, replaced while a block of code runs.

Knows: how they are put back. Does not know: Keras, whose layers they mostly belong to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(values: Mapping[tuple[Any, str], Any]) -> Iterator[None]:
    """Replace attributes or methods of some objects while the block runs.

    Afterwards the objects are what they were, so nothing of this is saved to a file. Values are by
    object and name; for a method, a function without ``self``.
    """
    before = {(one, name): vars(one)[name] for one, name in values if name in vars(one)}
    for (one, name), value in values.items():
        setattr(one, name, value)
    try:
        yield
    finally:
        for one, name in values:
            if (one, name) in before:
                setattr(one, name, before[one, name])
            else:
                delattr(one, name)  # the class's method is visible again
