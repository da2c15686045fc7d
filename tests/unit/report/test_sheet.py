"""Sheets of pictures: words in any script, as text, and nothing that runs."""

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from kerascnn.report.explanations import kernel_row, map_row
from kerascnn.report.heat import colors, enlarged, overlay
from kerascnn.report.sheet import Row, Tile, draw_sheet, fitting, write_sheet

SVG = "{http://www.w3.org/2000/svg}"


def tile(*words: str, side: int = 20) -> Tile:
    return Tile(np.arange(side * side * 3, dtype=np.uint8).reshape(side, side, 3), words)


def test_words_are_text_whatever_they_hold():
    words = ("고양이와 강아지", "<script>alert(1)</script>", "a\x00b\ud800c")
    root = ElementTree.fromstring(draw_sheet('"&<b>', [Row("r", (tile(*words),))]))
    shown = [element.text for element in root.iter(f"{SVG}text")]
    whole = shown + [element.text for element in root.iter(f"{SVG}title")]
    assert {"고양이와 강아지", "<script>alert(1)</script>", "a\ufffdb\ufffdc", '"&<b>'} <= set(
        whole
    )
    assert not list(root.iter(f"{SVG}script"))
    assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)


def test_what_is_too_wide_is_cut_and_kept_whole_in_a_title():
    long = "아주 긴 이름을 가진 부류" * 4
    root = ElementTree.fromstring(draw_sheet("t", [Row("r", (tile(long),))], side=100))
    text = next(e for e in root.iter(f"{SVG}text") if e.find(f"{SVG}title") is not None)
    assert text.text.endswith("…")
    assert long.startswith(text.text[:-1])
    assert text.find(f"{SVG}title").text == long
    assert fitting("short", 9) == "short"


def test_pictures_are_those_given_and_lie_within_the_sheet():
    given = [tile("a"), tile("b"), tile("c")]
    root = ElementTree.fromstring(draw_sheet("t", [Row("r", tuple(given))], side=64, columns=2))
    width, height = float(root.get("width")), float(root.get("height"))
    images = list(root.iter(f"{SVG}image"))
    assert len(images) == 3
    for image, one in zip(images, given, strict=True):
        raw = base64.b64decode(image.get("href").partition(",")[2])
        with Image.open(io.BytesIO(raw)) as decoded:
            assert (np.asarray(decoded) == one.picture).all()
        assert float(image.get("x")) + 64 <= width
        assert float(image.get("y")) + 64 <= height
    assert float(images[2].get("y")) > float(images[0].get("y"))


def test_a_png_has_the_pictures_alone():
    write_sheet("sheet.png", "t", [Row("r", (tile("a"), tile("b")))], side=20)
    with Image.open("sheet.png") as image:
        sheet = np.asarray(image)
    assert (sheet[12:32, 12:32] == tile().picture).all()
    assert (sheet[12:32, 44:64] == tile().picture).all()


def test_cold_places_are_the_picture_and_warm_ones_have_color(photograph):
    picture = photograph(224, 224)
    heat = np.zeros((7, 7), np.float32)
    heat[0, 0] = 1
    over = overlay(picture, heat)
    assert (over[112:, 112:] == picture[112:, 112:]).all()
    assert over[2, 2] == pytest.approx(0.3 * picture[2, 2] + 0.7 * np.array([252, 255, 164]), abs=1)


def test_colors_grow_lighter_with_heat():
    lightness = colors(np.linspace(0, 1, 50)[None]).astype(int).sum(-1)[0]
    assert (np.diff(lightness) >= 0).all()


def test_small_pictures_are_enlarged_by_whole_pixels():
    large = enlarged(np.arange(12, dtype=np.uint8).reshape(2, 2, 3), 5)
    assert large.shape == (6, 6, 3)
    assert (large[:3, :3] == [0, 1, 2]).all()


def test_kernels_are_shown_around_gray():
    kernel = np.zeros((1, 1, 2, 3), np.float32)
    kernel[0, 0, 1] = (1, -1, 0)
    row = kernel_row("conv", kernel)
    assert row.tiles[0].picture[0, 0].tolist() == [128, 128, 128]
    assert row.tiles[0].picture[-1, -1].tolist() == [255, 0, 128]
    assert "1 filter of 1 × 2 × 3" in row.title


def test_a_flat_map_is_black_and_another_goes_from_black_to_white():
    maps = np.stack([np.full((2, 2), 5), [[-1, 0], [0, 3]]]).astype(np.float32)
    flat, other = (one.picture for one in map_row("t", maps, (4, 7)).tiles)
    assert not flat.any()
    assert (other.min(), other.max()) == (0, 255)
