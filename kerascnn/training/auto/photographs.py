"""Tells color photographs from other pictures.

Knows: pixels. Does not know the network or what follows from it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kerascnn.dataset import Split, sized_pictures
from kerascnn.errors import PictureError
from kerascnn.training.auto.places import place_tells
from kerascnn.training.auto.positions import crops_lose

COLORFULNESS = 8.0
"""Mean difference between a pixel's highest and lowest channel, of 255, from which pictures are in
color; JPEG leaves 1 or 2 in a gray picture. Color photographs are taken in all kinds of light, for
which strong augmentation compensates; figures on a plain background, however large, lose by it, and
by crops that cut them up."""

PLAIN = 12
"""Difference from the median color of a picture's border, of 255 in each channel, up to which its
pixels count as background: noise and JPEG stay below."""

BACKGROUND = 0.75
"""Mean share of background in the border from which pictures are figures on a plain background. It
is 0.4 to 0.5 for photographs, and 0.8 to 1 for icons, emoji, plots and CAPTCHAs."""

SAMPLE = 100
"""Number of pictures that are looked at, at most; evenly spaced."""

THUMBNAIL = 32
"""Side to which they are resized if they are read for it, in pixels."""


def has_photographs(train: Split) -> bool:
    """Return whether a split has color photographs, judged from a few of its readable pictures."""
    sample = np.linspace(0, len(train) - 1, min(len(train), SAMPLE)).astype(np.int64)
    found = list(sized_pictures(train.take(sample).pictures, THUMBNAIL, "squash"))
    readable = [not isinstance(one, PictureError) for one in found]
    pictures = [one for one in found if not isinstance(one, PictureError)]
    return bool(pictures) and are_photographs(np.stack(pictures), train.labels[sample][readable])


def are_photographs(pictures: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> bool:
    """Return whether pictures are in color, and bear it that things are moved about in them.

    Args:
        pictures: uint8 ``[pictures, height, width, 3]``, at least one; a few others among them do
            not matter.
        labels: Labels of those pictures.

    Returns:
        False for figures on a plain background, if a detail at one place tells the classes, and if
        crops take away what tells them.
    """
    step = -(-len(pictures) // SAMPLE)
    pictures, labels = pictures[::step], labels[::step]
    values = pictures.astype(np.int16)
    rows, columns = values[:, [0, -1]], values[:, 1:-1, [0, -1]].swapaxes(1, 2)
    border = np.concatenate([rows, columns], axis=2).reshape(len(values), -1, 3)
    distance = np.abs(border - np.median(border, axis=1, keepdims=True)).max(axis=2)
    plain = float((distance <= PLAIN).mean())
    colored = float(np.ptp(values, axis=3).mean()) >= COLORFULNESS
    if plain >= BACKGROUND or not colored:
        return False
    return not place_tells(pictures, labels) and not crops_lose(pictures, labels)
