"""Recipes: what they set, and that options given by hand win."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from kerascnn import training
from kerascnn.cli import main
from kerascnn.errors import ConfigError
from kerascnn.training.config import TrainConfig
from kerascnn.training.recipes import RECIPES, RecipeName


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_a_configuration(recipe: RecipeName) -> None:
    assert training.recipe_config(recipe) != TrainConfig()


def test_what_is_given_wins_and_config_json_has_every_value(tmp_path: Path) -> None:
    given = ["--epochs", "1", "--image-size", "12", "--augment", "none"]
    command = ["train", "--recipe", "best", *given, "--out", str(tmp_path / "r")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    stored = json.loads((tmp_path / "r" / "config.json").read_text())
    same = training.recipe_config(
        "best",
        epochs=1,
        image_size=12,
        augment="none",
        keep="best",
        refit="no",
        extend="no",
        out=str(tmp_path / "r"),
    )
    assert TrainConfig(**stored) == same
    assert asdict(same)["label_smoothing"] > 0


def test_a_run_goes_on_with_its_recipe_and_refuses_another(tmp_path: Path) -> None:
    start = ["train", "--epochs", "1", "--image-size", "12", "--out", str(tmp_path / "r")]
    assert CliRunner().invoke(main, [*start, "--recipe", "best"]).exit_code == 0
    again = CliRunner().invoke(main, [*start, "--recipe", "best", "--resume"])
    assert again.exit_code == 0, again.output
    other = CliRunner().invoke(main, [*start, "--ema", "0.5", "--recipe", "best", "--resume"])
    assert other.exit_code == 2
    assert "was started with other options: --ema was 0.9995 and is now 0.5" in other.output


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(ConfigError, match="recipe is 'fast'; expected one of best"):
        training.recipe_config("fast")  # type: ignore[arg-type]
