"""The quicker decoder gives the very bytes that Pillow gives, or Pillow is asked."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from kerascnn import images
from kerascnn.errors import PictureError
from kerascnn.images import decoding, jpeg, limits

simplejpeg = pytest.importorskip("simplejpeg", reason="needs the extra `fast`")

SIZES = ((1, 1), (2, 3), (7, 8), (17, 33), (64, 48), (101, 67), (375, 500))
QUALITIES = (10, 50, 75, 90, 100)


def encoded(rgb: np.ndarray | Image.Image, **options) -> bytes:
    image = rgb if isinstance(rgb, Image.Image) else Image.fromarray(rgb)
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def by_pillow(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))


def quick(file: bytes) -> np.ndarray | None:
    with Image.open(io.BytesIO(file)) as image:
        return jpeg.quick_pixels(image)


def plain_files(photograph) -> Iterator[tuple[str, bytes]]:
    """Every size, quality, sampling and way of coding: 560 files."""
    for height, width in SIZES:
        rgb = photograph(height, width)
        gray = np.ascontiguousarray(rgb[..., 1])
        for quality in QUALITIES:
            for progressive in (False, True):
                options = {"quality": quality, "progressive": progressive}
                for sampling in ("4:4:4", "4:2:2", "4:2:0"):
                    name = f"{height} x {width}, {options}, {sampling}"
                    yield name, encoded(rgb, subsampling=sampling, **options)
                yield f"{height} x {width}, {options}, gray", encoded(gray, **options)
                name = f"{height} x {width}, {options}, restarts"
                yield name, encoded(rgb, restart_marker_blocks=3, optimize=True, **options)
            for sampling in ("440", "411", "420"):
                file = simplejpeg.encode_jpeg(rgb, quality=quality, colorsubsampling=sampling)
                yield f"{height} x {width}, {quality}, {sampling} of TurboJPEG", file
            noise = np.random.default_rng(quality).integers(0, 256, (height, width, 3), np.uint8)
            for sampling in ("4:4:4", "4:2:2", "4:2:0"):
                name = f"{height} x {width}, {quality}, noise {sampling}"
                yield name, encoded(noise, quality=quality, subsampling=sampling)


def test_plain_files_come_out_as_pillow_gives_them(photograph) -> None:
    count = 0
    for name, file in plain_files(photograph):
        pixels = quick(file)
        assert pixels is not None, name
        assert np.array_equal(pixels, by_pillow(file)), name
        count += 1
    assert count > 500


def test_real_pictures_with_every_rotation(photograph, monkeypatch) -> None:
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        file = encoded(photograph(30, 41), exif=exif)
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "quick_pixels", lambda image: None)
            expected = images.decode(file)
        assert quick(file) is not None
        assert np.array_equal(images.decode(file), expected), orientation


def test_other_colors_are_left_to_pillow(photograph) -> None:
    rgb = photograph(20, 30)
    assert quick(encoded(Image.fromarray(rgb).convert("CMYK"))) is None
    assert quick(encoded(rgb, keep_rgb=True)) is None
    for file in (encoded(Image.fromarray(rgb).convert("CMYK")), encoded(rgb, keep_rgb=True)):
        assert images.decode(file).shape == rgb.shape


def test_a_fault_is_left_to_pillow_with_its_verdict(photograph) -> None:
    whole = encoded(photograph(60, 80), quality=90)
    assert quick(whole[: len(whole) // 2]) is None
    with pytest.raises(PictureError, match="truncated"):
        images.decode(whole[: len(whole) // 2])
    damaged = bytearray(whole)
    damaged[len(whole) // 2 : len(whole) // 2 + 2] = b"\xff\xd4"  # a restart that nobody announced
    assert quick(bytes(damaged)) is None
    assert np.array_equal(images.decode(bytes(damaged)), by_pillow(bytes(damaged)))


def test_damage_gives_the_same_verdict_with_and_without_it(photograph, monkeypatch) -> None:
    rng = np.random.default_rng(1)
    whole = {0: encoded(photograph(40, 48)), 1: encoded(photograph(40, 48), progressive=True)}
    monkeypatch.setattr(limits, "MAX_PIXELS", 4_000_000)
    verdicts: list[bool] = []
    for number in range(400):
        file = bytearray(whole[number % 2])
        for place in rng.integers(2, len(file), rng.integers(1, 4)):
            file[place] = rng.integers(256)
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "quick_pixels", lambda image: None)
            expected = verdict(bytes(file))
        found = verdict(bytes(file))
        verdicts.append(isinstance(found, str))
        if isinstance(found, str) or isinstance(expected, str):
            assert found == expected, number
        else:
            assert np.array_equal(found, expected), number
    assert 0 < sum(verdicts) < len(verdicts)


def verdict(file: bytes) -> np.ndarray | str:
    try:
        return images.decode(file, "picture")
    except PictureError as error:
        return str(error)


def test_a_size_that_was_not_checked_is_not_decoded(photograph) -> None:
    """Two frame headers: Pillow believes the last, libjpeg the first."""
    small, large = encoded(photograph(8, 8)), encoded(photograph(64, 64))
    header = small.index(b"\xff\xc0")
    length = 2 + int.from_bytes(small[header + 2 : header + 4], "big")
    start = large.index(b"\xff\xc0") + length
    file = large[:start] + small[header : header + length] + large[start:]
    assert quick(file) is None


def test_one_that_decodes_otherwise_is_never_used(photograph, monkeypatch) -> None:
    real = simplejpeg.decode_jpeg
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *a, **k: real(*a, fastdct=True, **k))
    jpeg.quick_decoder.cache_clear()
    try:
        assert jpeg.quick_decoder() is None
        assert quick(encoded(photograph(8, 8))) is None
    finally:
        jpeg.quick_decoder.cache_clear()


def test_it_is_used_where_it_agrees(photograph) -> None:
    jpeg.quick_decoder.cache_clear()
    assert jpeg.quick_decoder() is simplejpeg
