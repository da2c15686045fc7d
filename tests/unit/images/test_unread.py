"""Pictures of formats that are not read: told by their content, with what to do."""

import base64
import gzip
import io
import logging
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from kerascnn import images
from kerascnn.dataset import load_dataset
from kerascnn.errors import DataError, PictureError
from kerascnn.inference.paths import expand

HEADS = {
    "HEIC": b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(99),
    "HEIF": b"\0\0\0\x24ftypmif1\0\0\0\0mif1heic" + bytes(99),
    "AVIF": b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf" + bytes(99),
    "a video": b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(99),
    "a web page": b"\n<!DOCTYPE html><html><title>404</title></html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com",
    "JPEG XL": b"\xff\x0a" + bytes(99),
    "SVG": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "Photoshop": b"8BPS\0\1" + bytes(99),
    "PDF": b"%PDF-1.7",
    "a TIFF with a bit depth or color space that Pillow does not support": b"II*\0\x08" + bytes(9),
    "DICOM": bytes(128) + b"DICM" + bytes(9),
    "NIfTI": struct.pack("<I", 348) + bytes(340) + b"n+1\0" + bytes(99),
    "FITS": b"SIMPLE  =                    T",
    "DjVu": b"AT&TFORM",
    "JPEG XR": b"II\xbc\1" + bytes(99),
    "GIMP": b"gimp xcf v011\0",
    "a cursor": b"\0\0\2\0\1\0\x20\x20",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "MATLAB": b"MATLAB 5.0 MAT-file",
    "an archive": b"Rar!\x1a\7",
    "XML": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "JSON": b' {"error": "not found"}',
}


CONVERT = "Convert to JPEG or PNG first, e.g. with ImageMagick"
INSTEAD = {
    "a Git LFS pointer": "Get the picture itself: git lfs pull",
    **dict.fromkeys(("a web page", "XML", "JSON"), "Download the picture itself"),
    **dict.fromkeys(("NIfTI", "HDF5", "MATLAB"), "Save it as PNG first"),
    "an archive": "Unpack it first",
    "a video": "Save one of its frames as JPEG or PNG first",
}


def saved(form: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)).save(file, form, **options)
    return file.getvalue()


def refused(source: Path | bytes) -> str:
    with pytest.raises(PictureError) as caught:
        images.decode(source)
    return str(caught.value)


@pytest.mark.parametrize("kind", HEADS)
def test_heads_of_other_formats(kind: str) -> None:
    Path("x.jpg").write_bytes(HEADS[kind])
    told = f"not a picture that can be read, but {kind}. Expected JPEG, PNG, WebP"
    assert refused(HEADS[kind]).startswith(f"picture: {told}")
    assert refused(Path("x.jpg")).startswith(f"x.jpg: {told}")
    assert refused(HEADS[kind]).endswith(f"GIF or TIFF. {INSTEAD.get(kind, CONVERT)}.")


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        *(("AVIF", "AVIF"), ("JPEG2000", "JPEG 2000"), ("PPM", "PNM"), ("ICO", "ICO")),
        *((form, form) for form in ("TGA", "PCX", "QOI", "DDS", "EPS", "SGI", "ICNS")),
    ],
)
def test_what_pillow_writes_in_other_formats(form: str, kind: str) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    assert f"read, but {kind}. Expected" in refused(saved(form))


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0" + bytes(4000)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_jpeg_of_twelve_bits_is_not_called_damaged(options, exif: bytes) -> None:
    file = bytearray(saved("JPEG", exif=exif, **options))
    frame = file.index(b"\xff\xc2" if options else b"\xff\xc0", len(exif))
    file[frame + 1], file[frame + 4] = (0xC2 if options else 0xC1), 12
    assert "read, but JPEG of 12 bits a channel. Expected" in refused(bytes(file))
    assert "12 bits" not in refused(bytes(file[: len(exif) + 40]))


def test_a_class_of_such_pictures_alone_and_a_folder_of_them(caplog) -> None:
    for name in ("a/1.HEIC", "a/2.avif", "b/3.heic"):
        Path("d", name).parent.mkdir(parents=True, exist_ok=True)
        Path("d", name).write_bytes(HEADS["HEIC"])
    told = "d: not read: 2 .heic, 1 .avif (a/1.HEIC, a/2.avif, b/3.heic). Convert to JPEG or PNG"
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(DataError, match="no pictures in d/a, d/b"),
    ):
        load_dataset("d")
    assert told in caplog.messages[0]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert list(expand(["d"], io.StringIO())) == ["d"]
    assert told in caplog.text


def test_what_other_programs_write() -> None:
    array, packed = io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros((8, 8, 3), np.uint8))
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
    picture = saved("JPEG")
    for data, kind, advice in (
        (array.getvalue(), "an array of NumPy", "Save it as PNG first"),
        (packed.getvalue(), "an archive", "Unpack it first"),
        (gzip.compress(picture), "an archive", "Unpack it first"),
        (base64.b64encode(picture), "text in base64", "Decode it first"),
        (base64.b64encode(saved("PNG")), "text in base64", "Decode it first"),
    ):
        said = refused(data)
        assert f"but {kind}. Expected" in said
        assert said.endswith(f" {advice}.")
    assert refused(b"hello").endswith("Get it again, or convert it first.")


def test_an_empty_file_is_told() -> None:
    with pytest.raises(PictureError, match=r"but an empty file\. .* Get it again\."):
        images.decode(b"", "a.jpg")
