"""The errors that users can fix, with their exit codes on the command line.

Knows: the kinds of errors and their exit codes. Does not know where they are raised or how they are
shown. Every message says what was found, what was expected and what to do next.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST, _END = 20_000, 2_000
"""Maximum characters of a message, and how many of them come from its end, which says what to do.
The longest path has 4,096 characters, and a list of all problems of a folder may be longer."""

ONCE = {"once": True}
"""``extra`` of a warning that a command shows once, though the code that warns may run again."""


def one_line(error: object, longest: int | None = 300) -> str:
    """Return the text of another library's error as one line that fits into a message.

    Examples:
        >>> one_line(ValueError("first\\n   second"))
        'first second'
    """
    return " ".join(str(error).split())[:longest]


def kind_and_line(error: BaseException, longest: int | None = 300) -> str:
    """Return an error's class and text as one line; only its class if it has no text."""
    text = one_line(error, longest)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class KerascnnError(Exception):
    """An error that a user can understand and fix.

    Its message is shortened, because it may quote input, which may be a whole damaged file.
    """

    exit_code = 1

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(_shortened(one) if isinstance(one, str) else one for one in arguments))


class ConfigError(KerascnnError, ValueError):
    """An option or argument is invalid."""

    exit_code = 2


class DataError(KerascnnError):
    """A data set cannot be used: missing, without classes, or with invalid labels."""


class PictureError(KerascnnError):
    """A picture cannot be read or classified; others may still be."""


class ModelFileError(KerascnnError):
    """A model file or run folder is missing, damaged, or of an unexpected kind."""


class ParityError(KerascnnError):
    """The exported file's predictions differ from the trained model's."""


class ProviderError(KerascnnError):
    """An execution provider cannot run here, or its outputs are wrong."""


class TrainingError(KerascnnError):
    """Training cannot continue, for example because the loss is not finite."""


class BusyError(KerascnnError):
    """Another process is writing to the same place."""


WITHOUT_TENSORFLOW = (3, 14)
"""First Python version for which the extra `train` has no TensorFlow, as in pyproject.toml."""


class MissingExtraError(KerascnnError):
    """A package of an extra is not installed, and is needed for a purpose: ``to export``."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        how, python, first = ". Install it with", sys.version_info[:2], WITHOUT_TENSORFLOW
        if extra == "train" and python >= first:
            how = (
                f". Install it with Python 3.11 to 3.{first[1] - 1} (TensorFlow has no packages "
                f"for 3.{python[1]})"
            )
        needed = f"{package} is not installed, and it is needed {purpose}"
        super().__init__(f"{needed}{how}: pip install 'kerascnn[{extra}]'")


@contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Name the extra to install if an import within the block fails.

    Raises:
        MissingExtraError: A package is not installed.
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
