"""The command line: parse, one call, print.

Knows: Click, the list of commands, exit codes. Does not know any logic. Each command has its own
module, imported on first use, so that ``kerascnn --help`` is fast.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

import click

from kerascnn import __version__
from kerascnn.cli.base import Group
from kerascnn.cli.shown_errors import shown_errors
from kerascnn.cli.streams import safe_streams
from kerascnn.language import translated_help

COMMANDS = {
    "data": "Check a data set before training.",
    "advise": "Advise how deep to fine-tune a backbone.",
    "train": "Train a classifier on pictures.",
    "tune": "Search for the best network, learning rate, depth and augmentation.",
    "evaluate": "Evaluate a model: accuracy, confusion matrix, calibration.",
    "export": "Export a trained model as one ONNX file.",
    "card": "Show the metadata of an ONNX file.",
    "predict": "Classify pictures with an ONNX file.",
    "score": "Classify very many pictures, in parts, on one machine or many.",
    "serve": "Serve models over HTTP.",
    "push": "Upload an exported model to the Hugging Face Hub.",
    "summary": "Show the layers and parameters of a network.",
    "models": "List the networks.",
    "weights": "Download ImageNet weights, or list those on this machine.",
    "report": "Write an HTML report about a model.",
    "explain": "Draw heat maps: which parts of a picture a prediction is based on.",
    "features": "Draw the filters and feature maps of a trained model.",
    "convolve": "Apply a convolution filter to a picture.",
    "bench": "Benchmark an ONNX file on this machine.",
    "cache": "Show or clear the cache of decoded pictures.",
    "doctor": "Show what is installed and what is missing.",
}


class Commands(Group):
    """Imports each command from the module of its name, on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        """List the names, in the order of a typical workflow."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"kerascnn.cli.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the given command, or suggest the closest name."""
        near = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if args[0] not in COMMANDS and near and not args[0].startswith("-"):
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - Click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list without importing any command."""
        with formatter.section(translated_help("Commands")):
            formatter.write_dl([(name, translated_help(what)) for name, what in COMMANDS.items()])

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command line, with control characters in its output escaped."""
        with safe_streams():
            return super().main(*arguments, **options)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a user's mistake becomes one sentence and an exit code."""
        with shown_errors(ctx):
            return super().invoke(ctx)


# Without color, Click would strip what looks like a color from names; safe_streams escapes it.
_SETTINGS = {"help_option_names": ["-h", "--help"], "color": True, "show_default": True}


@click.group(cls=Commands, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="kerascnn")
def main() -> None:
    """From a folder of pictures to an image classifier in production.

    \b
    kerascnn train pictures/ --out runs/flowers
    kerascnn export runs/flowers --onnx
    kerascnn predict exported/flowers.onnx photo.jpg
    """
