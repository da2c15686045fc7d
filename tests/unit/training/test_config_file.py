"""``train --config`` and ``--dump-config``: options in a file, as if they had been typed."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from kerascnn.cli import main
from kerascnn.options import options_of
from kerascnn.training.config import TrainConfig

GOLDEN = Path(__file__).parents[2] / "golden"


def told(*words: str) -> Result:
    return CliRunner().invoke(main, ["train", *words])


def dumped(*words: str) -> dict[str, Any]:
    done = told(*words, "--dump-config")
    assert done.exit_code == 0, done.output
    read: dict[str, Any] = yaml.safe_load(done.stdout)
    return read


def test_what_is_dumped_is_complete_commented_and_changes_nothing(tmp_path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(told("--dump-config").stdout, encoding="utf-8")
    assert TrainConfig(**yaml.safe_load(path.read_text(encoding="utf-8"))) == TrainConfig()
    assert list(dumped()) == [one.name for one in fields(TrainConfig)]
    words = " ".join(path.read_text(encoding="utf-8").replace("\n#", "").split())
    for name, (declared, _) in options_of(TrainConfig).items():
        assert declared.help.replace("`", "") in words, name
    again = told("--config", str(path), "--dump-config")
    assert again.stdout == path.read_text(encoding="utf-8")


SETTINGS = {
    "epochs": 3, "learning-rate": 0.01, "deterministic": True, "phase": ["head:2"], "devices": 2,
    "image_size": 32, "calibration": False, "data": "fashion-mini",
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["yaml", "yml", "toml"])
def test_the_keys_are_the_options_and_the_command_line_wins(tmp_path, suffix: str) -> None:
    path = tmp_path / f"run.{suffix}"
    text = yaml.safe_dump(SETTINGS)
    if suffix == "toml":
        text = "\n".join(f"{k} = {str(v).lower() if isinstance(v, bool) else repr(v)}"
                         for k, v in SETTINGS.items())  # fmt: skip
    path.write_text(text, encoding="utf-8")
    expected = {name.replace("-", "_"): value for name, value in SETTINGS.items()}
    assert dumped("--config", str(path)).items() >= expected.items()
    typed = dumped("--epochs", "5", "--calibration", "--config", str(path), "--phase", "all:1")
    changed = {"epochs": 5, "calibration": True, "phase": ["all:1"]}
    assert typed.items() >= (expected | changed).items()


def test_a_recipe_that_is_typed_wins_over_the_file_and_one_in_it_does_not(tmp_path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("epochs: 3\n", encoding="utf-8")
    assert dumped("--config", str(path), "--recipe", "best")["epochs"] == 60
    path.write_text("epochs: 3\nrecipe: best\n", encoding="utf-8")
    found = dumped("--config", str(path))
    assert (found["epochs"], found["optimizer"]) == (3, "sgd")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("epoch: 3", "epoch is not a setting. Did you mean epochs?"),
        ("learningrate: 3", "Did you mean learning-rate?"),
        ("zzz: 3", "zzz is not a setting. The keys are the options of kerascnn train: see its"),
        ("debug: true", "debug is not a setting"),
        ("epochs: 0", "epochs is 0; expected at least 1, or auto."),
        ("epochs: [1, 2]", "epochs is [1, 2]; expected at least 1, or auto."),
        ("strict: 7", "strict is 7; expected True or False."),
        ("overwrite: maybe", "overwrite: 'maybe' is not a valid boolean"),
        ("recipe: worst", "recipe: 'worst' is not"),
        ("batch-size: 3\nbatch_size: 4", "batch_size occurs twice"),
        ("- 3", "holds no settings"),
        ("a: [", "not YAML"),
    ],
)
def test_a_wrong_line_is_one_line_with_the_file(tmp_path, text: str, answer: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    done = told("--config", str(path))
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith(f"Error: {path}: ")
    assert answer in done.stderr
    assert len(done.stderr.splitlines()) == 1


NOTHING = ("", "  \n\n", "# epochs: 3\n", "{}", "null", "---\n...\n", "\ufeff")


@pytest.mark.parametrize("suffix", ["yaml", "json", "toml"])
@pytest.mark.parametrize("text", NOTHING)
def test_a_file_without_options_is_one_line_and_no_run(tmp_path, suffix: str, text: str) -> None:
    path = tmp_path / f"run.{suffix}"
    path.write_text(text, encoding="utf-8")
    done = told("--config", str(path), "--out", str(tmp_path / "run"))
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    wrong = {"json": ("#", "-"), "toml": ("{", "n", "-")}.get(suffix, ())
    expected = f"not {suffix.upper()} (" if text.startswith(wrong) and text else "holds no options"
    assert done.output.startswith(f"Error: {path}: {expected}")
    assert not (tmp_path / "run").exists()


def test_sections_are_named_as_such_and_the_language_may_be_set(tmp_path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("train:\n  epochs: 3\n", encoding="utf-8")
    assert "train is a section; write its lines without it" in told("--config", str(path)).output
    path.write_text("lang: ko\nepochs: 0\n", encoding="utf-8")
    assert "오류: " in told("--config", str(path), "--lang", "ko").output
    path.write_text("lang: ko\nepochs: 3\n", encoding="utf-8")
    assert "오류: " in told("nowhere/", "--config", str(path)).output
    assert "Error: " in told("nowhere/", "--config", str(path), "--lang", "en").output


def test_a_key_that_stands_twice_in_json_is_refused(tmp_path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"epochs": 3, "seed": 7, "epochs": 4}', encoding="utf-8")
    done = told("--config", str(path))
    assert done.exit_code == 2
    assert done.stderr == f"Error: {path}: not JSON (epochs occurs twice).\n"


def test_the_configuration_of_a_run_repeats_it_in_a_folder_of_its_own(tmp_path) -> None:
    path = tmp_path / "config.json"
    config = TrainConfig(epochs=3, out=str(tmp_path), time="10m", phase=("head:2",), seed=7)
    path.write_text(config.to_json(), encoding="utf-8")
    found = dumped("--config", str(path))
    assert TrainConfig(**found) == TrainConfig(**{**asdict(config), "out": None, "time": None})
    done = told("--config", str(path), "--resume", "--dump-config")
    assert TrainConfig(**yaml.safe_load(done.stdout)) == config


def test_the_folder_of_a_run_stands_for_its_configuration(tmp_path) -> None:
    (tmp_path / "config.json").write_text(TrainConfig(epochs=3).to_json(), encoding="utf-8")
    assert dumped("--config", str(tmp_path))["epochs"] == 3
    (tmp_path / "empty").mkdir()
    done = told("--config", str(tmp_path / "empty"))
    assert done.stderr == f"Error: {tmp_path / 'empty/config.json'}: no such file.\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.yaml", "data: pictures\nval: others"),
        ("run.toml", 'data = "pictures"\nval = "others"'),
        ("config.json", TrainConfig(data="pictures", val="others").to_json()),
    ],
)
def test_paths_are_relative_to_the_working_directory(tmp_path, monkeypatch, name, text) -> None:
    (tmp_path / "settings").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "settings" / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    done = told("--config", f"settings/{name}")
    # DATA was found here; what is missing is looked for here, too.
    assert done.stderr.startswith("Error: others: does not exist")


def test_so_does_one_of_an_earlier_version(tmp_path) -> None:
    done = told("--config", str(GOLDEN / "old_config_resnet18.json"), "--dump-config")
    assert yaml.safe_load(done.stdout)["model"] == "resnet18_small"
    assert "made by an earlier version with schedule one-cycle" in done.stderr


@pytest.mark.slow
def test_a_run_begins_with_what_the_file_says(tmp_path, monkeypatch) -> None:
    from kerascnn import training

    heard = []

    def fit(config, *rest: object) -> None:
        heard.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("kerascnn.training.train.fit", fit)
    (tmp_path / "run.toml").write_text("epochs = 3\nseed = 9\n", encoding="utf-8")
    done = told("--config", str(tmp_path / "run.toml"), "--seed", "4")
    assert (done.exit_code, heard) == (130, [training.TrainConfig(epochs=3, seed=4)])
