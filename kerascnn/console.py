"""A rich console that escapes control characters.

Knows: that rich writes its own escape sequences, but also passes on those in a text. Does not know
what is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from kerascnn.printable import printable


class SafeConsole(Console):
    """A console that escapes control characters in texts."""

    def __init__(self, file: TextIO, stderr: bool = False) -> None:
        super().__init__(file=file, stderr=stderr, highlight=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Render, and escape everything except rich's own sequences."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text, keep="\n"), segment.style)
