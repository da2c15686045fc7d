"""Translation of texts into the user's language.

Knows: English, which is the source, and a table of translations for each other language
(``ko.json``: Korean; ``ko_help.json``: for ``--help``). Does not know where texts are used.

A sentence is written in English where it is used, with named values:

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
    """Use a language of :data:`LANGUAGES` within a block; None: keep the current one.

    Raises:
        ConfigError: Unknown language.
    """
    token = _spoken.set(_known(language, "lang") if language else _spoken.get())
    try:
        yield
    finally:
        _spoken.reset(token)


def current_language() -> str:
    """Return the current language, e.g. ``ko``.

    Raises:
        ConfigError: ``KERASCNN_LANG`` is an unknown language.
    """
    # Accepts the form of LANG too: ko_KR.UTF-8 is Korean.
    wanted = os.environ.get(VARIABLE, "").replace("-", "_").split("_")[0].lower()
    return _spoken.get() or _known(wanted or "en", VARIABLE)


class Sentence(str):
    """An English sentence that can be translated later, when it is shown.

    Without :func:`tr`, above all in JSON, it stays English.
    """

    template: str
    values: Mapping[str, object]


def sentence(template: str, **values: object) -> Sentence:
    """Create a sentence that can be translated later.

    ``template`` is English, with a name in braces for each value; nested sentences are translated.

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
    """Return a number with an English noun, which is given in the singular.

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
    """Translate English with a name in braces for each value, or a :class:`Sentence`."""
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
    from kerascnn.language.particles import with_particles  # not needed for English

    return with_particles(sentences(language).get(said, said), shown).format(**shown)


def translated_help(said: str) -> str:
    """Translate a text of ``--help``, which has no values, into the current language."""
    language = current_language()
    return said if language == "en" else table(f"{language}_help").get(said, said)


def sentences(language: str) -> Mapping[str, str]:
    """Return the translations of English sentences into a language."""
    return {} if language == "en" else table(language)


@cache
def table(name: str) -> dict[str, str]:
    """Read one of the tables of translations beside this file, by English text."""
    # Imported here, because it takes a fifth of the time of `kerascnn --help`.
    from importlib import resources

    text = resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found


def _known(language: str, where: str) -> str:
    if language not in LANGUAGES:
        raise ConfigError(f"{where} is {language!r}; expected one of {', '.join(LANGUAGES)}.")
    return language
