"""What is said below the command line speaks Python: a parameter in backticks, no ``--option``."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "kerascnn"

COMMAND = re.compile(r"(?:kerascnn|python -m|pip install|ray start|curl)\b[^.;:\n]*?$")
"""What may come before an option: it is then a part of a command to type."""


def messages(path):
    """Texts of errors, log lines and notices of a file; ``…`` for what is known later."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if not re.search(r"(Error|_error|^log\.\w+|^tr|^notice)$", called):
            continue
        for part in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(part, ast.JoinedStr):
                yield "".join(
                    one.value if isinstance(one, ast.Constant) else "…" for one in part.values
                )
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def options_in(text):
    """Options that are named outside a command."""
    return [
        found[0]
        for found in re.finditer(r"(?<![\w-])--[a-z][a-z-]+", text)
        if not COMMAND.search(text[: found.start()])
    ]


# HTTP's answers name what whoever started the server can change; reports are pages, not Python.
OF_THE_COMMAND_LINE = ("cli", "serving/http/origins.py", "report", "training/run/folder.py")


@pytest.mark.parametrize(
    "folder", ["training", "serving", "scoring", "inference", "dataset", "images", "deployment", ""]
)
def test_messages_name_parameters_and_no_options(folder):
    below = (PACKAGE / folder).rglob("*.py") if folder else PACKAGE.glob("*.py")
    found = [
        (path.relative_to(PACKAGE).as_posix(), text)
        for path in below
        for text in messages(path)
        if options_in(text)
    ]
    assert [(name, text) for name, text in found if not name.startswith(OF_THE_COMMAND_LINE)] == []


def test_the_rule_sees_options_and_commands():
    assert options_in("Say --labels FILE.") == ["--labels"]
    assert options_in("convert it: kerascnn export FILE --onnx") == []
    assert options_in("kerascnn exported it. Leave out --labels.") == ["--labels"]
