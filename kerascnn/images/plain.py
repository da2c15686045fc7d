"""Recognizes plain files, whose cost of decoding is evident from a few bytes, and low.

Knows: the headers of each format that determine size and cost. Does not decode or reject: a file
that is not plain may be a valid picture, and is decoded in a process that can be killed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import islice

from kerascnn.images.limits import PLAIN_BYTES, PLAIN_PARTS, PLAIN_PIXELS, PLAIN_SCANS, PLAIN_TAGS

_SCAN = re.compile(b"\xff\xda")
"""Start-of-scan marker of JPEG, which ``re`` finds in a third of the time of ``bytes.count``. In
scan data 255 is followed by 0, so the marker occurs nowhere else, except in thumbnails, where it
does no harm."""

_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB pHYs tIME bKGD sBIT hIST iCCP tEXt eXIf acTL fcTL "
    b"fdAT".split()
)
"""PNG chunks of plain files. Compressed text is not among them."""

_TEXTS = 64
"""Maximum text chunks and color profiles of a plain PNG: Pillow parses each in Python, and
decompresses profiles of up to 1 MB. Cameras and editors write a few."""

_GIF_BYTES = 1 << 20
"""Largest plain GIF, in bytes: Pillow concatenates its comments in quadratic time."""

Size = tuple[int, int]
"""Width and height."""


def plain_size(data: bytes) -> Size | None:
    """Return width and height from a picture's header; None if its file is not plain.

    Given only the start of the file, just the size is meaningful.
    """
    try:
        size = _size(data)
    except (struct.error, IndexError):  # truncated
        return None
    return size if size and min(size) > 0 else None


def is_plain(data: bytes, size: Size | None) -> bool:
    """Return whether a file may be decoded in this process."""
    return len(data) <= PLAIN_BYTES and size is not None and size[0] * size[1] <= PLAIN_PIXELS


def _size(data: bytes) -> Size | None:
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith((b"GIF87a", b"GIF89a")) and len(data) <= _GIF_BYTES:
        return _gif(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return _bmp(data) if data.startswith(b"BM") else None


def _jpeg(data: bytes) -> Size | None:
    size, place, tags = None, 2, b""
    for _ in range(PLAIN_PARTS):
        mark, code, length = struct.unpack_from(">BBH", data, place)
        if mark != 255 or length < 2 or code in (0, 255):
            return None
        if code == 0xDA:
            if size is None or not _few_tags(tags):
                return None
            most = PLAIN_SCANS // max(4096, size[0] * size[1])
            scans = sum(1 for _ in islice(_SCAN.finditer(data), most + 1))
            return size if scans <= most else None
        body = data[place + 4 : place + 2 + length]
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            if size is not None or code > 0xC2:  # two frame headers, or a rare coding process
                return None
            size = struct.unpack_from(">HH", body, 1)[::-1]
        if code == 0xE1 and body.startswith(b"Exif"):
            tags += body[6:]
        if code == 0xE2 and body.startswith(b"MPF"):  # MPO index of further pictures
            return None
        place += 2 + length
    return None


def _png(data: bytes) -> Size | None:
    if data[12:16] != b"IHDR":
        return None
    place, texts = 8, 0
    for _ in range(PLAIN_PARTS):
        if place + 8 > len(data):
            return struct.unpack_from(">II", data, 16)
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind not in _CHUNKS:
            return None
        texts += kind in (b"tEXt", b"iCCP")
        if texts > _TEXTS or (kind == b"eXIf" and not _few_tags(data[place + 8 :][:length])):
            return None
        place += 12 + length
    return None


def _gif(data: bytes) -> Size | None:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    place = 13 + (3 << (flags % 8 + 1) if flags & 128 else 0)
    for _ in range(PLAIN_PARTS):
        if data[place] == 0x2C:
            left, top, across, down = struct.unpack_from("<HHHH", data, place + 1)
            # Pillow enlarges the canvas if the first frame extends beyond it.
            return (width, height) if left + across <= width and top + down <= height else None
        if data[place] != 0x21:
            return None
        place += 2
        while data[place]:
            place += 1 + data[place]
        place += 1
    return None


def _bmp(data: bytes) -> Size | None:
    header, width, height, _, _, packed = struct.unpack_from("<IiiHHI", data, 14)
    colors = struct.unpack_from("<I", data, 46)[0]
    return (width, abs(height)) if header >= 40 and not packed and colors <= 256 else None


def _webp(data: bytes) -> Size | None:
    sizes: list[Size] = []
    for number, (kind, body) in enumerate(_webp_chunks(data)):
        if number >= PLAIN_PARTS:
            return None
        if kind == b"VP8 ":
            width, height = struct.unpack_from("<HH", body, 6)
            sizes.append((width & 16383, height & 16383))
        elif kind == b"VP8L":
            bits = struct.unpack_from("<I", body, 1)[0]
            sizes.append((1 + (bits & 16383), 1 + (bits >> 14 & 16383)))
        elif kind == b"VP8X":
            if body[0] & 2:  # an animation is composed on a canvas
                return None
            low, high, low_down, high_down = struct.unpack_from("<HBHB", body, 4)
            sizes.append((1 + low + (high << 16), 1 + low_down + (high_down << 16)))
        elif kind == b"EXIF" and not _few_tags(body.removeprefix(b"Exif\0\0")):
            return None
    return sizes[0] if sizes and len(set(sizes)) == 1 else None


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _few_tags(exif: bytes) -> bool:
    """Return whether EXIF is cheap to parse, whatever its entries point to."""
    if len(exif) < 8:
        return True
    order = ">" if exif.startswith(b"MM") else "<"
    start = struct.unpack_from(f"{order}I", exif, 4)[0]
    if start + 2 > len(exif):
        return True
    entries: int = struct.unpack_from(f"{order}H", exif, start)[0]
    return min(entries, len(exif) // 12) * len(exif) <= PLAIN_TAGS
