"""Shows errors, warnings and Ctrl-C on the command line.

Knows: Click, exit codes, the user's language. Does not know any command.
"""

from __future__ import annotations

import errno
import logging
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO, Any

import click

from kerascnn.errors import KerascnnError, MissingExtraError, kind_and_line
from kerascnn.language import tr, use_language
from kerascnn.language.messages import translated
from kerascnn.printable import printable

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as in shells."""

LANGUAGE = "kerascnn.language"
"""Key in Click's context for the value of ``--lang``."""

OPTIONS = "kerascnn.options"
"""Key in the root context for the names of options; the command's own context is gone when an
error is shown."""

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
"""Extra and purpose, by module."""

_HELP: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What Click from 8.2 raises for a group without a command: its message is the help."""

_PATH_ERRORS = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR)
"""Error codes for paths that cannot be used."""


@contextmanager
def shown_errors(ctx: click.Context) -> Iterator[None]:
    """Turn kerascnn's errors into Click's, and log records into lines on stderr."""
    notices = _show_notices()
    outer, notices.command = notices.command, ctx
    try:
        with interruptible():
            yield
    except click.UsageError as error:
        if isinstance(error, _HELP):
            raise
        failure = _failure(ctx, error.format_message(), error.exit_code)
        if failure.message == error.format_message():
            raise
        if error.ctx:
            click.echo(f"{error.ctx.get_usage()}\n", err=True)
        raise failure from error
    except (KerascnnError, OSError, ModuleNotFoundError, MemoryError) as error:
        ours = _as_kerascnn_error(error)
        if ours is None or ctx.find_root().meta.get("debug"):
            raise
        raise _failure(ctx, str(ours), ours.exit_code) from error
    except KeyboardInterrupt:
        # Commands that keep results when they are interrupted handle this themselves.
        with use_language(wanted_language(ctx)):
            click.echo("\n" + tr("Stopped."), err=True)
        ctx.exit(INTERRUPTED)
    finally:
        notices.command = outer


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for any error after Ctrl-C, which TensorFlow may turn into another.

    Its C++ code drops the exception in the middle of tracing, and then fails otherwise. Commands
    that keep results when they are interrupted use this around their work, as well.
    """
    pressed = False
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or not callable(before):  # Ctrl-C is ignored, or ends the process
        yield
        return
    handle: Callable[[int, FrameType | None], Any] = before

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        handle(number, frame)

    signal.signal(signal.SIGINT, press)
    try:
        yield
    except Exception as error:
        # A command exits if it has handled it, and a time limit uses the same signal.
        if pressed and not isinstance(error, (click.exceptions.Exit, KerascnnError)):
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def _as_kerascnn_error(
    error: KerascnnError | OSError | ModuleNotFoundError | MemoryError,
) -> KerascnnError | None:
    """Turn an error that a user can fix into a KerascnnError; None if it is a bug."""
    if isinstance(error, KerascnnError):
        return error
    if isinstance(error, ModuleNotFoundError):
        # Only modules of the extras, because a blanket catch would hide bugs.
        module = (error.name or "").partition(".")[0]
        return MissingExtraError(module, *_EXTRAS[module]) if module in _EXTRAS else None
    if isinstance(error, MemoryError):
        return KerascnnError(
            f"not enough memory ({kind_and_line(error)}). Close other programs, or give this one "
            "more memory."
        )
    # Only errors about paths, which users give to every command.
    if error.errno not in _PATH_ERRORS or not error.filename:
        return None
    reason = f"{error.filename}: {error.strerror}. Expected a path that can be used here."
    return KerascnnError(reason)


def wanted_language(ctx: click.Context) -> str | None:
    """Return the value of ``--lang``; None: the language of the environment."""
    language: str | None = ctx.find_root().meta.get(LANGUAGE)
    return language


class _Failure(click.ClickException):
    """A KerascnnError in the form of a Click exception."""

    def __init__(self, message: str, exit_code: int, line: str = "Error: {message}") -> None:
        super().__init__(printable(message))
        self.exit_code = exit_code  # type: ignore[misc] # Click's own way
        self._line = line

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message after a translated ``Error:``."""
        click.echo(self._line.format(message=self.format_message()), file, err=file is None)


def _failure(ctx: click.Context, message: str, exit_code: int) -> _Failure:
    """Create a failure with a translated message that names the command's options."""
    try:
        with use_language(wanted_language(ctx)):
            line = tr("Error: {message}", message="{message}")
            return _Failure(as_options(translated(message)), exit_code, line)
    except KerascnnError:  # the environment sets an unknown language, which is the error itself
        return _Failure(as_options(message), exit_code)


_PARAMETER = re.compile(r"`(\w+)`|^(\w+)(?= is )")
"""A parameter in a message: in backticks, or at its start: ``epochs is 0; ...``."""


def as_options(message: str) -> str:
    """Replace the Python parameters in a message by the command's options, such as --batch-size."""
    ctx = click.get_current_context(silent=True)
    names: dict[str, str] = ctx.find_root().meta.get(OPTIONS, {}) if ctx else {}
    return _PARAMETER.sub(lambda found: names.get(found[1] or found[2], found[0]), message)


def warning(message: str) -> str:
    """Return a warning as one line, in the user's language."""
    return _notice("warning", message)


def _notice(level: str, message: str) -> str:
    return f"{tr(level)}: {printable(as_options(translated(message)))}"


class _Notices(logging.Handler):
    """Writes log records to stderr, one line each, and unexpected errors with a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()
        self.command: click.Context | None = None

    def emit(self, record: logging.LogRecord) -> None:
        command = self.command
        if command is None or click.get_current_context(silent=True):
            self._write(record)
            return
        # Another thread, such as the one in which a server loads models, has no context of its own.
        with command.scope(cleanup=False), use_language(wanted_language(command)):
            self._write(record)

    def _write(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if getattr(record, "once", False):
            if message in self.said:
                return
            self.said.add(message)
        click.echo(_notice(record.levelname.lower(), message), err=True)
        if record.exc_info is not None and record.levelno >= logging.ERROR:
            traceback = logging.Formatter().formatException(record.exc_info)
            click.echo(printable(traceback, keep="\n"), err=True)


def _show_notices() -> _Notices:
    logger = logging.getLogger("kerascnn")
    for handler in logger.handlers:
        if isinstance(handler, _Notices):
            handler.said.clear()  # another command in the same process
            return handler
    notices = _Notices()
    logger.addHandler(notices)
    logger.propagate = False
    # Pillow also logs the errors that it raises.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    return notices
