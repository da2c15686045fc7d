"""Base of all commands: help, language, JSON output, console.

Knows: Click, rich, exit codes. Does not know any command.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kerascnn.cli.help import TranslatedHelp, option_row, summary_of
from kerascnn.cli.shown_errors import LANGUAGE, OPTIONS, wanted_language
from kerascnn.language import LANGUAGES, tr, translated_help, use_language
from kerascnn.printable import columns, printable_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from kerascnn.training.run.folder import Run

F = TypeVar("F")

SOME_INPUTS_BAD = 3
"""Exit code if some inputs could not be used and the others were processed."""

_SYNONYMS = {
    "--batch": "--batch-size",
    "--imgsz": "--image-size",
    "--lr": "--learning-rate",
    "--opt": "--optimizer",
    "--wd": "--weight-decay",
}
"""Names that other programs have for options: too short for Click to find ours."""

OTHERS = "Other options"
"""Heading of the options that are in no group."""


class Command(TranslatedHelp):
    """A command with ``--lang`` and ``--debug``, and headings in its ``--help``.

    ``groups``: names of parameters by heading, in order. ``of_train``: parameters of ``kerascnn
    train`` that this command's messages name.
    """

    def __init__(
        self,
        *args: Any,
        groups: Mapping[str, Sequence[str]] | None = None,
        of_train: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.groups = groups or {}
        self.of_train = {name: f"--{name.replace('_', '-')}" for name in of_train}
        self.params += _common_options()
        for parameter in self.params:
            if parameter.type is click.STRING and _takes_a_path(parameter):
                # Only for path completion in shells; the value is not changed.
                parameter.type = click.Path(allow_dash=True, readable=False)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; an option with another program's name is an error with ours."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name
            ours = self._meant(name)
            if not ours:
                raise
            message = f"No such option {name!r}. Did you mean {ours!r}?"
            raise click.NoSuchOption(name, message, ctx=ctx) from error

    def _meant(self, name: str) -> str | None:
        """Return the option that has this name elsewhere, or takes it as its value, if one does."""
        ours, value = _SYNONYMS.get(name), name.lstrip("-")
        if any(ours in parameter.opts for parameter in self.params):
            return ours
        found = [
            option_name(one)
            for one in self.params
            if isinstance(one, click.Option)
            and isinstance(one.type, click.Choice)
            and value in one.type.choices
        ]
        return f"{found[0]} {value}" if len(found) == 1 else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors name its options instead of Python's parameters."""
        ctx.find_root().meta[OPTIONS] = self.of_train | {
            parameter.name: option_name(parameter)
            for parameter in self.params
            if isinstance(parameter, click.Option)
        }
        with use_language(wanted_language(ctx)):
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, in the order of declaration."""
        headings = {name: heading for heading, names in self.groups.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in self.groups}
        for parameter in self.get_params(ctx):
            row = option_row(parameter, ctx)
            if row and isinstance(parameter, click.Option):
                heading = headings.get(parameter.name or "", OTHERS if self.groups else "Options")
                rows.setdefault(heading, []).append(row)
        for heading, some in rows.items():
            if some:
                with formatter.section(translated_help(heading)):
                    formatter.write_dl(some)


class Group(TranslatedHelp, click.Group):
    """A group of commands, with ``--lang`` and ``--debug`` for all of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _common_options()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; the error of a small group lists its commands."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if ctx.parent is None or error.format_message() != error.message:
                raise
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"{error.message} Expected one of: {known}.", ctx) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        rows = [option_row(parameter, ctx) for parameter in self.get_params(ctx)]
        with formatter.section(translated_help("Options")):
            formatter.write_dl([row for row in rows if row])
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with the first sentence of its help."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section(translated_help("Commands")):
            formatter.write_dl([(name, summary_of(one)) for name, one in found if one])


def option_name(parameter: click.Option) -> str:
    """Return the long name of an option, e.g. ``--batch-size``."""
    return max(parameter.opts, key=len)


def _common_options() -> list[click.Parameter]:
    """Create the options ``--lang`` and ``--debug``."""
    create = partial(click.Option, expose_value=False, is_eager=True)
    language = create(
        ["--lang"],
        type=click.Choice(LANGUAGES),
        callback=_remember_language,
        help="Language of help, pages, figures, results and errors.  "
        "[default: $KERASCNN_LANG, else en]",
    )
    what = "Show the traceback of an error."
    return [language, create(["--debug"], is_flag=True, callback=_remember_debug, help=what)]


def _remember_language(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:  # from a file or variable; parse_args handles the command line
        ctx.find_root().meta[LANGUAGE] = value


def _takes_a_path(parameter: click.Parameter) -> bool:
    if isinstance(parameter, click.Argument):
        return True  # or a built-in name: `fashion-mini`, `cnn`
    return getattr(parameter, "metavar", None) in ("FILE", "RUN", "DIR", "DATA")


def _remember_debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    ctx.find_root().meta["debug"] = value or ctx.find_root().meta.get("debug", False)


def tell(sentence: str, /, err: bool = False, **values: object) -> None:
    """Print a sentence in the user's language; the values are those of :func:`tr`."""
    click.echo(tr(sentence, **values), err=err)


def print_json(value: Any) -> None:
    """Write a JSON document to stdout."""
    click.echo(json_text(value))


def json_text(value: Any, indent: int | None = 2) -> str:
    """Return a JSON document for stdout, escaping only characters that its encoding lacks.

    NaN and infinity, which JSON does not have, become null.
    """
    encode = _encoder(indent).encode
    try:
        text = encode(value)
    except ValueError:
        value = _finite(value)
        text = encode(value)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        # Neither file names nor stdout need be UTF-8; escapes are valid in any encoding.
        text = json.dumps(value, indent=indent)
    # Skip the search, which takes as long as writing; JSON escapes characters below space itself.
    return text if text.isascii() and "\x7f" not in text else printable_json(text)


@cache
def _encoder(indent: int | None) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=False, indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def console(stderr: bool = False) -> Console:
    """Return a rich console, imported here because ``--help`` does not need it."""
    from kerascnn.cli.streams import unescaped
    from kerascnn.console import SafeConsole

    return SafeConsole(unescaped(sys.stderr if stderr else sys.stdout), stderr)


def add_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Combine several options into one decorator; ``--help`` shows them in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def open_run(model: str) -> Run:
    """Open a run before Keras is imported, so that its errors appear quickly and without Keras."""
    from kerascnn.training.keras_backend import check_backend
    from kerascnn.training.run import folder

    check_backend()
    return folder.open_run(model)


def plain_table(*texts: str, numbers: Sequence[str] = ()) -> Table:
    """Return a table without lines: headings of text columns, then of columns of numbers."""
    from rich.table import Table

    table = Table(*texts, box=None, pad_edge=False)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def padded(words: str, width: int) -> str:
    """Pad text with spaces to a width in columns; Korean characters are two columns wide."""
    return words + " " * (width - columns(words))


@contextmanager
def quiet_tensorflow(optional: bool = False) -> Iterator[None]:
    """Import Keras without TensorFlow's startup messages; ``optional``: it may be missing."""
    from kerascnn.training import keras_backend as backend

    if not optional:
        backend.check_backend()
    with backend.silenced():
        forgiven = suppress(ImportError, ValueError) if optional else nullcontext()
        with forgiven, backend.without_unused():
            import keras  # noqa: F401
        yield
