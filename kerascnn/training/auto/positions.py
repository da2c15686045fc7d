"""A test of whether random crops take away what tells the classes apart.

Knows: pixels. Does not know: Keras, what follows from the result.

The pointer of a gauge, a drawing on a sign, a person before a fixed camera: it matters where in
the picture something is. There, a linear classifier of pixels is much worse on crops than on whole
pictures; on scenes and textures, which look alike everywhere, it is as good.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from kerascnn.metrics.significance import binomial_tail
from kerascnn.training.augmentation.crop_boxes import Boxes, draw_boxes
from kerascnn.training.linear.feature_svd import decompose
from kerascnn.training.linear.leave_one_out import probe

LEAST_AREA = 0.35
"""Minimum share of a photograph in a random crop (torchvision's 0.08 is for a million pictures)."""

LOST = 0.2
"""Minimum share of the pictures that crops cost: 0.25 and more for gauges, clocks and a fixed
camera; at most 0.15 for photographs of scenes, textures, tall ones, and things anywhere in them."""

LEVEL = 0.001
"""Significance level of an exact test of the pictures that only one of the two tells right."""

CROPS = 4
"""Number of crops of each picture that are averaged: with one, the share lost varies by 0.1."""

SIDE = 16
"""Side to which pictures and crops are averaged down, in pixels."""


def crops_lose(pictures: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> bool:
    """Return whether a linear classifier is much worse on crops of pictures.

    Args:
        pictures: uint8 ``[pictures, height, width, 3]``, a hundred or so.
        labels: Labels of those pictures.
    """
    classes, told = np.unique(labels, return_inverse=True)
    targets, count = np.asarray(told, np.int64), len(labels)
    everything = np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1))
    boxes = draw_boxes(CROPS, count, LEAST_AREA, seed=0, epoch=1)
    whole, *crops = (_right(pictures, some, targets, len(classes)) for some in (everything, *boxes))
    gain = whole - np.mean(crops, axis=0)
    lost, won = (round(float(part[part > 0].sum())) for part in (gain, -gain))
    return lost - won >= LOST * count and binomial_tail(lost, lost + won, 0.5) < LEVEL


def _right(
    pictures: npt.NDArray[np.uint8], boxes: Boxes, labels: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.float64]:
    """Return 1 for each picture whose box is told right by a classifier fitted to all others."""
    height, width = pictures.shape[1:3]
    small = []
    for picture, (top, left, down, across) in zip(pictures, boxes.astype(float), strict=True):
        box = (left * width, top * height, (left + across) * width, (top + down) * height)
        one = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX, box)
        small.append(np.asarray(one, np.float32).ravel())
    answers = probe(decompose(np.stack(small)), labels, classes)
    return np.asarray(answers == labels, np.float64)
