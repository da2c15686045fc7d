"""Reads files by URI (``s3://``, ``gs://``, ``https://``, ``hf://``, ``memory://``) with fsspec.

Knows: URIs, how they are listed and read, retries, and that models on the Hugging Face Hub are
cached (:mod:`kerascnn.hub`). Does not know the content of files.
"""

from __future__ import annotations

import logging
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from kerascnn import hub
from kerascnn.errors import DataError, KerascnnError, kind_and_line, needs_extra

log = logging.getLogger(__name__)

T = TypeVar("T")

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""Scheme with at least two letters, because ``C:`` is a drive."""

TRIES = 4
"""Maximum attempts."""

SILENT = 30.0
"""Timeout in seconds for connecting to a web server, and for each read."""

_WHOLE = 300.0
"""Timeout in seconds for a whole file from a web server."""

_WORTH_ANOTHER_TRY = (408, 425, 429)
"""Statuses of refused requests (400 to 499) that may succeed when retried: Request Timeout, Too
Early, Too Many Requests."""

PAUSE = 0.5
"""Seconds before the second attempt; doubled before each further one."""


def is_uri(path: str) -> bool:
    """Return whether a path is a URI.

    Examples:
        >>> is_uri("s3://bucket/rose.jpg"), is_uri("C:/rose.jpg"), is_uri("rose.jpg")
        (True, False, False)
    """
    return _URI.match(path) is not None


def read(uri: str) -> bytes:
    """Read a whole file, with retries after network errors.

    Raises:
        DataError: It does not exist, or cannot be read.
        MissingExtraError: A package for such URIs is not installed.
    """
    system, path = _open(uri)
    data: bytes = _tried(uri, lambda: system.cat_file(path))
    return data


@contextmanager
def local_file(model: str | Path) -> Iterator[Path]:
    """Yield the local file of a model: a path unchanged, or a file of the Hub from its cache.

    A file at another URI is downloaded for the duration of the block.

    Raises:
        KerascnnError: It cannot be downloaded.
    """
    uri = str(model)
    if hub.is_on_hub(uri):
        yield hub.fetch(uri).path
    elif not is_uri(uri):
        yield Path(model)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, uri.rstrip("/").rpartition("/")[2] or "model.onnx")
            path.write_bytes(read(uri))
            yield path


def size(uri: str) -> int | None:
    """Return the size of a file in bytes; None if it does not exist or the size is unknown."""
    system, path = _open(uri)
    try:
        found = _tried(uri, lambda: system.info(path))
    except DataError:
        return None
    return _size(found)


def listed(uri: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, int | None]]:
    """List the files of a folder, a glob or a single URI.

    Yields:
        URI and size in bytes of each file, sorted; for a single or missing file, the URI itself.
    """
    system, path = _open(uri)
    if any(sign in path for sign in "*[") and not _is_file(system, path):
        found = _tried(uri, lambda: system.glob(path, detail=True))
        files = {name: about for name, about in found.items() if about.get("type") == "file"}
    else:
        found = {} if _is_file(system, path) else _tried(uri, lambda: _found(system, path))
        files = {name: about for name, about in found.items() if _is_inside(name, path, wanted)}
    if not files:
        yield uri, size(uri)
    for name in sorted(files):
        yield system.unstrip_protocol(name), _size(files[name])


def _found(system: Any, path: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = system.find(path, detail=True)
    except FileNotFoundError:
        return {}
    return found


def _is_file(system: Any, path: str) -> bool:
    # A web server has no folders: every response is a file.
    return "http" in system.protocol or bool(system.isfile(path))


def _is_inside(name: str, folder: str, wanted: Callable[[str], bool]) -> bool:
    inner = name.removeprefix(folder).strip("/").split("/")
    return wanted(inner[-1]) and not any(part.startswith(".") for part in inner)


def _size(about: dict[str, Any]) -> int | None:
    found = about.get("size")
    return None if found is None else int(found)


def _open(uri: str) -> tuple[Any, str]:
    with needs_extra("remote", f"to read {uri}"):
        from fsspec.core import url_to_fs

        options = _web_options() if uri.lower().startswith(("http://", "https://")) else {}
    try:
        system, path = url_to_fs(uri, **options)
    except (ImportError, ValueError) as error:
        # The error says which package reads such URIs, or that there is none.
        raise KerascnnError(f"{uri}: {error}. Expected a URI that fsspec can open here.") from error
    return system, path


def _web_options() -> dict[str, Any]:
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=_WHOLE, sock_connect=SILENT, sock_read=SILENT)
    return {"client_kwargs": {"timeout": timeout}}


def _tried(uri: str, work: Callable[[], T]) -> T:
    attempt, pause = 1, PAUSE
    while True:
        try:
            return work()
        except Exception as error:  # each kind of storage has its own errors
            reason = kind_and_line(error, None)
            if _is_refused(error):
                raise DataError(f"{uri}: cannot be read ({reason}).") from error
            if attempt == TRIES:
                raise DataError(f"{uri}: cannot be read in {TRIES} tries ({reason}).") from error
            log.info("%s: %s; trying again in %g s", uri, error, pause)
        time.sleep(pause)
        attempt, pause = attempt + 1, pause * 2


def _is_refused(error: Exception) -> bool:
    """Return whether another attempt would fail too."""
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return True
    status = getattr(error, "status", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in _WORTH_ANOTHER_TRY
