"""``--help`` in Korean: nothing is left in English, and it is as wide as a terminal."""

import re
import subprocess
import sys
from itertools import pairwise

import click
import pytest
import yaml
from click.testing import CliRunner
from rich.cells import cell_len

import kerascnn.language
from kerascnn.cli import main
from kerascnn.cli.help import TranslatedHelp
from kerascnn.language import VARIABLE, table
from kerascnn.options import options_of
from kerascnn.training.config import TrainConfig


def commands(command=main, path=()):
    """Every command with what is typed for it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


ENGLISH = r"\b(?:the|of|is|are|with|which|that|and|this|its|be|each|not|if|how|an?|print)\b"
EVERY = dict(commands())
IN_KOREAN = pytest.mark.parametrize("path", EVERY, ids=" ".join)


def shown(*words, width=80):
    result = CliRunner().invoke(main, words, terminal_width=width)
    assert result.exit_code == 0, result.output
    return result.output


@IN_KOREAN
def test_no_english_is_left(path):
    assert isinstance(EVERY[path], TranslatedHelp)
    text = shown(*path, "--help", "--lang", "ko")
    assert text.startswith("사용법: ")
    examples = r"(?m)^  (?:kerascnn|curl|find|hf) .*"
    assert not re.findall(ENGLISH, re.sub(examples, "", text), re.IGNORECASE)


def test_every_text_is_in_the_table_and_no_row_is_for_nothing(monkeypatch):
    asked = set()

    class Asked(dict):
        def get(self, text, default=None):
            asked.add(text)
            return super().get(text, default)

    rows = Asked(table("ko_help"))
    monkeypatch.setattr(kerascnn.language, "table", {"ko": table("ko"), "ko_help": rows}.get)
    for path in EVERY:
        shown(*path, "--help", "--lang", "ko")
    shown("train", "--dump-config", "--lang", "ko")
    parameters = [one for command in EVERY.values() for one in command.params]
    values = {str(one.default) for one in parameters} | {"black", "main"}
    for one in parameters:
        values |= set(getattr(one.type, "choices", ()))
    left = {text for text in asked - set(rows) if re.search("[A-Za-z] [a-z]|^[a-z]+$", text)}
    assert left <= values
    assert set(rows) <= asked
    for english, other in rows.items():
        assert re.search("[가-힣]", other) or other == english or english == "the --host"
        assert set(re.findall("`.*?`", english)) == set(re.findall("`.*?`", other)), english
        names = re.findall(r"--[a-z][a-z-]*|[A-Z]{2}[A-Z_]+", other)
        assert all(name in english for name in names), english


@IN_KOREAN
def test_lines_are_as_wide_as_the_terminal(path):
    for line in shown(*path, "--help", "--lang", "ko").splitlines():
        if not line.startswith(("  kerascnn", "  curl", "  find")):
            assert cell_len(line) <= 80, line


def test_columns_and_options_are_whole():
    text = shown("train", "--help", "--lang", "ko")
    assert text.replace("\n", "").isprintable()
    assert "--learning-rate의" in " ".join(text.split())
    for width in range(60, 80):
        for words in (("train", "--help"), ("train", "--help", "--lang", "ko")):
            assert not re.search(r"--[a-z-]+-\n", shown(*words, width=width))
    # A word more would not have fitted: lines are not cut where half their columns are left.
    section = text.partition("데이터 증강:\n")[2].partition("\n\n")[0]
    lines = [line for line in section.splitlines() if line.startswith(" " * 30)]
    for line, following in pairwise(lines):
        if not line.endswith("]"):  # the end of an option
            assert cell_len(line) + 1 + cell_len(following.split()[0]) > 78, line


@pytest.mark.parametrize(
    "words",
    [
        ("--lang", "ko", "train", "--help"),
        ("train", "--help", "--lang=ko"),
        ("--lang", "en", "train", "--help", "--lang", "ko"),
        ("weights", "fetch", "--help", "--lang", "ko"),
    ],
)
def test_the_language_may_stand_behind_help(words, monkeypatch):
    monkeypatch.setenv(VARIABLE, "en")
    assert "가중치" in shown(*words)
    assert "Usage: " in shown("--lang", "ko", "train", "--help", "--lang", "en")
    assert "Usage: " in shown("train", "--help")


def test_an_unknown_option_is_answered_in_the_language_behind_it():
    result = CliRunner().invoke(main, ["train", "--epoch", "3", "--lang", "ko"])
    assert "사용법: " in result.output
    assert "옵션은 없습니다" in result.output
    nothing = CliRunner().invoke(main, ["train", "--lang", "kr", "--help"])
    assert nothing.exit_code == 0 or "'kr'" in nothing.output


def test_the_settings_that_are_written_are_explained_in_korean():
    english, korean = shown("train", "--dump-config"), shown("train", "--dump-config", "--lang=ko")
    assert yaml.safe_load(korean) == yaml.safe_load(english)
    comments = " ".join(re.sub("(?m)^#|^[^#].*", "", korean).split())
    assert not re.findall(ENGLISH, comments, re.IGNORECASE)
    assert not re.findall("--[a-z]+(?! FILE)\\b(?!-)", comments.replace("--config FILE", ""))
    assert max(map(cell_len, korean.splitlines())) <= 98


@pytest.mark.parametrize("name", options_of(TrainConfig))
def test_what_an_option_may_be_is_said_in_korean(name, monkeypatch):
    from kerascnn.language.messages import translated

    monkeypatch.setenv(VARIABLE, "ko")
    expected = options_of(TrainConfig)[name][0].kind.expected
    assert re.search("[가-힣]", translated(expected)), expected


def test_english_help_reads_no_table():
    script = (
        "import sys; from kerascnn.cli import main; from kerascnn.language import table\n"
        "main(['train', '--help'], standalone_mode=False)\n"
        "late = 'kerascnn.language.particles' in sys.modules\n"
        "print(table.cache_info().currsize, late, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.split() == ["0", "False"]
