"""Messages of errors and warnings in other languages: found again by their English text.

Knows: a table of messages for each other language (``ko_messages.json``), in English with a name
in braces for each value. Does not know who raises them: an error is English wherever Python sees
it, and is said in another language only where a person reads it.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from kerascnn.language import current_language, table


def translated(message: str) -> str:
    """Say a message in the language that is spoken.

    Returns:
        The same in that language, where the table has it; values that are messages likewise.

    Examples:
        >>> from kerascnn.language import use_language
        >>> with use_language("ko"):
        ...     translated("a.jpg: no such file.")
        'a.jpg: 파일이 없습니다.'
    """
    language = current_language()
    if language == "en":
        return message
    from kerascnn.language.particles import with_particles  # English need not pay for it

    for pattern, other in _patterns(language):
        if found := pattern.fullmatch(message):
            values = {name: translated(text) for name, text in found.groupdict().items()}
            return with_particles(other, values).format(**values)
    return message


def messages(language: str) -> dict[str, str]:
    """Return the table of a language: what stands for each English message."""
    return table(f"{language}_messages")


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Compile the table; messages with more words of their own come first."""
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
            # A number only: else it would take all that stands before this message in another.
            what = r"[\d,]+" if name == "count" else ".*?"
            parts.append(f"(?P<{name}>{what})")
    return re.compile("".join(parts), re.DOTALL)
