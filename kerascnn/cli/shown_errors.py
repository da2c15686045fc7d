"""How errors, notices and Ctrl-C are shown on the command line.

Knows: Click, exit codes, the language that is spoken. Does not know any command.
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from kerascnn.errors import KerascnnError, MissingExtraError
from kerascnn.language import tr, use_language
from kerascnn.language.messages import translated
from kerascnn.printable import printable

INTERRUPTED = 130
"""Exit code: stopped by Ctrl-C (128 + SIGINT, as shells have it)."""

LANGUAGE = "kerascnn.language"
"""Where Click's context keeps what ``--lang`` said."""

OPTIONS = "kerascnn.options"
"""Where Click's context keeps the names of options; a command's own is gone when an error is shown.
"""

_EXTRAS = {
    **dict.fromkeys(
        (
            "keras",
            "tensorflow",
            "onnx",
            "tf2onnx",
            "keras_hub",
            "h5py",
            "safetensors",
            "platformdirs",
        ),
        ("train", "to train and export"),
    ),
    **dict.fromkeys(("jinja2", "matplotlib"), ("report", "to make a report")),
    "optuna": ("tune", "to search"),
}
"""By module: the extra that brings it, and what for."""

_OF_PATHS = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR)
"""What the operating system answers where a path cannot be used, whoever asks."""


@contextmanager
def shown_errors(ctx: click.Context) -> Iterator[None]:
    """Turn our own errors into Click's, and notices into lines on stderr."""
    _show_notices()
    try:
        yield
    except click.UsageError as error:
        told = _failure(ctx, error.format_message(), error.exit_code)
        if told.message == error.format_message():
            raise
        if error.ctx:
            click.echo(f"{error.ctx.get_usage()}\n", err=True)
        raise told from error
    except (KerascnnError, OSError, ModuleNotFoundError) as error:
        ours = _as_ours(error)
        if ours is None or ctx.find_root().meta.get("debug"):
            raise
        raise _failure(ctx, str(ours), ours.exit_code) from error
    except KeyboardInterrupt:
        # Commands that keep something when they are stopped say so themselves.
        with use_language(wanted_language(ctx)):
            click.echo("\n" + tr("Stopped."), err=True)
        ctx.exit(INTERRUPTED)


def _as_ours(error: KerascnnError | OSError | ModuleNotFoundError) -> KerascnnError | None:
    """Turn an error that a user can mend into one of ours; None: it is a bug, to be seen whole."""
    if isinstance(error, KerascnnError):
        return error
    if isinstance(error, ModuleNotFoundError):
        # Only the extra's own modules: a blanket catch would hide our bugs.
        module = (error.name or "").partition(".")[0]
        return MissingExtraError(module, *_EXTRAS[module]) if module in _EXTRAS else None
    # Only what the system says of a path, of which every command takes some.
    if error.errno not in _OF_PATHS or not error.filename:
        return None
    reason = f"{error.filename}: {error.strerror}. Expected a path that can be used here."
    return KerascnnError(reason)


def wanted_language(ctx: click.Context) -> str | None:
    """Return the language that ``--lang`` said; None: the environment's."""
    language: str | None = ctx.find_root().meta.get(LANGUAGE)
    return language


class _Failure(click.ClickException):
    """One of our errors, as Click shows it."""

    def __init__(self, message: str, exit_code: int, line: str = "Error: {message}") -> None:
        super().__init__(printable(message))
        self.exit_code = exit_code  # type: ignore[misc] # Click's own way
        self._line = line

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message; its first word is of the language that was spoken."""
        click.echo(self._line.format(message=self.format_message()), file, err=file is None)


def _failure(ctx: click.Context, message: str, exit_code: int) -> _Failure:
    """Say a message in the language that is spoken, with the names of a command's options."""
    try:
        with use_language(wanted_language(ctx)):
            line = tr("Error: {message}", message="{message}")
            return _Failure(as_options(translated(message)), exit_code, line)
    except KerascnnError:  # the environment names no language that is known: that is the message
        return _Failure(as_options(message), exit_code)


_PARAMETER = re.compile(r"`(\w+)`|^(\w+)(?= is )")
"""How a message names a parameter: in backticks, or at its beginning: ``epochs is 0; ...``."""


def as_options(message: str) -> str:
    """Name the options of a command line where a message names parameters of Python.

    Args:
        message: Message of a part of kerascnn that knows no command line: ```batch_size` is ...``.

    Returns:
        The same with ``--batch-size``; names that are none of the command's stay.
    """
    ctx = click.get_current_context(silent=True)
    names: dict[str, str] = ctx.find_root().meta.get(OPTIONS, {}) if ctx else {}
    return _PARAMETER.sub(lambda found: names.get(found[1] or found[2], found[0]), message)


def warning(message: str) -> str:
    """Write a warning as one line, in the language that is spoken."""
    return _notice("warning", message)


def _notice(level: str, message: str) -> str:
    return f"{tr(level)}: {printable(as_options(translated(message)))}"


class _Notices(logging.Handler):
    """Warnings of the package, one line each, on stderr; with a traceback what nobody expected."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(_notice(record.levelname.lower(), record.getMessage()), err=True)
        if record.exc_info is not None and record.levelno >= logging.ERROR:
            traceback = logging.Formatter().formatException(record.exc_info)
            click.echo(printable(traceback, keep="\n"), err=True)


def _show_notices() -> None:
    logger = logging.getLogger("kerascnn")
    if not any(isinstance(handler, _Notices) for handler in logger.handlers):
        logger.addHandler(_Notices())
        logger.propagate = False
        # Pillow logs what it then raises; once is enough.
        logging.getLogger("PIL").addHandler(logging.NullHandler())
