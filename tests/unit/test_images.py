"""images.py: the table of sizes, and every way a picture becomes RGB."""

import errno
import io
import os

import numpy as np
import pytest
from PIL import Image

from kerascnn import images
from kerascnn.errors import ConfigError, PictureError
from kerascnn.images.resizing import own_sides

# (height, width, size, rule) -> (vertical, horizontal) as (start, stop, length, offset)
CASES = [
    ((28, 28, 32, "pad"), ((0, 28, 28, 2), (0, 28, 28, 2))),
    ((64, 32, 32, "pad"), ((0, 64, 32, 0), (0, 32, 16, 8))),
    ((31, 33, 32, "pad"), ((0, 31, 30, 1), (0, 33, 32, 0))),
    ((1, 400, 32, "pad"), ((0, 1, 1, 15), (0, 400, 32, 0))),
    ((1, 7, 32, "pad"), ((0, 1, 1, 15), (0, 7, 7, 12))),
    ((33, 33, 32, "pad"), ((0, 33, 32, 0), (0, 33, 32, 0))),
    ((1080, 1920, 224, "squash"), ((0, 1080, 224, 0), (0, 1920, 224, 0))),
    ((1, 7, 32, "squash"), ((0, 1, 32, 0), (0, 7, 32, 0))),
    ((256, 256, 224, "crop"), ((16, 240, 224, 0), (16, 240, 224, 0))),
    ((512, 512, 224, "crop"), ((32, 480, 224, 0), (32, 480, 224, 0))),
    ((480, 640, 224, "crop"), ((30, 450, 224, 0), (58 * 640 / 341, 282 * 640 / 341, 224, 0))),
    ((256, 512, 224, "crop"), ((16, 240, 224, 0), (144, 368, 224, 0))),
    ((37, 37, 32, "crop"), ((2, 34, 32, 0), (2, 34, 32, 0))),
    ((224, 224, 224, "crop"), ((0, 224, 224, 0), (0, 224, 224, 0))),
    ((32, 32, 32, "squash"), ((0, 32, 32, 0), (0, 32, 32, 0))),
]


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_sizing_arithmetic(given: tuple, expected: tuple) -> None:
    sides = own_sides(*given)
    assert [(one.start, one.stop, one.length, one.offset) for one in sides] == list(expected)


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_sized_picture_is_where_the_arithmetic_says(given, expected, photograph) -> None:
    height, width, size, rule = given
    sized = images.size_picture(photograph(height, width), size, rule)
    assert sized.shape == (size, size, 3)
    (_, _, rows, top), (_, _, columns, left) = expected
    inside = np.zeros((size, size), bool)
    inside[top : top + rows, left : left + columns] = True
    assert not sized[~inside].any()
    assert sized[inside].any()


def test_the_model_size_is_left_alone_under_every_rule(photograph) -> None:
    picture = photograph(32, 32)
    for rule in images.RESIZE_RULES:
        assert np.array_equal(images.size_picture(picture, 32, rule), picture)


def test_small_pictures_are_padded_not_enlarged(photograph) -> None:
    picture = photograph(28, 28)
    assert np.array_equal(images.size_picture(picture, 32, "pad")[2:30, 2:30], picture)


def test_crop_takes_the_middle(photograph) -> None:
    """As torchvision's Resize(256), CenterCrop(224) does, within rounding."""
    picture = photograph(512, 512)
    whole = Image.fromarray(picture).resize((256, 256), Image.Resampling.BILINEAR)
    expected = np.asarray(whole).astype(int)[16:240, 16:240]
    assert np.abs(images.size_picture(picture, 224, "crop").astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(100, 31), (31, 100), (1, 3000), (3000, 1)])
def test_horizontal_pass_comes_first_whatever_pillow_prefers(height, width, photograph) -> None:
    picture = photograph(height, width)
    across = Image.fromarray(picture).resize((32, height), Image.Resampling.BILINEAR)
    both = np.asarray(across.resize((32, 32), Image.Resampling.BILINEAR))
    assert np.array_equal(images.size_picture(picture, 32, "squash"), both)


