"""Reading and resizing many pictures, in parallel and in order.

Knows: that a broken picture must not end the run. Does not know what the arrays are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from kerascnn import images
from kerascnn.dataset.pictures import Pictures, apply
from kerascnn.errors import PictureError
from kerascnn.parallel import in_order


def sized_pictures(
    pictures: Pictures, size: int | images.Shape, resize: images.ResizeRule
) -> Iterator[images.UInt8Array | PictureError]:
    """Read every picture and bring it to the model's size.

    Yields:
        In order, for each: uint8 ``[size, size, 3]``, or why it cannot be read.
    """
    sized = partial(images.size_picture, size=size, resize=resize)

    def work(index: int) -> images.UInt8Array | PictureError:
        return images.attempt(lambda: apply(pictures, index, sized))

    return in_order(work, range(len(pictures)))
