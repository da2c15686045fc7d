"""Which backend of Keras kerascnn runs on, found out before Keras is imported; silence for that.

Knows: where Keras looks for its backend's name, that TensorFlow chatters when it is imported, and
what both import only because it happens to be installed.
Does not import Keras: with an unknown name, or one that is not installed, that ends in a traceback.
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
"""Keras imports these if they are installed, for wrappers and plots that no command uses."""
UNUSED_BY_TENSORFLOW = ("jax", "scipy")
"""TensorFlow likewise: for a converter from JAX and for sparse matrices."""

_LEAN: ContextVar[bool] = ContextVar("lean", default=False)


def check_backend() -> None:
    """Check that Keras's backend is supported, and what else its file of settings says.

    Raises:
        ConfigError: It is another, or other settings than the networks are written for.
        MissingExtraError: It is JAX, which is not installed.
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
    """Check that Keras can be imported, for what takes long before it is.

    Raises:
        ConfigError: Another backend is set than kerascnn runs on.
        MissingExtraError: Keras or its backend is not installed.
    """
    check_backend()
    for package in ("keras", _backend()[0]):
        if package not in sys.modules and find_spec(package) is None:
            raise MissingExtraError(package, "train", "to train and export")


def backend_name() -> str:
    """Return the name of Keras's backend, or of the one that it will have when it is imported."""
    keras = sys.modules.get("keras")
    return str(keras.config.backend()) if keras else _backend()[0]


def is_imported() -> bool:
    """Return whether Keras is imported already."""
    return "keras" in sys.modules


@contextmanager
def lean_import() -> Iterator[None]:
    """Let :func:`import_keras` leave out what is not used, while the block runs.

    For processes in which only kerascnn uses Keras.
    """
    token = _LEAN.set(True)
    try:
        yield
    finally:
        _LEAN.reset(token)


def import_keras() -> None:
    """Import Keras and its backend, in silence."""
    with silenced(), without_unused() if _LEAN.get() else nullcontext():
        import_module("keras")


def use_tensorflow() -> None:
    """Let Keras run on TensorFlow, whichever backend is set; for what only TensorFlow can do.

    Raises:
        ConfigError: Keras runs on another backend already; or the one that is set is unknown.
    """
    _known_backend()
    keras = sys.modules.get("keras")
    if keras is None:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    elif keras.config.backend() != "tensorflow":
        raise ConfigError(
            f"Export runs on the backend tensorflow, and Keras was imported with "
            f"{keras.config.backend()}. Set KERAS_BACKEND=tensorflow before Keras is imported, or "
            "use the command line: kerascnn export RUN --onnx"
        )


@contextmanager
def without_unused() -> Iterator[None]:
    """Import Keras as if what it can do without were not installed, which takes half the time.

    For processes in which only kerascnn uses Keras. Afterwards all of it can be imported.
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
    """Keep TensorFlow's chatter off the user's screen, where Keras is imported or a model exported.

    TensorFlow's C++ logs before any setting of it can be heard, straight to file descriptor 2;
    the devices that its graph optimizer finds too, up to 2.20.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is needed
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
        # TensorFlow's Python half warns of functions that are traced anew, as every new network's
        # must be; it sets its logger up when it is imported.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _known_backend() -> tuple[str, str]:
    """Return the backend that is set, and where, if kerascnn runs on it."""
    name, place = _backend()
    if name not in BACKENDS:
        raise ConfigError(
            f"{place} is {name!r}. kerascnn runs on tensorflow or jax: set it to one of them, or "
            "unset it."
        )
    return name, place


def _backend() -> tuple[str, str]:
    """Return the name, and where it stands: the variable comes before the file."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name, "KERAS_BACKEND"
    file, settings = _settings()
    return str(settings.get("backend", "tensorflow")), f"the backend in {file}"


def _settings() -> tuple[Path, dict[str, Any]]:
    """Return Keras's file of settings and what it says."""
    home = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())
    file = home / "keras.json"
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or none that Keras could read
        settings = {}
    return file, settings if isinstance(settings, dict) else {}
