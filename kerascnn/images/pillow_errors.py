"""Turns Pillow's exceptions into one-sentence errors, and suppresses its warnings.

Knows: that Pillow may raise any exception for malicious files. Does not decode.
"""

from __future__ import annotations

import errno
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from kerascnn.errors import PictureError, one_line
from kerascnn.images.unsupported import INSTEAD, WHAT_TO_DO

FORMAT_WORDS = "JPEG, PNG, WebP, BMP, GIF or TIFF"

_OF_THE_SYSTEM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)
"""Errors of the system that say nothing about the content of a file."""


_BASE64 = ("data:image/", "/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR")
"""What JPEG, PNG, GIF and WebP begin with in base64, and data URLs."""


class UnsupportedFormatError(Exception):
    """A picture in a known but unsupported format, whose name is the message."""


class _Quiet:
    """Suppresses Pillow's warnings while any thread decodes.

    Pillow warns about decompression bombs at half of its limit, and about odd EXIF or TIFF tags in
    pictures that decode well; MAX_PIXELS is the only limit. ``warnings.catch_warnings`` alone is
    not thread-safe: filters are global, and the last thread to leave may restore another's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._caught.__exit__(None, None, None)


quiet = _Quiet()


@contextmanager
def one_sentence_errors(name: str) -> Iterator[None]:
    """Turn any exception of Pillow into a one-sentence PictureError that names the picture."""
    with file_errors(name), quiet:
        yield


@contextmanager
def file_errors(name: str) -> Iterator[None]:
    """Do the same where Pillow is not used, so its warnings need no suppression."""
    try:
        yield
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{name}: not a picture that can be read. Expected {FORMAT_WORDS}. Get it again, "
            "or convert it first."
        ) from error
    except UnsupportedFormatError as error:
        raise PictureError(
            f"{name}: not a picture that can be read, but {error}. Expected {FORMAT_WORDS}. "
            f"{INSTEAD.get(str(error), WHAT_TO_DO)}."
        ) from error
    except MemoryError as error:
        raise PictureError(f"{name}: not enough memory to decode it.") from error
    except Exception as error:
        # Pillow's plugins raise whatever their parsers hit in malicious files: OSError,
        # SyntaxError, ValueError, struct.error, IndexError, KeyError, zlib.error, EOFError,
        # TypeError, OverflowError, ZeroDivisionError, DecompressionBombError... None of them may
        # abort a run over a million pictures.
        raise PictureError(_cannot_decode(name, error)) from error


def _cannot_decode(name: str, error: Exception) -> str:
    nowhere = isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENAMETOOLONG)
    if nowhere and name.startswith(_BASE64):
        return f"{name[:40]}...: text in base64, not a path. Decode it first: base64.b64decode."
    if isinstance(error, FileNotFoundError):
        remote = (
            " It is a URL, and URLs are not fetched: download it first." if "://" in name else ""
        )
        return f"{name}: no such file.{remote}"
    if isinstance(error, IsADirectoryError):
        return f"{name}: a folder. Expected {FORMAT_WORDS}, or a folder with such files."
    if isinstance(error, PermissionError):
        return f"{name}: no permission to read it."
    if isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM:
        return f"{name}: cannot read it ({os.strerror(error.errno)})."
    if isinstance(error, OSError) and error.errno:  # of the system; Pillow's have no number
        return f"{name}: cannot read it ({error.strerror}). Check the path and the disk."
    reason = one_line(error).rstrip(".") or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        return f"{name}: too many pixels ({reason}). Make it smaller first."
    return (
        f"{name}: cannot decode ({type(error).__name__}: {reason}). It is damaged or incomplete: "
        "get it again, or save it with another program."
    )
