"""The backend of Keras, determined before Keras is imported, and its silent import.

Knows: where Keras looks for its backend's name, that TensorFlow prints messages when it is
imported, and what both import only because it happens to be installed. Does not import Keras: with
a backend that is unknown or not installed, that ends in a traceback.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kerascnn.errors import ConfigError, MissingExtraError

BACKENDS = ("tensorflow", "jax")

UNUSED = ("pandas", "sklearn", "matplotlib", "IPython")
"""Packages that Keras imports if installed, for wrappers and plots that no command uses."""
UNUSED_BY_TENSORFLOW = ("jax", "scipy")
"""Packages that TensorFlow imports if installed: for a converter from JAX and for sparse
matrices."""

_LEAN: ContextVar[bool] = ContextVar("lean", default=False)


def check_backend() -> None:
    """Check that Keras' backend is supported, and its other settings.

    Raises:
        ConfigError: The backend, or another setting, is not one that the networks are written for.
        MissingExtraError: The backend is JAX, which is not installed.
    """
    name, place = _known_backend()
    file, settings = _settings()
    for setting, needed in (("image_data_format", "channels_last"), ("floatx", "float32")):
        if settings.get(setting, needed) != needed:
            raise ConfigError(
                f"{setting} in {file} is {settings[setting]!r}. The networks need {needed!r}: "
                "write that, or remove the file."
            )
    if name == "jax" and find_spec("jax") is None:
        raise MissingExtraError("jax", "jax", f"where {place} is 'jax'")


def check_installed() -> None:
    """Check that Keras can be imported, before long work that comes first.

    Raises:
        ConfigError: The backend is not supported.
        MissingExtraError: Keras or its backend is not installed.
    """
    check_backend()
    for package in ("keras", _backend()[0]):
        if package not in sys.modules and find_spec(package) is None:
            raise MissingExtraError(package, "train", "to train and export")


def backend_name() -> str:
    """Return the name of Keras' backend, or of the one that it will have when imported."""
    keras = sys.modules.get("keras")
    return str(keras.config.backend()) if keras else _backend()[0]


@contextmanager
def lean_import() -> Iterator[None]:
    """Make :func:`import_keras` omit unused packages while the block runs.

    For processes in which only kerascnn uses Keras.
    """
    token = _LEAN.set(True)
    try:
        yield
    finally:
        _LEAN.reset(token)


def import_keras() -> None:
    """Import Keras and its backend, without output."""
    with silenced(), without_unused() if _LEAN.get() else nullcontext():
        import_module("keras")


def use_tensorflow() -> None:
    """Make Keras run on TensorFlow, whichever backend is set, where only TensorFlow will do.

    Raises:
        ConfigError: Keras already runs on another backend, or the one that is set is unknown.
    """
    _known_backend()
    keras = sys.modules.get("keras")
    if keras is None:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    elif keras.config.backend() != "tensorflow":
        raise ConfigError(
            "Export needs the backend tensorflow, but Keras was imported with "
            f"{keras.config.backend()}. Set KERAS_BACKEND=tensorflow before Keras is imported, or "
            "use the command line: kerascnn export RUN --onnx"
        )


@contextmanager
def without_unused() -> Iterator[None]:
    """Import Keras as if optional packages were not installed, which takes half the time.

    For processes in which only kerascnn uses Keras. Afterwards all packages can be imported.
    """
    names = UNUSED if _backend()[0] == "jax" else UNUSED + UNUSED_BY_TENSORFLOW
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None: not to be found
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def silenced() -> Iterator[None]:
    """Suppress TensorFlow's output while Keras is imported or a model exported.

    TensorFlow's C++ half logs before any setting takes effect, straight to file descriptor 2; so
    does its graph optimizer, about devices, up to 2.20.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is needed
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
        # TensorFlow's Python half warns of retracing, which every new network needs; its import
        # sets the logger up.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _known_backend() -> tuple[str, str]:
    """Return the backend that is set, and where, if it is supported."""
    name, place = _backend()
    if name not in BACKENDS:
        raise ConfigError(
            f"{place} is {name!r}. kerascnn runs on tensorflow or jax: set it to one of them, or "
            "unset it."
        )
    return name, place


def _backend() -> tuple[str, str]:
    """Return the name, and where it is set: the variable comes before the file."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name, "KERAS_BACKEND"
    file, settings = _settings()
    return str(settings.get("backend", "tensorflow")), f"the backend in {file}"


def _settings() -> tuple[Path, dict[str, Any]]:
    """Return Keras' settings file and its contents."""
    home = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())
    file = home / "keras.json"
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # missing, or unreadable for Keras as well
        settings = {}
    return file, settings if isinstance(settings, dict) else {}
