"""Hostile bytes: whatever they are, a picture or PictureError, and no endless work.

Known: Pillow's own collection of broken and malicious files (scripts/fetch_hostile_pictures),
and seeded damage to real pictures.
"""

import errno
import io
import os
import random
import struct
import threading
import warnings
import zlib
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn import images
from kerascnn.errors import PictureError
from kerascnn.images import limits
from kerascnn.images.plain import plain_size
from kerascnn.parallel import in_order

HOSTILE = Path(
    os.environ.get("KERASCNN_HOSTILE_PICTURES", "~/.cache/kerascnn/hostile-pictures")
).expanduser()

ENDLESS = 100
"""Seconds after which one small file counts as one that never ends; it takes 0.1 at most."""


def decoded(source: str | Path | bytes) -> np.ndarray:
    """Decode in a thread that can be left behind, so that what never ends fails the test."""
    found: Future[np.ndarray] = Future()

    def work() -> None:
        try:
            found.set_result(images.decode(source))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shall see it
            found.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return found.result(ENDLESS)


def answer(source: str | Path | bytes) -> np.ndarray | None:
    """Decode, or None for PictureError; anything else, or no end, fails the test."""
    try:
        rgb = decoded(source)
    except PictureError as error:
        assert str(error).endswith("."), error
        rgb = None
    if rgb is not None:
        assert rgb.shape[0] * rgb.shape[1] <= limits.MAX_PIXELS
        assert rgb.dtype == np.uint8
        assert rgb.ndim == 3
        assert rgb.shape[2] == 3
    return rgb


@pytest.mark.skipif(not HOSTILE.is_dir(), reason="needs scripts/fetch_hostile_pictures")
def test_pillows_own_hostile_pictures(capfd: pytest.CaptureFixture[str]) -> None:
    files = sorted(path for path in HOSTILE.rglob("*") if path.is_file())
    assert len(files) > 1000
    good = {path.name for path in files if answer(path) is not None}
    assert len(good) > 600
    assert not good & {"decompression_bomb.gif", "truncated_jpeg.jpg", "png_decompression_dos.png"}
    assert good >= {"hopper.jpg", "hopper_orientation_6.webp", "16bit.MM.cropped.tif"}


@pytest.mark.skipif(not HOSTILE.is_dir(), reason="needs scripts/fetch_hostile_pictures")
def test_pillows_pictures_of_each_orientation_come_out_alike() -> None:
    upright = images.decode(HOSTILE / "hopper_orientation_2.jpg").astype(int)
    for number in range(3, 9):
        turned = images.decode(HOSTILE / f"hopper_orientation_{number}.jpg")
        assert np.abs(turned - upright).mean() < 10, number


def encoded(image: Image.Image, form: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def originals(photograph) -> dict[str, bytes]:
    """A small photograph in every format, plain and in its odder variants."""
    rgb = Image.fromarray(photograph(40, 48))
    palette, turned = rgb.convert("P"), rgb.rotate(90)
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "jpeg": encoded(rgb, "JPEG", exif=exif),
        "progressive": encoded(rgb, "JPEG", progressive=True),
        "cmyk": encoded(rgb.convert("CMYK"), "JPEG"),
        "mpo": encoded(rgb, "MPO", save_all=True, append_images=[turned]),
        "png": encoded(rgb, "PNG", exif=exif),
        "png-palette": encoded(palette, "PNG", transparency=3),
        "png-animated": encoded(rgb, "PNG", save_all=True, append_images=[turned]),
        "gif": encoded(palette, "GIF", save_all=True, append_images=[turned.convert("P")]),
        "webp": encoded(rgb, "WEBP", exif=exif),
        "webp-animated": encoded(rgb, "WEBP", save_all=True, append_images=[turned]),
        "tiff": encoded(rgb, "TIFF", exif=exif),
        "tiff-lzw": encoded(rgb, "TIFF", compression="tiff_lzw"),
        "tiff-jpeg": encoded(rgb, "TIFF", compression="jpeg"),
        "bmp": encoded(rgb, "BMP"),
        "bmp-palette": encoded(palette, "BMP"),
    }


def damaged(file: bytes, rng: random.Random) -> bytes:
    """Change a few bytes, mostly in the header, and now and then cut the end off."""
    changed = bytearray(file)
    for _ in range(rng.randint(1, 4)):
        place = min(int(rng.expovariate(1 / 60)), len(changed) - 1)
        changed[place] = rng.randrange(256)
    if rng.random() < 0.2:
        del changed[rng.randrange(len(changed)) :]
    return _checksummed(changed) if changed.startswith(b"\x89PNG\r\n\x1a\n") else bytes(changed)


def _checksummed(png: bytearray) -> bytes:
    """Mend the checksums: without them Pillow would look no further than the first."""
    place = 8
    while place + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, place)
        end = place + 8 + length
        if end + 4 > len(png):
            break
        struct.pack_into(">I", png, end, zlib.crc32(png[place + 4 : end]))
        place = end + 4
    return bytes(png)