def test_rows_that_a_crop_leaves_out_do_not_change_the_others(photograph) -> None:
    rng = np.random.default_rng(0)
    for height, width in rng.integers(1, 400, (300, 2)):
        picture = photograph(height, width)
        size = int(rng.choice([1, 16, 32, 96, 224]))
        down, across = own_sides(height, width, size, "crop")
        box = (across.start, 0, across.stop, height)
        whole = Image.fromarray(picture).resize((size, height), Image.Resampling.BILINEAR, box)
        box = (0, down.start, size, down.stop)
        expected = np.asarray(whole.resize((size, size), Image.Resampling.BILINEAR, box))
        sized = images.size_picture(picture, size, "crop")
        np.testing.assert_array_equal(sized, expected, err_msg=f"{height} x {width} to {size}")


def test_unknown_rule_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="squash, crop, pad"):
        own_sides(1, 1, 1, "stretch")  # type: ignore[arg-type]


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def test_gray_palette_and_cmyk_become_rgb(photograph) -> None:
    original = Image.fromarray(photograph(40, 60))
    gray = images.decode(encoded(original.convert("L")))
    assert gray.shape == (40, 60, 3)
    assert (gray[..., 0] == gray[..., 2]).all()
    palette = images.decode(encoded(original.convert("P")))
    assert np.array_equal(palette, np.asarray(original.convert("P").convert("RGB")))
    cmyk = images.decode(encoded(original.convert("CMYK"), "TIFF"))
    assert np.abs(cmyk.astype(int) - np.asarray(original)).max() <= 1


def test_transparency_is_laid_on_white(photograph) -> None:
    rgba = np.dstack([photograph(8, 8), np.full((8, 8), 255, np.uint8)])
    rgba[:4, :, 3] = 0
    rgb = images.decode(encoded(Image.fromarray(rgba)))
    assert (rgb[:4] == 255).all()
    assert np.array_equal(rgb[4:], rgba[4:, :, :3])


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    wide = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    rgb = images.decode(encoded(Image.fromarray(wide)))
    assert rgb[0, :, 0].tolist() == [0, 1, 1, 128, 255]


def test_exif_rotation_is_applied(photograph) -> None:
    original = Image.fromarray(photograph(20, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb = images.decode(encoded(original, exif=exif))
    assert np.array_equal(rgb, np.rot90(np.asarray(original), -1))


def test_first_frame_of_an_animation_is_used(photograph) -> None:
    first, second = (Image.fromarray(photograph(16, 16)).convert("L").rotate(a) for a in (0, 90))
    file = encoded(first, "GIF", save_all=True, append_images=[second])
    assert np.array_equal(images.decode(file), np.asarray(first.convert("RGB")))


def test_errors_name_the_picture_and_the_remedy(tmp_path) -> None:
    broken = tmp_path / "고양이.jpg"
    broken.write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"고양이\.jpg: not a picture.*Expected JPEG, PNG"):
        images.decode(broken)
    with pytest.raises(PictureError, match="no such file"):
        images.decode(tmp_path / "missing.png")
    with pytest.raises(PictureError, match="folder"):
        images.decode(tmp_path)


def test_an_error_of_the_system_does_not_call_the_file_damaged(photograph, monkeypatch) -> None:
    def no_descriptor_left(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(Image, "open", no_descriptor_left)
    with pytest.raises(PictureError, match=f"cannot read it .{os.strerror(errno.EMFILE)}.\\.$"):
        images.decode(encoded(Image.fromarray(photograph(8, 8)), "JPEG"))


def test_truncated_picture_is_an_error_not_a_gray_half(photograph) -> None:
    whole = encoded(Image.fromarray(photograph(64, 64)), "JPEG")
    with pytest.raises(PictureError, match="cannot decode"):
        images.decode(whole[: len(whole) // 2])


def test_decompression_bomb_is_refused_before_decoding() -> None:
    bomb = encoded(Image.new("1", (20_000, 10_000)))
    assert len(bomb) < 100_000
    with pytest.raises(PictureError, match=r"200000000 pixels.*limit"):
        images.decode(bomb)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2, 3), np.float32),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((0, 2, 3), np.uint8),
        np.zeros(3, np.uint8),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(array) -> None:
    with pytest.raises(PictureError, match="expected"):
        images.rgb_array(array)
