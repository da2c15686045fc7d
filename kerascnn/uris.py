"""Files by URI (``s3://``, ``gs://``, ``https://``, ``hf://``, ``memory://``), through fsspec.

Knows: what is a URI, how it is listed and read, and that a network fails now and then; that a
model on the Hugging Face Hub stays in its cache (:mod:`kerascnn.hub`). Does not know what the
bytes are.
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
"""Of two letters at least: ``C:`` is a drive."""

TRIES = 4
"""The first, and three more."""

SILENT = 30.0
"""Seconds in which a web server must go on."""

_WHOLE = 300.0
"""Seconds for a whole file of a web server."""

_WORTH_ANOTHER_TRY = (408, 425, 429)
"""Of the answers by which a web server refuses a request (400 to 499): too slow, too early, too
many. Others stay."""

PAUSE = 0.5
"""Seconds before the second try; twice as long before each of the next."""


def is_uri(path: str) -> bool:
    """Return whether a path is a URI.

    Examples:
        >>> is_uri("s3://bucket/rose.jpg"), is_uri("C:/rose.jpg"), is_uri("rose.jpg")
        (True, False, False)
    """
    return _URI.match(path) is not None


def read(uri: str) -> bytes:
    """Read a whole file, trying again where the network fails.

    Raises:
        DataError: It is not there, or cannot be read.
        MissingExtraError: A package for such URIs is missing.
    """
    system, path = _open(uri)
    data: bytes = _tried(uri, lambda: system.cat_file(path))
    return data


@contextmanager
def local_file(model: str | Path) -> Iterator[Path]:
    """Yield a model's file: a path as it is, one of the Hub from its cache.

    One at another URI is fetched for the time of the block.

    Raises:
        KerascnnError: It cannot be fetched.
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
    """Return the bytes of a file, None where it is not there or the server does not say."""
    system, path = _open(uri)
    try:
        found = _tried(uri, lambda: system.info(path))
    except DataError:
        return None
    return _size(found)


def listed(uri: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, int | None]]:
    """List the files that a folder, a glob or a single URI means.

    Yields:
        URI and bytes of each, sorted; of a single file or one that is not there the URI itself.
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
    # A web server has no folders: whatever it answers is a file.
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
        # Says which package reads such URIs, or that there is none.
        raise KerascnnError(f"{uri}: {error}. Expected a URI that fsspec can open here.") from error
    return system, path


def _web_options() -> dict[str, Any]:
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=_WHOLE, sock_connect=SILENT, sock_read=SILENT)
    return {"client_kwargs": {"timeout": timeout}}


def _tried(uri: str, work: Callable[[], T]) -> T:
    pause = PAUSE
    for attempt in range(1, TRIES + 1):
        try:
            return work()
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise DataError(f"{uri}: cannot be read ({kind_and_line(error, None)}).") from error
        except Exception as error:  # each kind of storage has errors of its own
            if _is_refused(error):
                raise DataError(f"{uri}: cannot be read ({kind_and_line(error, None)}).") from error
            if attempt == TRIES:
                raise DataError(
                    f"{uri}: cannot be read in {TRIES} tries ({kind_and_line(error, None)})."
                ) from error
            log.info("%s: %s; trying again in %g s", uri, error, pause)
        time.sleep(pause)
        pause *= 2
    raise AssertionError  # the last attempt returned or raised


def _is_refused(error: Exception) -> bool:
    status = getattr(error, "status", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in _WORTH_ANOTHER_TRY