@pytest.mark.parametrize(
    "variant",
    [
        *("jpeg", "progressive", "cmyk", "mpo", "png", "png-palette", "png-animated", "gif"),
        *("webp", "webp-animated", "tiff", "tiff-lzw", "tiff-jpeg", "bmp", "bmp-palette"),
    ],
)
def test_damaged_headers(variant: str, originals, monkeypatch, capfd) -> None:
    monkeypatch.setattr(limits, "MAX_PIXELS", 4_000_000)  # a large one is slow, not wrong
    rng = random.Random(f"{variant} 1")
    answers = [answer(damaged(originals[variant], rng)) for _ in range(200)]
    assert any(rgb is None for rgb in answers)
    # A GIF or BMP survives most damage; if nothing did, the damage would be no test.
    assert any(rgb is not None for rgb in answers)


def test_noise_is_not_a_picture() -> None:
    rng = random.Random(0)
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF", b"BM", b"II*\0"):
        assert answer(start + rng.randbytes(500)) is None
    assert answer(b"") is None


def test_a_bomb_is_refused_before_a_pixel_is_decoded(monkeypatch) -> None:
    """Whatever Pillow's own limit was set to, and in each format."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(limits, "MAX_PIXELS", 99)

    def never(*_: object) -> None:
        pytest.fail("decoded")

    bombs = {form: encoded(Image.new("RGB", (10, 10)), form) for form in images.FORMATS}
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    for form, bomb in bombs.items():
        with pytest.raises(PictureError, match=r"10 x 10 is 100 pixels, more than the limit of 99"):
            images.decode(bomb, form)


def test_other_formats_are_not_even_tried(photograph) -> None:
    """Each plugin of Pillow's is a parser to attack; EPS would even start Ghostscript."""
    for form in ("PPM", "TGA", "EPS", "ICO", "PCX", "SGI"):
        with pytest.raises(PictureError, match="not a picture that can be read"):
            images.decode(encoded(Image.fromarray(photograph(8, 8)), form))


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path) -> None:
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    with pytest.raises(PictureError, match=r"pipe\.jpg: not a regular file"):
        decoded(pipe)


@pytest.mark.parametrize("path", ["nul\0.jpg", "x" * 5000, "\udcff.jpg", ""])
def test_impossible_paths_are_named(path: str) -> None:
    with pytest.raises(PictureError):
        images.decode(path)


def test_what_the_system_refuses_is_not_called_damaged(tmp_path) -> None:
    (tmp_path / "a.jpg").symlink_to("b.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    for path, code in ((tmp_path / "a.jpg", errno.ELOOP), ("x" * 5000, errno.ENAMETOOLONG)):
        with pytest.raises(PictureError) as caught:
            images.decode(path)
        assert str(caught.value).endswith(f"it ({os.strerror(code)}). Check the path and the disk.")


def test_warnings_of_pillow_are_off_in_every_thread_and_on_again_after(photograph) -> None:
    """Here warnings are errors: if one thread's clean-up let them through, this would fail."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"
    file = encoded(Image.fromarray(photograph(64, 64)), "JPEG", exif=exif)
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        Image.open(io.BytesIO(file)).getexif()
    before = list(warnings.filters)
    for rgb in in_order(images.decode, [file] * 2000, threads=8):
        assert rgb.shape == (64, 64, 3)
    assert list(warnings.filters) == before


def test_a_png_with_many_color_profiles_is_not_unpacked_in_this_process() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        ends = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + ends

    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    whole, profile = file.getvalue(), chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(9)))
    once, often = (whole[:33] + profile * times + whole[33:] for times in (1, 100))
    assert plain_size(once) == (8, 8)
    assert plain_size(often) is None


def test_an_image_of_pillow_that_is_still_a_jpeg_of_thousands_of_scans_is_refused() -> None:
    file = io.BytesIO()
    Image.new("RGB", (1500, 1500), "red").save(file, "JPEG", progressive=True)
    good = file.getvalue()
    bomb = good[:-2] + good[good.rindex(b"\xff\xda") : -2] * 1000 + good[-2:]
    with Image.open(io.BytesIO(good)) as image:
        assert images.from_pillow(image)[0, 0, 0] == images.decode(good)[0, 0, 0]
    with Image.open(io.BytesIO(bomb)) as image, pytest.raises(PictureError, match="scans"):
        images.from_pillow(image)


def test_a_webp_of_very_many_chunks_is_not_plain() -> None:
    """Two million empty ones in 15 MB took a second to look through."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "WEBP")
    whole = file.getvalue()
    assert plain_size(whole + b"XXXX\0\0\0\0" * 1000) == (8, 8)
    assert plain_size(whole + b"XXXX\0\0\0\0" * 2000) is None
