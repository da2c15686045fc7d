"""Names that nobody chose for a terminal, made harmless to one; commands to be typed into it.

Knows: which characters a terminal obeys, or which turn the order of a line around, and how each
is written in its place; how wide text is; how shells quote. Does not know where text goes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1: escape sequences, bells, cursor moves
    "\u2028\u2029"  # ends of lines and paragraphs that few programs take for them
    "\u202a-\u202e\u2066-\u2069"  # overrides of the direction of writing
    "\ud800-\udfff]"  # halves of characters: bytes of a name that are no UTF-8
)


def printable(text: str, keep: str = "") -> str:
    r"""Write characters that are not to be shown as Python's escapes.

    Args:
        text: With names of files or classes in it.
        keep: Characters that stay, such as the end of a line.

    Examples:
        >>> printable("cat\x1b[2J\u202e.png\n", keep="\n")
        'cat\\x1b[2J\\u202e.png\n'
    """
    return _UNSAFE.sub(lambda found: _escaped(found[0], keep), text)


def printable_json(text: str) -> str:
    r"""Write the same characters as JSON's escapes: the value stays as it is.

    Examples:
        >>> printable_json('"\x9b31m"')
        '"\\u009b31m"'
    """
    return _UNSAFE.sub(
        lambda found: found[0] if found[0] in "\n\r\t" else f"\\u{ord(found[0]):04x}", text
    )


def _escaped(character: str, keep: str) -> str:
    return character if character in keep else ascii(character)[1:-1]


def first_few(names: Sequence[object], most: int = 5) -> str:
    """List the first names, with an ellipsis where there are more.

    Examples:
        >>> first_few(["cat", "dog", "elk"], 2)
        'cat, dog, ...'
    """
    return ", ".join([*map(str, names[:most]), *(["..."] if len(names) > most else [])])


def columns(words: str) -> int:
    """Return the width of text in columns of a terminal; Hangul and Chinese characters take two."""
    import unicodedata  # only where text is measured

    return sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in words)


def fitting(words: str, room: int) -> str:
    """Cut words that are too wide.

    Args:
        words: Any Unicode.
        room: Available width, in :func:`columns`.

    Examples:
        >>> fitting("ankle boot", 10), fitting("ankle boots", 10), fitting("고양이와 개", 8)
        ('ankle boot', 'ankle boo…', '고양이…')
    """
    if columns(words) <= room:
        return words
    kept, used = "", 1
    for sign in words:
        used += columns(sign)
        if used > room:
            break
        kept += sign
    return kept + "…"


def command_line(words: Sequence[str], system: str = os.name) -> str:
    r"""Write a command that can be pasted into the shell of this system.

    Args:
        words: The command and its arguments.
        system: ``nt`` for Windows, whose shells know no single quotes.

    Examples:
        >>> command_line(["export", "my run"], "posix"), command_line(["export", "my run"], "nt")
        ("export 'my run'", 'export "my run"')
        >>> print(command_line(["export", r"runs\a"], "nt"))
        export runs\a
    """
    import shlex
    import subprocess  # both only where a command is shown

    return subprocess.list2cmdline(words) if system == "nt" else shlex.join(words)
