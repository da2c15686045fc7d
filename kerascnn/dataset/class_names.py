"""Compares class names in the ways that people confuse them.

Knows: case, spaces, Unicode forms and similar spellings. Does not know where names come from.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection

_COMPARED = 200
"""Maximum number of classes to compare the spelling with; more would take seconds."""

_LONG = 6
"""Minimum length of a name whose spelling is compared: a cat is no coat."""


def look(name: str) -> str:
    """Return a name without case, spaces, invisible characters and wide or joined letters."""
    seen = "".join(sign for sign in name if unicodedata.category(sign) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", seen).casefold().split())


def similar_class(name: str, classes: Collection[str]) -> str:
    """Point to the class that an unknown name probably means: the end of a message, or empty."""
    looks = {_letters(one): one for one in classes}
    found = looks.get(_letters(name))
    comparable = len(name) >= _LONG and len(classes) <= _COMPARED and not re.search(r"\d", name)
    if found is None and comparable:
        near = difflib.get_close_matches(_letters(name), looks, 1, cutoff=0.8)
        found = looks[near[0]] if near else None
    return (
        f" It resembles {found!r}: give both the same name if they are one class." if found else ""
    )


def _letters(name: str) -> str:
    """Return a name without punctuation and plural, too."""
    return re.sub(r"[\s_.-]+", "", look(name)).removesuffix("s") or name
