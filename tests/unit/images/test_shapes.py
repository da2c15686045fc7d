"""Pictures that are thin, and TIFF whose zero is white, at every number of bits."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from kerascnn import images
from kerascnn.errors import PictureError


def tiff(values: np.ndarray, bits: int, photometric: int) -> bytes:
    """Write gray values as an uncompressed little-endian TIFF, by hand (TIFF 6.0)."""
    height, width = values.shape
    if bits == 16:
        data = values.astype("<u2").tobytes()
    else:
        rows = ["".join(f"{value:0{bits}b}" for value in row) for row in values.tolist()]
        padded = [row + "0" * (-len(row) % 8) for row in rows]
        data = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in padded)
    tags = [
        (256, 3, width), (257, 3, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric),
        (273, 4, 8 + 2 + 12 * 9 + 4), (277, 3, 1), (278, 3, height), (279, 4, len(data)),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + struct.pack("<I", 0) + data


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_white_is_zero_at_every_number_of_bits(bits: int) -> None:
    highest = 2**bits - 1
    values = np.linspace(0, highest, 16).round().astype(np.int64).reshape(2, 8)
    expected = np.round(values * 255 / highest)
    black_is_zero, white_is_zero = (
        images.decode(tiff(values, bits, photometric))[..., 0].astype(int) for photometric in (1, 0)
    )
    assert np.abs(black_is_zero - expected).max() <= 1
    assert np.abs(white_is_zero - (255 - expected)).max() <= 1


def test_twelve_bits_with_white_as_zero_are_refused_and_never_negative() -> None:
    """Pillow knows twelve bits with black as zero alone."""
    with pytest.raises(PictureError, match="not a picture that can be read"):
        images.decode(tiff(np.zeros((2, 8), np.int64), 12, 0))


@pytest.mark.parametrize("size", [(1, 1001), (1001, 1), (1, 500_000), (65_536, 100), (3, 65_000)])
def test_what_is_too_thin_or_too_long_is_refused(size: tuple[int, int]) -> None:
    picture = Image.new("L", size)
    file = io.BytesIO()
    picture.save(file, "PNG")
    for read, given in (
        (images.decode, file.getvalue()),
        (images.from_pillow, picture),
        (images.rgb_array, np.asarray(picture)),
    ):
        with pytest.raises(PictureError, match="too long or too narrow"):
            read(given)


@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (66, 65_535)])
def test_what_is_just_allowed_can_be_sized(size: tuple[int, int]) -> None:
    rgb = images.from_pillow(Image.new("L", size, 9))
    for rule in images.RESIZE_RULES:
        assert images.size_picture(rgb, 32, rule).shape == (32, 32, 3)
