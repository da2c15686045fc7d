"""Every mode and rotation that a file can have becomes the right RGB."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kerascnn import images
from kerascnn.errors import PictureError
from kerascnn.images.decoding import decode_here

WIDE = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
SCALED = [0, 1, 1, 128, 255]


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def tiff(values: np.ndarray, bits: int = 16, sign: int = 1, order: str = ">") -> bytes:
    """A gray TIFF, written by hand: Pillow writes no big-endian ones."""
    height, width = values.shape
    pixels = values.astype(f"{order}u2").tobytes()
    shorts = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (277, 1)]
    shorts += [(278, height), (279, len(pixels)), (339, sign)]
    start = 8 + 2 + 12 * (len(shorts) + 1) + 4
    entries = [struct.pack(f"{order}HHIHxx", tag, 3, 1, value) for tag, value in shorts]
    entries.append(struct.pack(f"{order}HHII", 273, 4, 1, start))
    entries.sort(key=lambda entry: struct.unpack(f"{order}H", entry[:2]))
    mark = b"MM\0*" if order == ">" else b"II*\0"
    head = mark + struct.pack(f"{order}IH", 8, len(entries))
    return head + b"".join(entries) + bytes(4) + pixels


def in_planes(file: bytes, entries: int) -> bytes:
    """Turn a gray TIFF of 16 bits into one of three channels, each on its own."""
    start, old = 10, 10 + 12 * entries
    rows = [file[start + 12 * n :][:12] for n in range(entries)]
    tags = {struct.unpack(">H", row[:2])[0]: row for row in rows}
    moved = old + 24 + 4
    for tag, value in ((262, 2), (277, 3), (284, 2)):
        tags[tag] = struct.pack(">HHIHxx", tag, 3, 1, value)
    for tag, place in ((258, moved), (273, moved + 6), (279, moved + 18)):
        tags[tag] = struct.pack(">HHII", tag, 3 if tag == 258 else 4, 3, place)
    pixels = file[old + 4 :]
    first = moved + 30
    arrays = struct.pack(">3H", 16, 16, 16)
    arrays += struct.pack(">3I", *(first + n * len(pixels) for n in range(3)))
    arrays += struct.pack(">3I", *[len(pixels)] * 3)
    ordered = b"".join(tags[tag] for tag in sorted(tags))
    head = file[:8] + struct.pack(">H", len(tags)) + ordered + bytes(4)
    return head.ljust(moved, b"\0") + arrays + pixels * 3


def png(width: int, bits: int, kind: int, rows: list[bytes], *clear: int) -> bytes:
    """A PNG, written by hand: Pillow writes no 16-bit colors, and none of 2 or 4 bits of gray."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, len(rows), bits, kind, 0, 0, 0)
    transparent = chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b""
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + transparent + pixels + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bit_tiff_is_scaled_in_both_byte_orders(order: str) -> None:
    assert images.decode(tiff(WIDE, order=order))[0, :, 1].tolist() == SCALED


