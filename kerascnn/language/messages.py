"""Translates messages of errors and warnings, which it recognizes by their English text.

Knows: a table of messages for each other language (``ko_messages.json``), by English text with a
name in braces for each value. Does not know where they are raised: errors are English in Python,
and are translated only where a user reads them.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from kerascnn.language import current_language, table


def translated(message: str) -> str:
    """Translate a message, and values in it that are messages; unknown ones stay English.

    Examples:
        >>> from kerascnn.language import use_language
        >>> with use_language("ko"):
        ...     translated("a.jpg: no such file.")
        'a.jpg: 파일이 없습니다.'
    """
    language = current_language()
    if language == "en":
        return message
    from kerascnn.language.particles import with_particles  # not needed for English

    for pattern, other in _patterns(language):
        if found := pattern.fullmatch(message):
            values = {name: translated(text) for name, text in found.groupdict().items()}
            return with_particles(other, values).format(**values)
    return message


def messages(language: str) -> dict[str, str]:
    """Return the translations of English messages into a language."""
    return table(f"{language}_messages")


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Compile the table; messages with more literal text come first."""
    rows = [(_literal(english), english, other) for english, other in messages(language).items()]
    rows.sort(key=lambda row: -row[0])
    return [(_pattern(english), other) for _, english, other in rows]


def _literal(message: str) -> int:
    return sum(len(text) for text, *_ in Formatter().parse(message))


def _pattern(message: str) -> re.Pattern[str]:
    parts = []
    for text, name, _, _ in Formatter().parse(message):
        parts.append(re.escape(text))
        if name and f"(?P<{name}>" in "".join(parts):
            parts.append(f"(?P={name})")
        elif name:
            # Numbers only, else it would match everything before this message inside another.
            what = r"[\d,]+" if name == "count" else ".*?"
            parts.append(f"(?P<{name}>{what})")
    return re.compile("".join(parts), re.DOTALL)
