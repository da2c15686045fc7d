"""Reads class names from lines of text.

Knows: numbers, bullets, quotes and identifiers around the names, and tables with a header. Does
not know files or JSON.
"""

from __future__ import annotations

import csv
import re
from contextlib import suppress

_NUMBERED = re.compile(
    r"""["'\[]?(\d+)["']?(?:\s*(?:->|[:,;=|])\s*|[.)\]-](?!\d)\s*|\s+-\s+|\s+)(\S.*)"""
)
"""Number before the name: ``0 apple`` (Teachable Machine), ``0. apple`` or ``[0] apple``."""

_NUMBER_LAST = re.compile(r"(\S.*?)\s*[\t,;:=]\s*(\d+)")
"""Number after the name, as in a table of ``label,index``."""

_SYNSET = re.compile(r"n\d{8}[\s,:]+(\S.*)")
"""WordNet identifier before the name, as in Caffe's synset_words.txt: ``n01440764 tench``."""

_BULLET = re.compile(r"[-*\u2022]\s+(\S.*)")

_QUOTED = (re.compile(r'"([^"]+)"'), re.compile(r"'([^']+)'"))

_NAME_COLUMNS = ("name", "label", "class", "class_name", "label_name", "names", "labels", "classes")
"""Titles of the column of names in a table."""

_SEPARATORS = ("\n", ";", "|", "\t", ",")
"""Separators of names in one text; the first that occurs is used, so that names may have commas."""


def split(text: str) -> list[str]:
    """Split a list of names in one text; a single word or malformed JSON is a ValueError."""
    text = text.strip()
    separator = next((one for one in _SEPARATORS if one in text), None)
    if separator is None or text[0] in "[{":
        raise ValueError("no list")
    return plain_names([name.strip() for name in text.strip(separator).split(separator)])


def plain_names(lines: list[str]) -> list[str]:
    """Return the names in lines, without decoration that all lines share, ordered by their numbers.

    Examples:
        >>> plain_names(["1. 'pear',", "0. 'apple'"])
        ['apple', 'pear']
    """
    if len(lines) < 2:
        return lines
    if all(line.endswith(",") for line in lines[:-1]):
        lines = [line.rstrip(", ") for line in lines]
    lines = _from_table(lines) or _numbered(_strip_pattern(_BULLET, lines))
    for pattern in (_SYNSET, *_QUOTED):
        lines = _strip_pattern(pattern, lines)
    return lines


def _strip_pattern(pattern: re.Pattern[str], lines: list[str]) -> list[str]:
    found = [match[1].strip() for line in lines if (match := pattern.fullmatch(line))]
    return found if len(found) == len(lines) else lines


def _numbered(lines: list[str]) -> list[str]:
    """Order names by their numbers from 0, if all lines (except perhaps a header) have one."""
    headed = not re.search(r"\d", lines[0])
    for rows in (lines, lines[1:]) if headed else (lines,):
        for pattern, number, name in ((_NUMBERED, 1, 2), (_NUMBER_LAST, 2, 1)):
            found = [pattern.fullmatch(line) for line in rows]
            numbered = {int(match[number]): match[name].strip() for match in found if match}
            if len(rows) > 1 and sorted(numbered) == list(range(len(rows))):
                return [numbered[number] for number in range(len(rows))]
    return lines


def _from_table(lines: list[str]) -> list[str]:
    """Return the column of names of a table with a header; empty if the lines are not one."""
    for delimiter in "\t;,":
        rows: list[list[str]] = []
        with suppress(csv.Error):
            rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
        if len(rows) < 2 or {len(row) for row in rows} != {len(rows[0])}:
            continue
        header = [title.strip().casefold() for title in rows[0]]
        named = [column for column, title in enumerate(header) if title in _NAME_COLUMNS]
        if named and len(header) == 1:
            return [row[0].strip() for row in rows[1:]]
        wanted = [str(number) for number in range(len(rows) - 1)]
        for column in range(len(header)):
            names = next((other for other in named if other != column), None)
            numbered = {row[column].strip(): row[names or 0].strip() for row in rows[1:]}
            if names is not None and numbered.keys() == set(wanted):
                return [numbered[number] for number in wanted]
    return []
