"""The language in which people are spoken to.

Knows: English, which is the source, and a table of sentences for each other language
(``ko.json``: English to Korean; ``ko_help.json``: of ``--help`` alone). Does not know who says
what, nor when.

A sentence is written in English where it is said, with its values named:

>>> tr("{count} pictures", count="1,200")
'1,200 pictures'
>>> with use_language("ko"):
...     tr("{count} pictures", count="1,200")
'사진 1,200장'

The language is that of the innermost :func:`use_language`, else ``KERASCNN_LANG``, else English.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from kerascnn.errors import ConfigError

LANGUAGES = ("en", "ko")
VARIABLE = "KERASCNN_LANG"

_spoken: ContextVar[str | None] = ContextVar("spoken", default=None)


@contextmanager
def use_language(language: str | None) -> Iterator[None]:
    """Speak a language for a while.

    Args:
        language: One of :data:`LANGUAGES`; None: the one that is spoken already.

    Raises:
        ConfigError: No such language.
    """
    token = _spoken.set(_known(language, "lang") if language else _spoken.get())
    try:
        yield
    finally:
        _spoken.reset(token)


def current_language() -> str:
    """Return the language that is spoken now, e.g. ``ko``.

    Raises:
        ConfigError: ``KERASCNN_LANG`` names a language that is not there.
    """
    # ko_KR.UTF-8, as LANG has it, is Korean too.
    wanted = os.environ.get(VARIABLE, "").replace("-", "_").split("_")[0].lower()
    return _spoken.get() or _known(wanted or "en", VARIABLE)


class Sentence(str):
    """An English sentence that can still be said in other languages: data that is shown later.

    Wherever it is not given to :func:`tr`, in JSON above all, it stays English.
    """

    template: str
    values: Mapping[str, object]


def sentence(template: str, **values: object) -> Sentence:
    """Write a sentence that may be said later.

    Args:
        template: In English, with a name in braces for each value.
        values: Of those names, as they shall be shown; sentences are said with this one.

    Examples:
        >>> with use_language("ko"):
        ...     found = sentence("{count} pictures", count="1,200")
        ...     found, tr(found)
        ('1,200 pictures', '사진 1,200장')
    """
    made = Sentence(template.format(**values))
    made.template, made.values = template, values
    return made


def count(number: int, noun: str) -> Sentence:
    """Count things: one alone is not said in the plural.

    Args:
        number: How many.
        noun: In English, in the singular.

    Examples:
        >>> count(1, "epoch"), count(1200, "class")
        ('1 epoch', '1,200 classes')
    """
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    found = sentence(f"{{count}} {plural}", count=f"{number:,}")
    if number != 1:
        return found
    one = Sentence(f"1 {noun}")
    one.template, one.values = found.template, found.values
    return one


def tr(said: str, **values: object) -> str:
    """Say a sentence in the language that is spoken.

    Args:
        said: In English, with a name in braces for each value; or a :class:`Sentence`.
        values: Of those names, as they shall be shown.
    """
    language = current_language()
    if isinstance(said, Sentence):
        if language == "en":
            return str(said)
        values = dict(said.values)
        said = said.template
    shown = {
        name: tr(value) if isinstance(value, Sentence) else value for name, value in values.items()
    }
    if language == "en":
        return said.format(**shown)
    from kerascnn.language.particles import with_particles  # English need not pay for it

    return with_particles(sentences(language).get(said, said), shown).format(**shown)


def translated_help(said: str) -> str:
    """Say a text of ``--help``, which has no values, in the language that is spoken."""
    language = current_language()
    return said if language == "en" else table(f"{language}_help").get(said, said)


def sentences(language: str) -> Mapping[str, str]:
    """Return the table of a language: what stands for each English sentence."""
    return {} if language == "en" else table(language)


@cache
def table(name: str) -> dict[str, str]:
    """Read one of the tables beside this file: what stands for each English text."""
    # Takes as long as a fifth of `kerascnn --help`, which English need not pay for.
    from importlib import resources

    text = resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found


def _known(language: str, where: str) -> str:
    if language not in LANGUAGES:
        raise ConfigError(f"{where} is {language!r}; expected one of {', '.join(LANGUAGES)}.")
    return language