@pytest.mark.parametrize("size", [(5, 3), (1500, 1100)])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK"])
def test_eight_bits_are_what_pillow_converts_to(mode: str, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    file = encoded(image, "TIFF" if mode == "CMYK" else "PNG")
    assert np.array_equal(images.decode(file), np.asarray(image.convert("RGB")))


def test_sixteen_bit_png_is_scaled() -> None:
    assert images.decode(encoded(Image.fromarray(WIDE)))[0, :, 2].tolist() == SCALED


def test_sixteen_bit_big_endian_array_of_pillow_is_scaled() -> None:
    image = Image.frombytes("I;16B", (5, 1), WIDE.astype(">u2").tobytes())
    assert images.from_pillow(image)[0, :, 0].tolist() == SCALED


def test_sixteen_bit_picture_is_rotated_too(photograph) -> None:
    gray = photograph(4, 6)[..., 0].astype(np.uint16) * 257
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb = images.decode(encoded(Image.fromarray(gray), exif=exif))
    assert np.array_equal(rgb[..., 0], np.rot90(gray // 257, -1))


def test_sixteen_bit_colors_keep_their_upper_half(photograph) -> None:
    original = photograph(3, 5)
    rows = [row.astype(">u2").tobytes() for row in original.astype(int) * 257]
    assert np.array_equal(images.decode(png(5, 16, 2, rows)), original)


def test_transparent_color_of_sixteen_bits_is_laid_on_white() -> None:
    """Pillow gives the upper 8 bits of the pixels, and all 16 of the transparent color."""
    pixels = [(40000, 3, 65535), (300, 20000, 7)]
    rows = [np.asarray(pixels, ">u2").tobytes()]
    for clear in (0, 1):
        expected = [[value >> 8 for value in pixel] for pixel in pixels]
        expected[clear] = [255, 255, 255]
        assert images.decode(png(2, 16, 2, rows, *pixels[clear]))[0].tolist() == expected


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_transparent_gray_of_few_bits_is_laid_on_white(bits: int) -> None:
    """Pillow multiplies the pixels of 2 and 4 bits up to 255, and the transparent value not."""
    levels = 1 << bits
    text = "".join(f"{level:0{bits}b}" for level in range(levels)).ljust(8, "0")
    rows = [int(text, 2).to_bytes(len(text) // 8, "big")]
    gray = [level * 255 // (levels - 1) for level in range(levels)]
    for clear in (0, 1):
        file = png(levels, bits, 0, rows, clear)
        expected = [255 if level == clear else one for level, one in enumerate(gray)]
        assert images.decode(file)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("mode", ["L", "CMYK", "I;16"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_file_that_pillow_maps_into_memory_is_rotated(
    mode: str, orientation: int, photograph, tmp_path
) -> None:
    """Large TIFF files are opened by name, where Pillow garbles what is turned by a quarter."""
    stored = photograph(4, 6)[..., 0].astype(np.uint16 if mode == "I;16" else np.uint8)
    image = Image.fromarray(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = image if image.mode == mode else image.convert("RGB").convert(mode)
    (tmp_path / "a.tif").write_bytes(encoded(image, "TIFF", exif=exif))
    by_name = decode_here(str(tmp_path / "a.tif"))
    assert by_name.shape == ((4, 6, 3) if orientation < 5 else (6, 4, 3))
    assert np.array_equal(by_name, images.decode((tmp_path / "a.tif").read_bytes()))
    with Image.open(tmp_path / "a.tif") as opened:
        assert np.array_equal(images.from_pillow(opened), by_name)


def test_channels_of_sixteen_bits_one_after_the_other_are_refused() -> None:
    """Pillow reads them as bytes, and gives another picture."""
    one = tiff(WIDE)
    count = struct.unpack_from(">H", one, 8)[0]
    with pytest.raises(PictureError, match="channels of 16 bits are stored one after the other"):
        images.decode(in_planes(one, count))


def test_transparent_gray_of_sixteen_bits_is_laid_on_white() -> None:
    file = encoded(Image.fromarray(WIDE), transparency=256)
    assert images.decode(file)[0, :, 0].tolist() == [0, 1, 255, 128, 255]


def test_twelve_bits_are_scaled_by_their_own_range() -> None:
    packed = np.frombuffer(bytes([0xFF, 0xF8, 0x00, 0x00, 0x10, 0x00]), "<u2")[None]
    file = bytearray(tiff(packed, bits=12, order="<"))
    width = file.index(struct.pack("<HHI", 256, 3, 1)) + 8
    file[width : width + 2] = struct.pack("<H", 4)
    assert images.decode(bytes(file))[0, :, 0].tolist() == [255, 128, 0, 0]


@pytest.mark.parametrize("image", [Image.new("F", (2, 2)), Image.new("I", (2, 2))])
def test_pixels_without_an_agreed_range_are_refused(image: Image.Image) -> None:
    for read in (images.from_pillow, lambda image: images.decode(encoded(image, "TIFF"))):
        with pytest.raises(PictureError, match=r"no agreed range.*Convert it"):
            read(image)


@pytest.mark.parametrize("bits", [8, 16])
def test_numbers_with_a_sign_are_refused(bits: int) -> None:
    with pytest.raises(PictureError, match="signed pixels"):
        images.decode(tiff(WIDE // 2 ** (16 - bits), bits, sign=2))


def test_palette_with_transparency_is_laid_on_white(photograph) -> None:
    palette = Image.fromarray(photograph(16, 16)).convert("P")
    index = np.asarray(palette)
    clear = int(index[0, 0])
    expected = np.asarray(palette.convert("RGB")).copy()
    expected[index == clear] = 255
    for form in ("PNG", "GIF"):
        rgb = images.decode(encoded(palette, form, transparency=clear))
        assert np.array_equal(rgb, expected), form


def test_palette_with_a_half_transparent_color_is_mixed_with_white() -> None:
    palette = Image.new("P", (1, 1))
    palette.putpalette([200, 0, 100])
    rgb = images.decode(encoded(palette, transparency=bytes([128])))
    assert rgb[0, 0].tolist() == [227, 127, 177]


def test_gray_with_alpha_is_laid_on_white() -> None:
    image = Image.merge("LA", [Image.new("L", (2, 1), 40), Image.new("L", (2, 1))])
    image.putpixel((1, 0), (40, 255))
    for form in ("PNG", "TIFF"):
        assert images.decode(encoded(image, form))[0].tolist() == [[255] * 3, [40] * 3]


def test_premultiplied_alpha_is_laid_on_white_once() -> None:
    image = Image.new("RGBA", (1, 1), (200, 100, 0, 128)).convert("RGBa")
    assert np.abs(images.from_pillow(image)[0, 0].astype(int) - [227, 177, 127]).max() <= 1


def test_transparent_color_of_a_true_color_png_is_white(photograph) -> None:
    original = photograph(8, 8)
    color = tuple(int(value) for value in original[3, 3])
    rgb = images.decode(encoded(Image.fromarray(original), transparency=color))
    assert (rgb[3, 3] == 255).all()
    rest = (original != color).any(2)
    assert np.array_equal(rgb[rest], original[rest])


def test_black_and_white_is_black_and_white() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    for form in ("PNG", "TIFF", "BMP", "GIF"):
        assert images.decode(encoded(image, form))[0].tolist() == [[0] * 3, [255] * 3]


def test_cmyk_jpeg_is_not_inverted(photograph) -> None:
    """Adobe stores CMYK JPEG inverted; shown as it lies, it would be a negative."""
    original = photograph(40, 60)
    file = encoded(Image.fromarray(original).convert("CMYK"), "JPEG", quality=95, subsampling=0)
    assert np.abs(images.decode(file).astype(int) - original).mean() < 6


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_rotation_is_undone(form: str, orientation: int, photograph) -> None:
    """The file holds what a turned camera saw; all eight come back to the same picture."""
    upright = photograph(16, 24)
    seen = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a.transpose(1, 0, 2), 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    file = encoded(
        Image.fromarray(np.ascontiguousarray(seen)), form, exif=exif, **options.get(form, {})
    )
    rgb = images.decode(file)
    assert rgb.shape == upright.shape
    assert np.abs(rgb.astype(int) - upright).max() <= (6 if form == "JPEG" else 0)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0rubbish", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0", b"\xff" * 50],
)
def test_broken_exif_does_not_cost_the_picture(form: str, exif: bytes, photograph) -> None:
    original = photograph(8, 8)
    file = encoded(Image.fromarray(original), form, exif=exif, lossless=True)
    assert np.abs(images.decode(file).astype(int) - original).max() < (60 if form == "JPEG" else 1)


def test_first_frame_of_every_animated_format(photograph) -> None:
    first, second = (Image.fromarray(photograph(16, 16)).rotate(angle) for angle in (0, 90))
    for form in ("PNG", "WEBP", "TIFF"):
        file = encoded(first, form, save_all=True, append_images=[second], lossless=True)
        assert np.array_equal(images.decode(file), np.asarray(first)), form


def test_first_picture_of_a_multi_picture_jpeg(photograph) -> None:
    first, second = (Image.fromarray(photograph(16, 16)).rotate(angle) for angle in (0, 90))
    file = encoded(first, "MPO", save_all=True, append_images=[second])
    assert np.array_equal(images.decode(file), images.decode(encoded(first, "JPEG")))
