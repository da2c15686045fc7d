"""What would otherwise drift apart: options and fields, version and changelog, help and docs."""

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

import kerascnn
from kerascnn.cli import COMMANDS, main
from kerascnn.errors import WITHOUT_TENSORFLOW, MissingExtraError
from kerascnn.language import use_language
from kerascnn.language.messages import translated
from kerascnn.training.config import TrainConfig

ROOT = Path(__file__).parents[2]


def command(name: str) -> click.Command:
    found: click.Command = import_module(f"kerascnn.cli.{name}").command
    return found


def test_the_options_of_train_are_the_fields_of_its_configuration() -> None:
    told = {parameter.name for parameter in command("train").params}
    of_the_command = {"as_json", "debug"}
    assert told - of_the_command >= {field.name for field in fields(TrainConfig)}


def test_without_options_train_does_what_its_configuration_does_by_default() -> None:
    parsed = command("train").make_context("train", []).params
    given = {field.name: parsed[field.name] for field in fields(TrainConfig)}
    assert TrainConfig(**given) == TrainConfig()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_debug(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0
    assert f"  kerascnn {name}" in shown.output
    assert "--debug" in shown.output


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_option_is_misuse(name: str) -> None:
    assert CliRunner().invoke(main, [name, "--no-such-option"]).exit_code == 2


def test_a_mistyped_command_is_told_the_nearest() -> None:
    shown = CliRunner().invoke(main, ["pedict", "x.onnx"])
    assert shown.exit_code == 2
    assert "Did you mean 'predict'?" in shown.output
    assert "Did you mean" not in CliRunner().invoke(main, ["zzz"]).output


def test_a_python_without_tensorflow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = map(Requirement, extras["optional-dependencies"]["train"])
    marked = {one.name: one.marker for one in requirements if one.marker}
    assert set(marked) == {"tensorflow", "keras-hub"}
    last, first = (3, WITHOUT_TENSORFLOW[1] - 1), WITHOUT_TENSORFLOW
    for version, there in ((last, True), (first, False)):
        python = {"python_version": ".".join(map(str, version))}
        assert all(marker.evaluate(python) is there for marker in marked.values())
        monkeypatch.setattr(sys, "version_info", (*version, 0))
        message = str(MissingExtraError("tensorflow", "train", "to train and export"))
        assert message.endswith("pip install 'kerascnn[train]'")
        assert ("TensorFlow has no packages for 3.14" in message) is not there
        assert ("Install it with Python 3.11 to 3.13" in message) is not there
        assert "TensorFlow" not in str(MissingExtraError("onnxruntime", "cpu", "to run"))
        with use_language("ko"):
            assert (
                "Python 3.14용 TensorFlow 패키지는 없습니다" in translated(message)
            ) is not there


def test_the_changelog_begins_with_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\d+\.\d+\.\d+)", text, re.M)[0] == kerascnn.__version__


def test_public_names_are_there() -> None:
    for module in (kerascnn, import_module("kerascnn.training")):
        for name in module.__all__:
            assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        kerascnn.no_such_name  # noqa: B018 - reading it is the test


@pytest.mark.parametrize("script", ["make_architecture", "make_options", "bench_all"])
def test_pages_show_contracts_options_and_figures_as_they_are(script: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / script), "--check"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr


def test_links_of_the_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    assert documents
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


BRITISH = re.compile(
    r"(?i)(?:behavi|col|fav|flav|hon|neighb)our|(?<![\"`])\bgre[y]|\blabel(?:led|ling)|catalogu[e]"
    r"|artefac[t]|\bcentr[e]\b|\blicenc[e]|(?:general|initial|local|maxim|minim|normal|optim|organ|"
    r"quant|recogn|regular|serial|standard|summar|synchron|visual)is(?:e|ing|ation)"
)
"""The channel order `"grey"` of a card is data: it stays as older files have it."""


def test_spelling_is_american() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    modules = [
        one for name in ("kerascnn", "tests", "examples") for one in (ROOT / name).rglob("*.py")
    ]
    found = [
        f"{path.relative_to(ROOT)}: {word[0]}"
        for path in (*documents, *modules)
        for word in BRITISH.finditer(path.read_text("utf-8"))
    ]
    assert found == []
