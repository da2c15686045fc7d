"""Korean: every sentence is there, with the same values, and pages have no English left."""

import ast
import copy
import json
import re
from pathlib import Path
from string import Formatter

import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.dataset import load_dataset
from kerascnn.errors import ConfigError, DataError
from kerascnn.language import (
    VARIABLE,
    count,
    current_language,
    sentence,
    sentences,
    tr,
    use_language,
)
from kerascnn.language.messages import messages, translated

PACKAGE = Path(__file__).parents[2] / "kerascnn"


def said():
    """What ``tr``, ``sentence`` and ``count`` are called with in Python, HTML and JavaScript."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "tr",
                "sentence",
                "tell",
            )
            yield from _texts(node.args[0]) if called else ()
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "count":
                yield from (count(2, noun.value).template for noun in node.args[1:])
    for path in PACKAGE.rglob("*.j2"):
        template = path.read_text("utf-8")
        yield from re.findall(r'\btr\((?!count)[^"{}]*?"([^"]+)"', template)
        yield from _counted(template)
    page = PACKAGE / "serving/page"
    script = (page / "page.js").read_text("utf-8")
    yield from re.findall(r'\btr\("([^"]+)"', script)
    yield from _counted(script)
    yield from re.findall(r"data-tr(?:-label)?>([^<]+)<", (page / "index.html").read_text("utf-8"))


def _texts(node):
    """The strings of an expression, without those of calls and keys in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif not isinstance(node, ast.Call | ast.Subscript):
        for part in ast.iter_child_nodes(node):
            yield from _texts(part)


SHOWN = {
    *("echo", "print", "_print", "say", "_show", "_line", "status", "update", "prompt"),
    *("confirm", "Table", "plain_table", "add_column", "add_row"),
}
"""Functions that show a person what they are given."""

NAMES = {"auto", "kerascnn export", "opset"}
"""What is no sentence."""


def test_no_command_shows_what_is_not_said_in_the_language_that_is_spoken():
    found = set()
    files = [*(PACKAGE / "cli").glob("*.py"), *(PACKAGE / "training/display").glob("*.py")]
    files.remove(PACKAGE / "cli/train_settings.py")  # comments of a file, as `--help` has them
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = isinstance(node, ast.Call) and (
                getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            )
            shown = (
                node.args if name in SHOWN else [node.value] if isinstance(node, ast.Yield) else []
            )
            for text in (text for one in shown if one for text in _texts(one)):
                if re.search("[a-z]{3}", text) and text.strip() not in NAMES:
                    found.add(f"{path.name}:{node.lineno}: {text}")
    assert not found


def _counted(text):
    """What stands for ``count(n, "noun")``, and for ``more(n, "noun")`` of the check page."""
    for noun in re.findall(r'\b(?:count|more)\([^"\n]*?"([a-z ]+)"\)', text):
        yield count(2, noun).template


def test_every_sentence_is_translated():
    wanted = {sentence for sentence in said() if re.search(r"[a-z]{2}", sentence)}
    wanted -= {"{:,}", "{count} "}
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
    everything += "\n".join(said())
    for english, other in sentences(language).items():
        assert _values(english) == _values(other), english
        words = re.sub(r"\{\w+\}", "", other)
        assert re.search("[가-힣]", words) or other == english or not re.search("[A-z]", words)
        assert english in everything, english


OF_PYTHON = {
    "convolution", "metrics", "lazy.py", "inference/classifier.py", "inference/reading.py",
    "serving/endpoints", "serving/http",
}  # fmt: skip
"""Whose errors no command shows as they are: reasons inside others, and calls of Python."""


def raised():
    """The errors that are raised with a text of their own: where, and the text with values as x."""
    for path in PACKAGE.rglob("*.py"):
        where = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            error = node.exc if isinstance(node, ast.Raise) else None
            kind = getattr(error, "func", None)
            if not getattr(kind, "id", "").endswith("Error") or not error.args:
                continue
            text = error.args[0]
            if isinstance(text, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "7" for p in text.values)
                yield where, "".join(parts)
            elif isinstance(text, ast.Constant):
                yield where, str(text.value)


def test_every_whole_message_of_an_error_is_translated(monkeypatch):
    monkeypatch.setenv(VARIABLE, "ko")
    left = {
        (where, text)
        for where, text in raised()
        if text.endswith(".")  # a reason inside another message has no full stop
        and not where.startswith(tuple(OF_PYTHON))
        and translated(text) == text
    }
    assert not left


CLICKS = ("No such ", "Missing ", "Option '", "Invalid value", "Got unexpected", "{value} is not ",
          "File {", "Directory {", "Path {")  # fmt: skip
"""Beginnings of the messages that Click words."""


def _holes(text):
    return re.sub(r"\{[^{}]*\}", "{}", text)


