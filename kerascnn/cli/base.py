"""What all commands share: errors, notices, JSON, progress on stderr.

Knows: Click, rich, exit codes. Does not know any command.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from kerascnn.errors import KerascnnError, MissingExtraError
from kerascnn.language import LANGUAGES, tr, use_language
from kerascnn.language.messages import translated
from kerascnn.printable import printable, printable_json

if TYPE_CHECKING:
    from rich.console import Console

F = TypeVar("F")

SOME_INPUTS_BAD = 3
"""Exit code: done, but some inputs could not be used."""

INTERRUPTED = 130
"""Exit code: stopped by Ctrl-C (128 + SIGINT, as shells have it)."""

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


OTHERS = "Other options"
"""Heading of the options that no group names."""


_LANGUAGE = "kerascnn.language"
"""Where Click's context keeps what ``--lang`` said."""


class Command(click.Command):
    """A command with ``--lang`` and ``--debug``, and headings in its ``--help``.

    Args:
        args: Click's.
        groups: Names of parameters by heading, in order; without any, there is one heading.
        kwargs: Click's.
    """

    def __init__(
        self, *args: Any, groups: Mapping[str, Sequence[str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.groups = groups or {}
        self.params += [_lang_option(), _debug_option()]
        for parameter in self.params:
            if parameter.type is click.STRING and _names_a_file(parameter):
                # The value stays as it is; it is for shells, which complete it as a path.
                parameter.type = click.Path(allow_dash=True)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what goes wrong in it is told with the names of its options."""
        ctx.find_root().meta[_OPTIONS] = {
            parameter.name: option_name(parameter)
            for parameter in self.params
            if isinstance(parameter, click.Option)
        }
        with use_language(_wanted(ctx)):
            return super().invoke(ctx)

    def get_help(self, ctx: click.Context) -> str:
        """Write the help in the language that is spoken."""
        with use_language(_wanted(ctx)):
            return super().get_help(ctx)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does: its first sentence in the language that is spoken."""
        with first_sentence_translated(self):
            super().format_help_text(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, each in the order in which it was declared."""
        headings = {name: heading for heading, names in self.groups.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in self.groups}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row and isinstance(parameter, click.Option):
                heading = headings.get(parameter.name or "", OTHERS if self.groups else "Options")
                rows.setdefault(heading, []).append(row)
        for heading, some in rows.items():
            if some:
                with formatter.section(tr(heading)):
                    formatter.write_dl(some)


@contextmanager
def first_sentence_translated(command: click.Command) -> Iterator[None]:
    """Let the help of a command begin in the language that is spoken; the rest is English."""
    text = command.help or ""
    first, gap, rest = text.partition("\n\n")
    command.help = tr(" ".join(first.split())) + gap + rest
    try:
        yield
    finally:
        command.help = text


class Group(click.Group):
    """A command with commands of its own, and ``--debug``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_debug_option())

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the commands are for, in the language that is spoken."""
        with first_sentence_translated(self):
            super().format_help_text(ctx, formatter)


def option_name(parameter: click.Option) -> str:
    """Return the name that a person types, e.g. ``--batch-size``."""
    return max(parameter.opts, key=len)


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_remember_debug,
        is_eager=True,
        help="Show the traceback of an error.",
    )


def _lang_option() -> click.Option:
    return click.Option(
        ["--lang"],
        type=click.Choice(LANGUAGES),
        expose_value=False,
        is_eager=True,
        callback=_remember_language,
        help="Language of pages, figures and results.  [default: $KERASCNN_LANG, else en]",
    )


def _remember_language(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    ctx.find_root().meta[_LANGUAGE] = value


def _names_a_file(parameter: click.Parameter) -> bool:
    if isinstance(parameter, click.Argument):
        return True  # or a name besides: `fashion-mini`, `cnn`
    return getattr(parameter, "metavar", None) in ("FILE", "RUN", "DIR", "DATA")


def _remember_debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    # Said to a group, it holds for the command of it that comes after.
    ctx.find_root().meta["debug"] = value or ctx.find_root().meta.get("debug", False)


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
    except KerascnnError as error:
        if ctx.find_root().meta.get("debug"):
            raise
        raise _failure(ctx, str(error), error.exit_code) from error
    except OSError as error:
        # Only what the system says of a path, of which every command takes some.
        if error.errno not in _OF_PATHS or not error.filename or ctx.find_root().meta.get("debug"):
            raise
        reason = f"{error.filename}: {error.strerror}. Expected a path that can be used here."
        raise _failure(ctx, reason, KerascnnError.exit_code) from error
    except ModuleNotFoundError as error:
        # Only the extra's own modules: a blanket catch would hide our bugs.
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRAS or ctx.find_root().meta.get("debug"):
            raise
        missing = MissingExtraError(module, *_EXTRAS[module])
        raise _failure(ctx, str(missing), missing.exit_code) from error
    except KeyboardInterrupt:
        # Commands that keep something when they are stopped say so themselves.
        with use_language(_wanted(ctx)):
            click.echo("\n" + tr("Stopped."), err=True)
        ctx.exit(INTERRUPTED)


def _wanted(ctx: click.Context) -> str | None:
    """Return the language that ``--lang`` said; None: the environment's."""
    language: str | None = ctx.find_root().meta.get(_LANGUAGE)
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
        with use_language(_wanted(ctx)):
            line = tr("Error: {message}", message="{message}")
            return _Failure(as_options(translated(message)), exit_code, line)
    except KerascnnError:  # the environment names no language that is known: that is the message
        return _Failure(as_options(message), exit_code)


_PARAMETER = re.compile(r"`(\w+)`|^(\w+)(?= is )")
"""How a message names a parameter: in backticks, or at its beginning: ``epochs is 0; ...``."""

_OPTIONS = "kerascnn.options"
"""Where Click's context keeps the names of options; a command's own is gone when an error is shown.
"""


def as_options(message: str) -> str:
    """Name the options of a command line where a message names parameters of Python.

    Args:
        message: Message of a part of kerascnn that knows no command line: ```batch_size` is ...``.

    Returns:
        The same with ``--batch-size``; names that are none of the command's stay.
    """
    ctx = click.get_current_context(silent=True)
    names: dict[str, str] = ctx.find_root().meta.get(_OPTIONS, {}) if ctx else {}
    return _PARAMETER.sub(lambda found: names.get(found[1] or found[2], found[0]), message)


class _Notices(logging.Handler):
    """Warnings of the package, one line each, on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        message = as_options(translated(record.getMessage()))
        click.echo(f"{record.levelname.lower()}: {printable(message)}", err=True)


def _show_notices() -> None:
    logger = logging.getLogger("kerascnn")
    if not any(isinstance(handler, _Notices) for handler in logger.handlers):
        logger.addHandler(_Notices())
        logger.propagate = False
        # Pillow logs what it then raises; once is enough.
        logging.getLogger("PIL").addHandler(logging.NullHandler())


def print_json(value: Any, indent: int | None = 2) -> None:
    """Write one JSON document on stdout; names stay as they are where its encoding has them.

    JSON has no NaN and no infinity: they become null, a value that is not there.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        value = _finite(value)
        text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        # A file name need not be UTF-8, nor stdout: escapes are the same JSON everywhere.
        text = json.dumps(value, indent=indent)
    click.echo(printable_json(text))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def console(stderr: bool = False) -> Console:
    """Return rich's console; imported late, since ``--help`` does not need it."""
    from kerascnn.cli.streams import unescaped
    from kerascnn.console import SafeConsole

    return SafeConsole(unescaped(sys.stderr if stderr else sys.stdout), stderr)


def add_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Make one decorator of several options, which ``--help`` shows in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@contextmanager
def quiet_tensorflow(optional: bool = False) -> Iterator[None]:
    """Import Keras with TensorFlow's start-up chatter kept off the user's screen.

    Args:
        optional: Whether Keras may be missing, or unable to load its backend.
    """
    backend = import_module("kerascnn.training.keras_backend")
    if not optional:
        backend.check_backend()
    with backend.silenced():
        with suppress(ImportError, ValueError) if optional else nullcontext():
            import_module("keras")
        yield
