"""Korean: every sentence is there, with the same values, and pages have no English left."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from kerascnn.errors import ConfigError
from kerascnn.language import VARIABLE, current_language, sentences, tr, use_language

PACKAGE = Path(__file__).parents[2] / "kerascnn"


def said():
    """What ``tr`` is called with in Python, HTML and JavaScript."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tr"
            for part in ast.walk(node.args[0]) if called else ():
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value
    for path in PACKAGE.rglob("*.j2"):
        yield from re.findall(r'\b(?:tr|more)\([^"{}]*?"([^"]+)"', path.read_text("utf-8"))
    page = PACKAGE / "serving/page"
    yield from re.findall(r'\btr\("([^"]+)"', (page / "page.js").read_text("utf-8"))
    yield from re.findall(r"data-tr(?:-label)?>([^<]+)<", (page / "index.html").read_text("utf-8"))


def test_every_sentence_is_translated():
    wanted = {sentence for sentence in said() if re.search(r"[a-z]{2}", sentence)} - {"{:,}"}
    assert len(wanted) > 150
    assert not wanted - set(sentences("ko"))


@pytest.mark.parametrize("language", ["ko"])
def test_translations_name_the_same_values_and_are_said_somewhere(language):
    everything = "\n".join(
        path.read_text("utf-8")
        for path in PACKAGE.rglob("*")
        if path.suffix in (".py", ".j2", ".js", ".html")
    )
    # Python breaks long strings into lines.
    everything = re.sub(r'"\s*\n\s*f?"', "", everything)
    for english, other in sentences(language).items():
        assert _values(english) == _values(other), english
        assert re.search("[가-힣]", other) or other == english, other
        assert english in everything, english


def _values(sentence):
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_the_language_is_the_commands_then_the_environments_then_english(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert current_language() == "en"
    assert tr("filter {number}", number=3) == "filter 3"
    monkeypatch.setenv(VARIABLE, "ko_KR.UTF-8")
    assert tr("filter {number}", number=3) == "필터 3"
    with use_language("en"):
        assert current_language() == "en"
        with use_language(None):
            assert current_language() == "en"
    assert current_language() == "ko"
    monkeypatch.setenv(VARIABLE, "xx")
    with pytest.raises(ConfigError, match="KERASCNN_LANG is 'xx'; expected one of en, ko"):
        current_language()