def test_translated_messages_are_said_somewhere():
    written = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
                written.add("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                written.add(_holes(re.sub(r"%[sd]", "{}", node.value)))
    everything = "\n".join(written)
    for english, other in messages("ko").items():
        assert _values(other) <= _values(english), english
        assert re.search("[가-힣]", other), other
        if not english.startswith(CLICKS):
            holes = _holes(english)
            # A part of it may be another message, and Python's quotes belong to a value.
            parts = [part.removeprefix(": ") for part in holes.split("{}") if len(part) > 3]
            assert holes in everything or all(part in everything for part in parts), english


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["train", "nowhere/"],
            "오류: nowhere: 그런 파일이나 폴더가 없습니다. 클래스별 폴더가 들어 있는 폴더",
        ),
        (["train", "--epochs", "0"], "오류: --epochs 값이 0입니다. 올바른 값: 1 이상 또는 auto."),
        (["train", "--model", "resnet81"], "'resnet81'이라는 신경망은 없습니다. 혹시"),
        (["pedict"], "오류: 'pedict'(이)라는 명령은 없습니다. 혹시 'predict'입니까?"),
        (["train", "--epoch", "3"], "(이)라는 옵션은 없습니다."),
        (["predict"], "MODEL을(를) 지정하세요."),
        (["card", "none.onnx"], "오류: none.onnx: 파일이 없습니다."),
        (["convolve", "none.png", "--kernel", "edge"], "'none.png': 파일이 없습니다."),
        (
            ["predict", "a.onnx", "b.jpg", "--provider", "gpu"],
            "--provider의 값이 올바르지 않습니다",
        ),
    ],
)
def test_errors_of_the_command_line_are_korean(words, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "ko")
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code in (1, 2)
    assert said in shown.stderr
    monkeypatch.setenv(VARIABLE, "en")
    assert not re.search("[가-힣]", CliRunner().invoke(main, words).stderr)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lang", "ko", "card", "none.onnx"], "오류: none.onnx: 파일이 없습니다."),
        (["--lang", "ko", "pedict"], "오류: 'pedict'(이)라는 명령은 없습니다."),
        (["weights", "--lang", "ko", "fetch", "resnet81"], "이라는 신경망은 없습니다."),
        (["--lang", "ko", "card", "--lang", "en", "none.onnx"], "Error: none.onnx: no such file."),
        (["--lang", "en", "card", "--lang", "ko", "none.onnx"], "오류: none.onnx"),
    ],
)
def test_the_language_may_be_said_before_the_command(words, said, monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert said in CliRunner().invoke(main, words).stderr


def test_the_help_of_a_group_is_in_the_language_that_was_said_before_it():
    shown = CliRunner().invoke(main, ["--lang", "ko", "weights", "--help"]).output
    assert "옵션:" in shown
    assert re.search(r"명령:\n +fetch +NAME의 ImageNet 가중치를", shown)
    assert "명령:" in CliRunner().invoke(main, ["--lang", "ko", "--help"]).output


def test_errors_in_python_are_english(monkeypatch):
    monkeypatch.setenv(VARIABLE, "ko")
    with pytest.raises(DataError, match=r"^nowhere: does not exist"):
        load_dataset("nowhere")


def test_a_sentence_that_is_data_stays_english(monkeypatch):
    monkeypatch.setenv(VARIABLE, "ko")
    inner = sentence("16 bits")
    found = sentence("{mode}: {what}", mode="I;16", what=inner)
    assert json.dumps([found]) == '["I;16: 16 bits"]'
    assert tr(copy.deepcopy(found)) == "I;16: 16비트"


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


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("a: not an ONNX file, or a truncated one. Export or copy it again.", "다시 내보내거나"),
        (
            "hf://a/b: not in the cache, and KERASCNN_OFFLINE is set, so the Hub is not contacted.",
            "hf://a/b: 캐시에 없는데 KERASCNN_OFFLINE 설정이",
        ),
        (
            "b: nothing to export. It is empty. Copy or download it again.",
            "b: 내보낼 것이 없습니다. 이것은 빈 파일입니다.",
        ),
        (
            "c.toml: epochs is 'x'; expected one of a, b.",
            "c.toml: epochs 값이 'x'입니다. 올바른 값: a, b 중",
        ),
        ("c.yaml: epoch is not a setting. Did you mean epochs?", "혹시 epochs입니까?"),
        (
            "d: not a picture that can be read, but an empty file. Expected JPEG. Get it again.",
            "빈 파일입니다. JPEG 파일이어야 합니다. 다시 받으세요.",
        ),
    ],
)
def test_messages_within_messages_are_translated(message, said, monkeypatch):
    monkeypatch.setenv(VARIABLE, "ko")
    assert said in translated(message)
    assert not re.search(r"[a-z]{3,} (is|and|it|not|but) ", translated(message))
