"""Makes names safe for a terminal, measures text, and quotes commands.

Knows: control characters and overrides of writing direction, and their escapes; the width of text;
how shells quote. Does not know where text is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1: escape sequences, bells, cursor moves
    "\u2028\u2029"  # line and paragraph separators, which few programs recognize
    "\u202a-\u202e\u2066-\u2069"  # overrides of the direction of writing
    "\ud800-\udfff]"  # surrogates: bytes of a name that are not UTF-8
)


def printable(text: str, keep: str = "") -> str:
    r"""Replace unsafe characters, except those to ``keep``, by Python's escapes.

    Examples:
        >>> printable("cat\x1b[2J\u202e.png\n", keep="\n")
        'cat\\x1b[2J\\u202e.png\n'
    """
    return _UNSAFE.sub(lambda found: _escaped(found[0], keep), text)


def printable_json(text: str) -> str:
    r"""Replace the same characters in JSON by JSON's escapes, which does not change the value.

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
    """List the first names, with an ellipsis if there are more.

    Examples:
        >>> first_few(["cat", "dog", "elk"], 2)
        'cat, dog, ...'
    """
    return ", ".join([*map(str, names[:most]), *(["..."] if len(names) > most else [])])


def columns(words: str) -> int:
    """Return the width of text in terminal columns; Hangul and Chinese characters take two."""
    import unicodedata  # only where text is measured

    return sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in words)


def fitting(words: str, room: int) -> str:
    """Truncate text that is wider than ``room``, in :func:`columns`.

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
    r"""Quote a command for pasting into the shell of this system (``nt``: Windows).

    Examples:
        >>> command_line(["export", "my run"], "posix"), command_line(["export", "my run"], "nt")
        ("export 'my run'", 'export "my run"')
        >>> print(command_line(["export", r"runs\a"], "nt"))
        export runs\a
    """
    import shlex
    import subprocess  # both imported only where a command is shown

    return subprocess.list2cmdline(words) if system == "nt" else shlex.join(words)
