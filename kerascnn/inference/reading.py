"""Reads pictures and resizes them to a network's input size, in threads.

Knows: the accepted sources of pictures, and the card's resizing method. Does not know the network,
batches or predictions.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
from PIL import Image

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.errors import PictureError

Picture: TypeAlias = images.Source
"""A path, the bytes of a file, a Pillow image, or uint8 ``[height, width, 3]`` (RGB)."""

SizedPicture: TypeAlias = tuple[str, images.UInt8Array | PictureError]
"""A picture's name, and its pixels at the network's input size or the error that prevented them."""


class PictureReader:
    """Reads pictures for one network.

    ``usable`` is called before the thread pool is returned; it raises if the network cannot run.
    """

    def __init__(self, card: ModelCard, threads: int, usable: Callable[[], None]) -> None:
        self._card, self.threads, self._usable = card, threads, usable
        self._pool: Executor | None = None
        self._making = threading.Lock()

    def pool(self) -> Executor:
        """Return the thread pool, which is created on first use.

        Raises:
            ConfigError: The classifier was closed.
            ProviderError: The process was forked since it was opened.
        """
        with self._making:
            self._usable()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="reading")
            return self._pool

    def close(self) -> None:
        """Shut the thread pool down without waiting for it."""
        with self._making:
            if self._pool is not None:
                self._pool.shutdown(wait=False)
                self._pool = None

    def read(self, picture: Picture) -> SizedPicture:
        """Read a picture and resize it."""
        name = os.fsdecode(picture) if isinstance(picture, str | os.PathLike) else "picture"
        card = self._card
        return name, images.attempt(lambda: images.prepare(picture, card.shape, card.resize_rule))

    def weigh(self, picture: Picture) -> int:
        """Return the memory of a picture, in bytes: the source plus the resized pixels."""
        given = 0
        if isinstance(picture, bytes):
            given = len(picture)
        elif isinstance(picture, np.ndarray):
            given = picture.nbytes
        elif isinstance(picture, Image.Image):
            given = picture.width * picture.height * len(picture.getbands())
        return given + 3 * self._card.shape[0] * self._card.shape[1]


def as_many(pictures: Iterable[Picture] | Picture) -> Iterable[Picture]:
    """Return pictures unchanged, or a single picture as a list of one.

    Raises:
        PictureError: It is neither.
    """
    if isinstance(pictures, str | os.PathLike | images.Buffer | Image.Image):
        return [pictures]
    if (array := images.array_of(pictures)) is not None:
        paths = array.ndim == 1 and array.dtype.kind in "OU"  # a column of a table
        return array.tolist() if paths else array if array.ndim >= 4 else [array]
    if images.is_open_file(pictures):  # iterating over it would yield lines
        return [pictures]
    table = isinstance(pictures, Mapping) or hasattr(pictures, "columns")  # it yields their names
    if table or not isinstance(pictures, Iterable):
        raise PictureError(
            f"a value of type {type(pictures).__name__}; expected pictures, or one of them."
        )
    return pictures
