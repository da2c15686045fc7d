"""The errors a user can meet, each with the exit code the command line gives it.

Knows: the kinds of mistake and their exit codes. Does not know: who raises them, nor how
they are shown. Every message says what came, what was expected and what to do next.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST, _END = 20_000, 2_000
"""Characters of a message, and how many of them are its end, which says what to do. The longest
path that a system takes has 4,096, and a list of all that is wrong with a folder may be longer."""


def one_line(error: object, longest: int | None = 300) -> str:
    """Return what another library's error says, as one line that fits into a message.

    Examples:
        >>> one_line(ValueError("first\\n   second"))
        'first second'
    """
    return " ".join(str(error).split())[:longest]


def kind_and_line(error: BaseException, longest: int | None = 300) -> str:
    """Return an error's class and what it says, as one line; its class alone if it says nothing."""
    text = one_line(error, longest)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class KerascnnError(Exception):
    """Something went wrong that a user can understand and fix.

    A message may repeat what came, and that may be a whole damaged file: it is shortened.
    """

    exit_code = 1

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(_shortened(one) if isinstance(one, str) else one for one in arguments))


class ConfigError(KerascnnError, ValueError):
    """An option or argument cannot be used: the call itself is wrong."""

    exit_code = 2


class DataError(KerascnnError):
    """A data set cannot be used: nothing there, no classes, labels that do not fit."""


class PictureError(KerascnnError):
    """One picture cannot become an RGB array. The others may still be good."""


class ModelFileError(KerascnnError):
    """A model file or run folder is missing, broken, or not what was expected."""


class ParityError(KerascnnError):
    """The exported file's predictions differ from the trained model's."""


class ProviderError(KerascnnError):
    """An execution provider cannot run here, or its outputs are wrong."""


class TrainingError(KerascnnError):
    """Training cannot go on, for example because the loss is not finite."""


class BusyError(KerascnnError):
    """Another process is writing to the same place."""


WITHOUT_TENSORFLOW = (3, 14)
"""The first Python for which the extra `train` brings no TensorFlow, as pyproject.toml has it."""


class MissingExtraError(KerascnnError):
    """A package from one of the extras is not installed.

    Args:
        package: The module that is missing, e.g. ``onnxruntime``.
        extra: The extra that brings it, e.g. ``cpu``.
        purpose: What it is needed for, e.g. ``to run an exported model``.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        needed, how = (
            f"{package} is not installed, and it is needed {purpose}",
            ". Install it with: ",
        )
        python, first = sys.version_info[:2], WITHOUT_TENSORFLOW
        if extra == "train" and python >= first:
            last, this = f"3.{first[1] - 1}", f"3.{python[1]}"
            how = (
                f". Install it with Python 3.11 to {last} (TensorFlow has no packages for {this}): "
            )
        super().__init__(f"{needed}{how}pip install 'kerascnn[{extra}]'")


@contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Say which extra brings a package that is imported within the block and is not installed.

    Raises:
        MissingExtraError: With the package's name.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package in ("", "kerascnn"):
            raise
        raise MissingExtraError(package, extra, purpose) from missing


def _shortened(message: str) -> str:
    if len(message) <= _LONGEST:
        return message
    return f"{message[: _LONGEST - _END]} [...] {message[-_END:]}"
