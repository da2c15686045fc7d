"""The libraries' weights in the caches of this machine.

Knows: the caches of Keras and Kaggle, which other programs share. Does not know: the internet, so
nothing here waits for it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from kerascnn.training.pretrained.catalog import HubPreset, LibraryFile, source_of

_PRESET_FILES = ("config.json", "model.weights.h5")


def cached(name: str) -> Path | None:
    """Find the ImageNet weights of a network on this machine, without internet access.

    Returns:
        The file, or the folder of keras-hub's preset; None: it is missing, or does not match the
        library's checksum.

    Raises:
        ConfigError: There is no such network, or it has no ImageNet weights.
    """
    source = source_of(name)
    if isinstance(source, HubPreset):
        return _preset(source)
    path = place_of(source)
    return path if path.is_file() and misfit(path, source.digest) is None else None


def place_of(source: LibraryFile) -> Path:
    """Return where Keras stores a file: ``KERAS_HOME``, ``~/.keras``, or a temporary folder."""
    base = Path(os.environ.get("KERAS_HOME") or Path("~", ".keras")).expanduser()
    nearest = next(folder for folder in (base, *base.parents) if folder.exists())
    if not os.access(nearest, os.W_OK) and not (base / "models" / source.name).is_file():
        base = Path(tempfile.gettempdir(), ".keras")  # as Keras does
    return base / "models" / source.name


def misfit(path: Path, digest: str | None) -> str | None:
    """Describe how a file differs from its MD5 or SHA-256; None: not, or none is known."""
    if digest is None:
        return None
    algorithm = "sha256" if len(digest) == 64 else "md5"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    return None if found == digest else f"its {algorithm} is {found}, expected {digest}"


def _preset(source: HubPreset) -> Path | None:
    base = Path(os.environ.get("KAGGLEHUB_CACHE") or Path("~", ".cache", "kagglehub")).expanduser()
    versions = [
        folder
        for folder in base.joinpath("models", *source.handle.split("/")).glob("*")
        if folder.name.isdecimal() and all((folder / name).is_file() for name in _PRESET_FILES)
    ]
    return max(versions, key=lambda folder: int(folder.name), default=None)
