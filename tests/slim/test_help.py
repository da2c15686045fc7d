"""``--help`` of the long commands stands in groups, and usage errors say what was meant."""

import click
import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.cli.base import OTHERS, Command


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_no_option_of_a_grouped_command_is_forgotten(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    if not isinstance(command, Command) or not command.groups:
        return
    headed = [one for names in command.groups.values() for one in names]
    assert len(headed) == len(set(headed))
    options = {one.name for one in command.params if isinstance(one, click.Option)}
    assert options - {"debug", "lang"} <= set(headed) <= {one.name for one in command.params}
    text = CliRunner().invoke(main, [name, "--help"]).output
    places = [text.index(f"\n{heading}:\n") for heading in (*command.groups, OTHERS)]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ["cache", "data", "weights"])
def test_a_group_without_a_command_shows_its_help(name: str) -> None:
    asked = CliRunner().invoke(main, [name, "--help"]).output
    group = isinstance(main.get_command(click.Context(main), name), click.Group)
    assert group == (CliRunner().invoke(main, [name]).output == asked)


def test_a_command_without_groups_has_one_heading() -> None:
    text = CliRunner().invoke(main, ["doctor", "--help"]).output
    assert "\nOptions:\n" in text
    assert OTHERS not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data", "flowers/"], "No such command 'flowers/'. Expected one of: check."),
        (["weights", "resnet50"], "Expected one of: fetch, list."),
        (["data", "chek", "flowers/"], "No such command 'chek'. Did you mean 'check'?"),
        (["train", "--lr", "0.1"], "No such option '--lr'. Did you mean '--learning-rate'?"),
        (["advise", "--imgsz=224"], "No such option '--imgsz'. Did you mean '--image-size'?"),
        (["predict", "--csv"], "No such option '--csv'. Did you mean '--format csv'?"),
        (["evaluate", "--val"], "No such option '--val'. Did you mean '--split val'?"),
        (["train", "--sgd"], "No such option '--sgd'. Did you mean '--optimizer sgd'?"),
        (["train", "--none"], "No such option '--none'."),  # of several
    ],
)
def test_what_was_meant(words: list[str], said: str) -> None:
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_an_option_that_no_command_has_is_not_explained_by_another() -> None:
    output = CliRunner().invoke(main, ["predict", "--lr", "0.1"]).output
    assert "No such option '--lr'" in output
    assert "--learning-rate" not in output
