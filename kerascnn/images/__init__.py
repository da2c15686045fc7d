"""Turns a picture into an array, in the same way for training and production.

Knows: bytes or a path to RGB uint8 (decoding), RGB uint8 to the model's size (resizing), and that
large or suspicious files are decoded in a process that can be killed (read).
Does not know labels, models or normalization.
"""

from kerascnn.images.arrays import GRAY_WEIGHTS as GRAY_WEIGHTS
from kerascnn.images.arrays import array_of as array_of
from kerascnn.images.arrays import gray as gray
from kerascnn.images.arrays import rgb_array as rgb_array
from kerascnn.images.decoding import FORMATS as FORMATS
from kerascnn.images.decoding import SUFFIXES as SUFFIXES
from kerascnn.images.decoding import from_pillow as from_pillow
from kerascnn.images.header import Header as Header
from kerascnn.images.read import Buffer as Buffer
from kerascnn.images.read import Source as Source
from kerascnn.images.read import UnboundedError as UnboundedError
from kerascnn.images.read import apply_decoded as apply_decoded
from kerascnn.images.read import attempt as attempt
from kerascnn.images.read import decode as decode
from kerascnn.images.read import is_open_file as is_open_file
from kerascnn.images.read import prepare as prepare
from kerascnn.images.read import read_header as read_header
from kerascnn.images.read import sides_in_header as sides_in_header
from kerascnn.images.resizing import UInt8Array as UInt8Array
from kerascnn.images.resizing import default_resize as default_resize
from kerascnn.images.resizing import pixels_between as pixels_between
from kerascnn.images.resizing import size_picture as size_picture
from kerascnn.images.unsupported import UNREAD_SUFFIXES as UNREAD_SUFFIXES
from kerascnn.images.unsupported import WHAT_TO_DO as WHAT_TO_DO
from kerascnn.images.unsupported import begins_as_picture as begins_as_picture
from kerascnn.images.worker_pool import PixelFunction as PixelFunction
from kerascnn.resizing import RESIZE_RULES as RESIZE_RULES
from kerascnn.resizing import Resize as Resize
from kerascnn.resizing import ResizeRule as ResizeRule
from kerascnn.resizing import Resizing as Resizing
from kerascnn.resizing import Shape as Shape
