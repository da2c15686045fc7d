"""The one way a picture becomes an array, in training and in production alike.

Knows: bytes or a path to RGB uint8 (decoding), and RGB uint8 to the model's size (sizing).
Does not know: labels, models, normalisation.
"""

from kerascnn.images.channels import GREY_WEIGHTS, grey
from kerascnn.images.decoding import (
    FORMATS,
    MAX_PIXELS,
    SUFFIXES,
    decode,
    from_pillow,
    rgb_array,
)
from kerascnn.images.header import Header, longer_side, read_header
from kerascnn.images.sizing import (
    Axis,
    UInt8Array,
    axes,
    default_resize,
    pixels_between,
    size_picture,
)
from kerascnn.sizing import RESIZE_RULES, How, Resize, Shape, Sizing

__all__ = [
    "FORMATS",
    "GREY_WEIGHTS",
    "MAX_PIXELS",
    "RESIZE_RULES",
    "SUFFIXES",
    "Axis",
    "Header",
    "How",
    "Resize",
    "Shape",
    "Sizing",
    "UInt8Array",
    "axes",
    "decode",
    "default_resize",
    "from_pillow",
    "grey",
    "longer_side",
    "pixels_between",
    "read_header",
    "rgb_array",
    "size_picture",
]
