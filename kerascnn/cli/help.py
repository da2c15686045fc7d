"""``--help`` in the user's language, aligned by display width.

Knows: Click's help, and translations of help texts. Does not know any command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from inspect import cleandoc
from itertools import pairwise
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

import click

from kerascnn.cli.shown_errors import LANGUAGE, wanted_language
from kerascnn.errors import ConfigError
from kerascnn.language import LANGUAGES, current_language, translated_help, use_language

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_NOTES = r"(?:\s+\[[^\[\]]*\])+$"
"""Notes at the end of an option's help: ``  [default: 5; x>=1]``."""

_DEFAULT = "default: "

_COMMENT = "  # "
"""Separator of an example and its comment."""

_FILLER, _HYPHEN = "\0", "\1"
"""Placeholders while text is wrapped: a filler after each wide character, because wrapping counts
characters, and a replacement for hyphens, at which ``--learning-rate`` would be broken."""


class TranslatedHelp(click.Command):
    """A command with translated help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find ``--lang`` first, because Click may handle ``--help`` and errors before it."""
        for spoken in _languages(args):
            # If given to a group, it also applies to the group's command.
            ctx.find_root().meta[LANGUAGE] = spoken
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete what is typed, with descriptions in the user's language."""
        found = super().shell_complete(ctx, incomplete)
        # An unknown language is an error of the command, not of the Tab key.
        with suppress(ConfigError), use_language(wanted_language(ctx)):
            for item in found:
                group = self if isinstance(self, click.Group) else None
                command = group and group.get_command(ctx, item.value)
                item.help = summary_of(command) if command else _translated_row(item.help or "")
        return found

    def get_help(self, ctx: click.Context) -> str:
        """Return the whole help."""
        return _render(ctx, self.format_help)

    def get_usage(self, ctx: click.Context) -> str:
        """Return the usage line."""
        return _render(ctx, self.format_usage)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage line."""
        pieces = " ".join(translated_help(piece) for piece in self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=translated_help("Usage:") + " ")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description of the command."""
        text = self.help
        self.help = "\n\n".join(_paragraph(one) for one in cleandoc(text or "").split("\n\n"))
        try:
            super().format_help_text(ctx, formatter)
        finally:
            self.help = text


def _render(ctx: click.Context, write: Callable[[click.Context, _Formatter], None]) -> str:
    with use_language(wanted_language(ctx)):
        formatter = _Formatter(width=ctx.terminal_width, max_width=ctx.max_content_width)
        write(ctx, formatter)
        return formatter.getvalue().rstrip("\n")


def _languages(args: list[str]) -> Iterator[str]:
    for name, value in pairwise([*args, ""]):
        if name == "--":
            return
        spoken = value if name == "--lang" else name.removeprefix("--lang=")
        if spoken in LANGUAGES and name.startswith("--lang"):
            yield spoken


def summary_of(command: click.Command) -> str:
    """Return the first sentence of a command's help."""
    return _paragraph((command.help or "").partition("\n\n")[0])


def option_row(parameter: click.Parameter, ctx: click.Context) -> tuple[str, str] | None:
    """Return the name and help of an option; None if it is hidden."""
    row = parameter.get_help_record(ctx)
    if not row or current_language() == "en":
        return row
    return row[0], _translated_row(row[1])


def _translated_row(text: str) -> str:
    found = re.search(_NOTES, text)
    notes = found[0] if found else ""
    said = translated_help(text.removesuffix(notes))
    return said + re.sub(r"\[(.*?)\]", lambda note: f"[{_note(note[1])}]", notes)


def _note(text: str) -> str:
    if text.startswith(_DEFAULT):
        return translated_help(_DEFAULT) + translated_help(text.removeprefix(_DEFAULT))
    return translated_help(text)


def _paragraph(text: str) -> str:
    if not text.startswith("\b"):  # otherwise examples, one per line
        return translated_help(" ".join(text.split()))
    lines = (line.partition(_COMMENT) for line in text.splitlines())
    return "\n".join(line + mark + translated_help(comment) for line, mark, comment in lines)


class _Formatter(click.HelpFormatter):
    """Click's formatter, made to count columns instead of characters, and not to break options."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, filled(args), filled(prefix or ""))

    def write_text(self, text: str) -> None:
        super().write_text(filled(text))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        wide = [(filled(first), filled(second)) for first, second in rows]
        super().write_dl(wide, col_max, col_spacing)

    def getvalue(self) -> str:
        return unfilled(super().getvalue())


def filled(text: str) -> str:
    """Insert placeholders, so that the length of a text equals its width in columns."""
    text = text.replace("-", _HYPHEN)
    if text.isascii():
        return text
    return "".join(one + _FILLER if east_asian_width(one) in "WF" else one for one in text)


def unfilled(text: str) -> str:
    """Remove the placeholders of :func:`filled`."""
    return text.replace(_FILLER, "").replace(_HYPHEN, "-")
