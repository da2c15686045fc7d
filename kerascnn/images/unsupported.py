"""Pictures of formats that are not read: how to tell them by name and by content.

Knows: endings and first bytes. Does not know how anything is decoded.
"""

from __future__ import annotations

from pathlib import Path

UNREAD_SUFFIXES = (
    *(".heic", ".heif", ".hif", ".avif", ".avifs", ".jxl", ".jp2", ".j2k", ".jpx", ".jpf"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".ico", ".svg", ".psd", ".exr", ".hdr", ".dcm"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
)
"""Ends of names, in small letters."""

WHAT_TO_DO = "Convert to JPEG or PNG first, e.g. with ImageMagick"
"""For all of them."""

_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIC"),
    **dict.fromkeys((b"mif1", b"msf1"), "HEIF"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
"""In the fifth to twelfth byte of files that are made like MP4: ``ftyp`` and one of these."""

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
    **dict.fromkeys((b"II*\0", b"MM\0*"), "TIFF of bits or colors that Pillow does not know"),
}
"""By the first bytes of a file: its format."""

_DICOM = slice(128, 132)
"""Where ``DICM`` stands, behind a preamble of 128 bytes that may hold anything."""


def kind_of(source: str | Path | bytes) -> str | None:
    """Tell the format of a file that holds no picture that can be read.

    Args:
        source: A path, or the bytes of a file.

    Returns:
        Its name, or None: not known.

    Examples:
        >>> kind_of(b"....ftypavif....mif1"), kind_of(b"some text")
        ('AVIF', None)
    """
    if isinstance(source, bytes):
        head = source[: _DICOM.stop]
    else:
        with open(source, "rb") as file:  # noqa: PTH123 - of a name that Path may not take
            head = file.read(_DICOM.stop)
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    if head[_DICOM] == b"DICM":
        return "DICOM"
    return next((name for start, name in _BEGINNINGS.items() if head.startswith(start)), None)
