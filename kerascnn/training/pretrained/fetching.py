"""The download of the libraries' ImageNet weights.

Knows: how a file is downloaded, verified and stored where Keras looks for it; the errors without
internet access. Does not know: how the weights are used.
"""

from __future__ import annotations

import http.client
import logging
import os
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerascnn.environment import OFFLINE, is_offline
from kerascnn.errors import ModelFileError, one_line
from kerascnn.files import atomic_write
from kerascnn.training.pretrained.cache import cached, misfit, place_of
from kerascnn.training.pretrained.catalog import HubPreset, LibraryFile, source_of

log = logging.getLogger(__name__)

MIRROR = "KERASCNN_WEIGHTS_MIRROR"
"""Environment variable for an address that replaces :data:`STORE`, for machines behind a
firewall."""

STORE = "https://storage.googleapis.com"
"""Address at which Keras publishes its weights."""

PATIENCE = 3.0
"""Timeout of the first response, in seconds. It includes the name lookup, which has no timeout of
its own."""

STALLED = 30.0
"""Timeout of a download without new data, in seconds."""

CHUNK = 1 << 18
"""Bytes per read, between two reports of progress."""

ByteProgress = Callable[[int, int], object]
"""Called with the bytes done and the total (0: unknown)."""


def _silent(_done: int, _total: int) -> None:
    """Ignore progress."""


def ensure(name: str, progress: ByteProgress = _silent) -> Path:
    """Return the file or preset's folder of a network's ImageNet weights, downloaded if not cached.

    Args:
        progress: Called with the bytes done and the total, if something is downloaded.

    Raises:
        ConfigError: There is no such network, or it has no ImageNet weights.
        ModelFileError: They cannot be fetched.
    """
    return cached(name) or fetch(name, progress)


def fetch(name: str, progress: ByteProgress = _silent) -> Path:
    """Download the ImageNet weights of a network, even if they are cached.

    Args:
        progress: Called with the bytes done and the total.

    Raises:
        ConfigError: There is no such network, or it has no ImageNet weights.
        ModelFileError: They cannot be fetched, or do not match the library's checksum; then an
            earlier file is kept.
    """
    source = source_of(name)
    if is_offline():
        raise _cannot_fetch(name, f"{OFFLINE} is set, so nothing is downloaded", f"Unset {OFFLINE}")
    if isinstance(source, HubPreset):
        return _fetch_preset(name, source)
    target = place_of(source)
    with atomic_write(target) as temporary:
        try:
            _download(source, temporary, progress)
        except (OSError, http.client.HTTPException) as error:
            raise _cannot_fetch(name, f"{_address(source)}: {_words(error)}") from error
        wrong = misfit(temporary, source.digest)
        if wrong or not _is_hdf5(temporary):
            raise ModelFileError(
                f"{_address(source)}: not the file that {name} needs ({wrong or 'not HDF5'}). "
                "Nothing was kept; try again, or give a file with `weights`."
            )
    return target


def _address(source: LibraryFile) -> str:
    mirror = os.environ.get(MIRROR)
    return source.url.replace(STORE, mirror.rstrip("/"), 1) if mirror else source.url


def _download(source: LibraryFile, path: Path, progress: ByteProgress) -> None:
    with _open_url(_address(source)) as response, path.open("wb") as file:
        total, done = int(response.headers.get("Content-Length") or 0), 0
        while chunk := response.read(CHUNK):
            file.write(chunk)
            done += len(chunk)
            progress(done, total)
        if total and done != total:
            raise http.client.IncompleteRead(b"", total - done)


def _open_url(url: str) -> Any:
    """Open an address, or give up after :data:`PATIENCE`, whatever the delay is due to."""
    answer: queue.Queue[Any] = queue.Queue()

    def ask() -> None:
        try:
            answer.put(urllib.request.urlopen(url, timeout=STALLED))
        except (OSError, http.client.HTTPException, ValueError) as error:
            answer.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answer.get(timeout=PATIENCE)
    except queue.Empty:
        raise TimeoutError(f"no response within {PATIENCE:g} seconds") from None
    if isinstance(found, ValueError):
        raise OSError(str(found)) from found
    if isinstance(found, urllib.error.HTTPError):
        found.close()  # a response too, whose body is not read
    if isinstance(found, BaseException):
        raise found
    return found


def _fetch_preset(name: str, source: HubPreset) -> Path:
    """Let keras-hub download its preset, after checking that there is a network connection."""
    try:
        _open_url("https://www.kaggle.com/robots.txt").close()
    except urllib.error.HTTPError as error:
        log.debug("Kaggle answers %s, so there is a network", error.code)
    except (OSError, http.client.HTTPException) as error:
        raise _cannot_fetch(name, f"www.kaggle.com: {_words(error)}") from error
    from kerascnn.training.networks.resnet import keras_hub

    try:
        keras_hub().models.ResNetBackbone.from_preset(source.preset)
    except (OSError, ValueError, RuntimeError) as error:
        raise _cannot_fetch(name, _words(error)) from error
    found = cached(name)
    if found is None:
        raise _cannot_fetch(name, "keras-hub has not put it into Kaggle's cache")
    return found


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def _cannot_fetch(name: str, reason: str, way: str = "Connect to the internet") -> ModelFileError:
    return ModelFileError(
        f"the ImageNet weights of {name} are not on this machine and cannot be fetched ({reason}). "
        f"{way} and run: kerascnn weights fetch {name}, or give a file with "
        "`weights`."
    )


def _words(error: BaseException) -> str:
    """Return the reason of an error in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server returned status {error.code}"
    if isinstance(error, urllib.error.URLError) and error.reason:
        return " ".join(str(error.reason).split())[:200]
    if isinstance(error, http.client.IncompleteRead):
        return f"the connection ended {error.expected or 0:,} bytes too early"
    return one_line(error, 200) or type(error).__name__
