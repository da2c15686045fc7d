"""Recognizes unsupported formats by name and by content.

Knows: suffixes and magic bytes. Does not know how anything is decoded.
"""

from __future__ import annotations

import re
from pathlib import Path

UNREAD_SUFFIXES = (
    *(".heic", ".heif", ".hif", ".avif", ".avifs", ".jxl", ".jp2", ".j2k", ".jpx", ".jpf"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".ico", ".svg", ".psd", ".exr", ".hdr", ".dcm"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".x3f"),
    *(".raw", ".jxr", ".xcf", ".eps", ".ai", ".heics", ".qoi", ".dds", ".icns", ".pcx", ".sgi"),
    *(".cur", ".djvu", ".fits", ".fts", ".psb", ".jls", ".wmf", ".emf"),
)
"""Suffixes of unsupported picture formats, in lower case."""

WHAT_TO_DO = "Convert to JPEG or PNG first, e.g. with ImageMagick"
"""Advice for unsupported picture formats."""

_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIC"),
    **dict.fromkeys((b"mif1", b"msf1"), "HEIF"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "Canon CR3",
    **dict.fromkeys((b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"M4V ", b"avc1"), "a video"),
}
"""Formats by the brand after ``ftyp`` in files with the structure of MP4."""

_BEGINNINGS = {
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    **{f"P{number}".encode() + end: "PNM" for number in range(1, 7) for end in (b"\n", b" ")},
    b"\0\0\1\0": "ICO",
    b"<svg": "SVG",
    b"8BPS": "Photoshop",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"%PDF": "PDF",
    b"qoif": "QOI",
    b"DDS ": "DDS",
    b"%!PS": "EPS",
    b"icns": "ICNS",
    b"\x0a\x05\x01": "PCX",
    **dict.fromkeys((b"\x01\xda\0", b"\x01\xda\1"), "SGI"),
    **dict.fromkeys((b"\0\0\2\0\0\0\0\0", b"\0\0\x0a\0\0\0\0\0"), "TGA"),
    b"\0\0\2\0": "a cursor",
    b"AT&TFORM": "DjVu",
    b"II\xbc": "JPEG XR",
    b"gimp xcf": "GIMP",
    b"SIMPLE  =": "FITS",
    b"\x93NUMPY": "an array of NumPy",
    b"\x89HDF": "HDF5",
    b"MATLAB": "MATLAB",
    **dict.fromkeys((b"data:image/", b"/9j/", b"iVBORw0KGgo"), "text in base64"),
    b"{": "JSON",
    **dict.fromkeys((b"PK\3\4", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf"), "an archive"),
    b"version https://git-lfs": "a Git LFS pointer",
    **dict.fromkeys((b"<!DOCTYPE html", b"<!doctype html", b"<html"), "a web page"),
    b"\x1aE\xdf\xa3": "a video",
    **dict.fromkeys(
        (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        "a TIFF with a bit depth or color space that Pillow does not support",
    ),
}
"""Formats by the first bytes of a file."""

_SUPPORTED = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8[79]a|RIFF....WEBP|BM.{4}\0{4}|II\*\0|MM\0\*", re.DOTALL
)
"""Beginnings of files in supported formats."""

INSTEAD = {
    "an empty file": "Get it again",
    "an archive": "Unpack it first",
    **dict.fromkeys(("an array of NumPy", "HDF5", "MATLAB", "NIfTI"), "Save it as PNG first"),
    "text in base64": "Decode it first",
    "a Git LFS pointer": "Get the picture itself: git lfs pull",
    **dict.fromkeys(("a web page", "XML", "JSON"), "Download the picture itself"),
    "a video": "Save one of its frames as JPEG or PNG first",
}
"""Advice for files that are not pictures; :data:`WHAT_TO_DO` for others."""

_TWELVE_BITS = re.compile(rb"\xff[\xc1\xc2]\0.\x0c", re.DOTALL)
"""Frame header of a JPEG with 12 bits per channel."""

_MARKS = {
    "DICOM": (slice(128, 132), (b"DICM",)),
    "NIfTI": (slice(344, 348), (b"n+1\0", b"ni1\0")),
    "an archive": (slice(257, 262), (b"ustar",)),
}
"""Formats by marks that are not at the beginning."""

_HEAD = 1 << 16
"""Bytes to examine."""


def _head(source: str | Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:_HEAD]
    with open(source, "rb") as file:  # noqa: PTH123 - Path may refuse the name
        return file.read(_HEAD)


def begins_as_picture(path: Path) -> bool:
    """Return whether a file begins like one of a supported format."""
    if not path.is_file():  # opening a named pipe would block
        return False
    try:
        return bool(_SUPPORTED.match(_head(path)))
    except OSError:
        return False


def kind_of(source: str | Path | bytes) -> str | None:
    """Recognize the format of a file that cannot be read as a picture.

    Examples:
        >>> kind_of(b"....ftypavif....mif1"), kind_of(b"some text")
        ('AVIF', None)
    """
    head = _head(source)
    if not head:
        return "an empty file"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG of 12 bits a channel" if _TWELVE_BITS.search(head) else None
    if head[4:8] == b"ftyp":
        return _brand(head)
    for kind, (place, mark) in _MARKS.items():
        if head[place] in mark:
            return kind
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<?xml"):
        return "SVG" if b"<svg" in text else "XML"
    found = (
        name
        for start, name in _BEGINNINGS.items()
        if any(beginning.startswith(start) for beginning in (head, text))
    )
    return next(found, None)


def _brand(head: bytes) -> str | None:
    """Return the format of a file with the structure of MP4; HEIF may be compatible with AVIF."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    compatible = {_BRANDS.get(head[at : at + 4]) for at in range(16, end, 4)}
    own = _BRANDS.get(head[8:12])
    return "AVIF" if own == "HEIF" and "AVIF" in compatible else own
