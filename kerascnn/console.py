"""rich's console, on which no name is obeyed.

Knows: that rich writes escape sequences of its own, and those in a text as well. Does not know
what is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from kerascnn.printable import printable


class SafeConsole(Console):
    """A console whose texts have their control characters as escapes."""

    def __init__(self, file: TextIO, stderr: bool = False) -> None:
        super().__init__(file=file, stderr=stderr, highlight=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Render, and make harmless what is not rich's own."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text, keep="\n"), segment.style)
