"""The display of a training run in a notebook.

Knows: IPython's displays. The wording is that of the terminal.
"""

from __future__ import annotations

import sys
from html import escape
from importlib import import_module
from typing import Any

from rich.console import Console

from kerascnn.printable import printable
from kerascnn.training.display.terminal import TrainingDisplay


class NotebookDisplay(TrainingDisplay):
    """Shows a progress bar above the lines, as HTML; it is removed when the run ends."""

    every = 0.25

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._handle: Any = None
        self._html: Any = None

    def __enter__(self) -> NotebookDisplay:
        """Place the bar above the first line."""
        shown: Any = import_module("IPython.display")
        self._html = shown.HTML
        self._handle = shown.display(shown.HTML(""), display_id=True)
        return self

    def __exit__(self, *_error: object) -> None:
        """Remove the bar."""
        self._clear()

    def say(self, line: str) -> None:
        """Write a permanent line."""
        # A notebook shows standard error in red, and this is no error.
        print(printable(line), file=sys.stdout)  # noqa: T201 - a notebook's output

    def _show(self, what: str, done: int, total: int, numbers: str) -> None:
        self._handle.update(self._html(bar(what, done, total, numbers)))

    def _clear(self) -> None:
        if self._handle is not None:
            self._handle.update(self._html(""))


def bar(what: str, done: int, total: int, numbers: str) -> str:
    """Return the HTML of a progress bar with text."""
    value = f' value="{done}" max="{total}"' if total else ""
    before, after = escape(printable(what)), escape(printable(numbers))
    return (
        f'<div style="font-variant-numeric: tabular-nums">{before} '
        f'<progress{value} style="width: 12rem; max-width: 40%; vertical-align: middle">'
        f"</progress> {after}</div>"
    )
