"""Turns a picture into an array, in the same way for training and production.

Knows: bytes or a path to RGB uint8 (decoding), RGB uint8 to the model's size (resizing), and that
large or suspicious files are decoded in a process that can be killed (read).
Does not know labels, models or normalization.
"""

from kerascnn.images.arrays import rgb_array
from kerascnn.images.channels import GRAY_WEIGHTS, gray
from kerascnn.images.decoding import FORMATS, SUFFIXES, from_pillow
from kerascnn.images.header import Header
from kerascnn.images.limits import MAX_PIXELS
from kerascnn.images.read import (
    Buffer,
    Source,
    UnboundedError,
    apply_decoded,
    attempt,
    decode,
    is_open_file,
    longer_side,
    prepare,
    read_header,
)
from kerascnn.images.resizing import (
    Axis,
    UInt8Array,
    axes,
    default_resize,
    pixels_between,
    size_picture,
)
from kerascnn.images.unsupported import UNREAD_SUFFIXES, WHAT_TO_DO, begins_as_picture
from kerascnn.images.worker_pool import PixelFunction
from kerascnn.resizing import RESIZE_RULES, Resize, ResizeRule, Resizing, Shape

__all__ = [
    "FORMATS",
    "GRAY_WEIGHTS",
    "MAX_PIXELS",
    "RESIZE_RULES",
    "SUFFIXES",
    "UNREAD_SUFFIXES",
    "WHAT_TO_DO",
    "Axis",
    "Buffer",
    "Header",
    "PixelFunction",
    "Resize",
    "ResizeRule",
    "Resizing",
    "Shape",
    "Source",
    "UInt8Array",
    "UnboundedError",
    "apply_decoded",
    "attempt",
    "axes",
    "begins_as_picture",
    "decode",
    "default_resize",
    "from_pillow",
    "gray",
    "is_open_file",
    "longer_side",
    "pixels_between",
    "prepare",
    "read_header",
    "rgb_array",
    "size_picture",
]
