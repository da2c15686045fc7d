"""Resizing as other libraries do it: the right values are those of Pillow itself.

torchvision, timm and fastai size pictures with Pillow: what is theirs are the integers, written
here as they write them. TensorFlow is asked in
``tests/unit/training/export/test_sizing_tensorflow.py``.
"""

import numpy as np
import pytest
from PIL import Image, ImageOps

from kerascnn import images
from kerascnn.errors import ConfigError
from kerascnn.images.geometry import Side
from kerascnn.images.resampling import pillow_pass
from kerascnn.resizing import FILTERS, PRESETS, Resizing, choose

METHODS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}
SIZES = [(37, 91), (91, 37), (200, 31), (31, 200), (64, 64), (12, 9), (150, 113), (5, 80)]
SHAPES = [(32, 32), (48, 19), (19, 48), (100, 100)]


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    numbers = np.random.default_rng(0)
    return [numbers.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


def _check(pictures, sizing, expected) -> None:
    for shape in SHAPES:
        for picture in pictures:
            found = images.size_picture(picture, shape, sizing)
            wanted = np.asarray(expected(Image.fromarray(picture), shape[::-1]))
            np.testing.assert_array_equal(found, wanted, err_msg=f"{picture.shape} {shape}")


@pytest.mark.parametrize("kind", FILTERS)
def test_squash_is_image_resize(pictures, kind) -> None:
    _check(pictures, Resizing(filter=kind), lambda image, size: image.resize(size, METHODS[kind]))


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("share", [1.0, 0.9])
def test_pillow_crop_is_image_ops_fit(pictures, kind, share) -> None:
    rule = Resizing("crop", kind, crop_share=share)
    bleed = (1 - share) / 2
    _check(pictures, rule, lambda image, size: ImageOps.fit(image, size, METHODS[kind], bleed))


@pytest.mark.parametrize("kind", FILTERS)
def test_enlarging_pad_is_image_ops_pad(pictures, kind) -> None:
    rule = Resizing("pad", kind, pad_color=(1, 200, 255), enlarge=True)
    color = (1, 200, 255)
    _check(pictures, rule, lambda image, size: ImageOps.pad(image, size, METHODS[kind], color))


def _center_crop(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    left, top = (round((image.size[i] - size[i]) / 2.0) for i in (0, 1))
    return image.crop((left, top, left + size[0], top + size[1]))


def test_ultralytics_crops_where_the_input_is_square_and_squashes_elsewhere(pictures) -> None:
    """``classify_transforms``: ``Resize(side)`` or ``Resize((height, width))``, ``CenterCrop``."""

    def expected(image: Image.Image, size: tuple[int, int]) -> Image.Image:
        if size[0] != size[1]:
            return image.resize(size, METHODS["bilinear"])
        times = size[0] / min(image.size)
        sized = image.resize([int(side * times) for side in image.size], METHODS["bilinear"])
        return _center_crop(sized, size)

    _check(pictures, PRESETS["ultralytics"].sizing, expected)
    told = PRESETS["ultralytics"].sizing.for_shape((19, 48))
    assert (told.resize, told.library) == ("squash", "torchvision")


@pytest.mark.parametrize(("name", "share"), [("torchvision", 0.875), ("timm", 0.95), ("timm", 1.0)])
def test_torchvision_sizes_then_crops(pictures, name, share) -> None:
    rule = choose(name, crop_share=share)

    def pipeline(image: Image.Image, size: tuple[int, int]) -> Image.Image:
        columns, rows = (int(side / share) for side in size)
        width, height = image.size
        if size[0] == size[1]:
            short = min(width, height)
            sized = tuple(int(columns * side / short) for side in image.size)
        else:
            ratio = min(width / columns, height / rows)
            sized = tuple(round(side / ratio) for side in image.size)
        return _center_crop(image.resize(sized, METHODS[rule.filter]), size)

    _check(pictures, rule, pipeline)


def test_fastai_crops_then_sizes(pictures) -> None:
    def pipeline(image: Image.Image, size: tuple[int, int]) -> Image.Image:
        width, height = image.size
        times = min(width / size[0], height / size[1])
        cut = (int(times * size[0]), int(times * size[1]))
        left, top = (int(0.5 * (image.size[i] - cut[i])) for i in (0, 1))
        cropped = image.crop((left, top, left + cut[0], top + cut[1]))
        return cropped.resize(size, METHODS["bilinear"])

    wide = [picture for picture in pictures if min(picture.shape[:2]) > 8]
    _check(wide, PRESETS["fastai"].sizing, pipeline)


@pytest.mark.parametrize("kind", ["bilinear", "bicubic", "lanczos"])
def test_what_a_thin_picture_is_sized_by_is_pillow_too(pictures, kind) -> None:
    for picture in pictures:
        side = Side(0, len(picture), 0.0, float(len(picture)), 77, 20, 30, 0)
        whole = Image.fromarray(picture).resize((picture.shape[1], 77), METHODS[kind])
        np.testing.assert_array_equal(pillow_pass(picture, side, kind), np.asarray(whole)[20:50])


def test_a_very_thin_picture_is_not_sized_as_a_whole() -> None:
    thin = np.arange(60000, dtype=np.uint64).astype(np.uint8).reshape(1, 20000, 3)
    found = images.size_picture(thin, (32, 32), PRESETS["torchvision"].sizing)
    assert found.shape == (32, 32, 3)


def test_a_pad_does_not_enlarge_unless_it_is_asked_to(pictures) -> None:
    small = pictures[5]
    found = images.size_picture(small, (32, 32), Resizing("pad", pad_color=(255, 255, 255)))
    top, left = (32 - 12) // 2, round((32 - 9) / 2)
    np.testing.assert_array_equal(found[top : top + 12, left : left + 9], small)
    assert (found[0] == 255).all()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"crop_share": 0.0}, "above 0"),
        ({"crop_share": 0.5, "resize": "pad"}, "`resize` crop"),
        ({"enlarge": True, "resize": "crop"}, "`resize` pad"),
        ({"like": "keras", "resize": "pad"}, "keras pads before"),
        ({"like": "fastai", "crop_share": 0.9}, "whole shorter side"),
        ({"like": "mxnet"}, "Choose one of"),
        ({"filter": "box"}, "filter is 'box'; expected one of bilinear"),
    ],
)
def test_what_does_not_go_together_is_refused(said, words) -> None:
    with pytest.raises(ConfigError, match=words):
        choose(**said)


def test_kerascnns_own_rules_are_for_square_inputs() -> None:
    with pytest.raises(ConfigError, match="needs a Resizing"):
        images.size_picture(np.zeros((4, 4, 3), np.uint8), (4, 8), "squash")
