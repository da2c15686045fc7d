"""What is wrong is told before Keras is loaded: here there is none, so it cannot be."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from kerascnn import training
from kerascnn.cli import main
from kerascnn.errors import MissingExtraError

without_keras = pytest.mark.skipif(find_spec("keras") is not None, reason="is about its absence")


def told(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize(
    "words",
    [
        ["train", "nowhere/"],
        ["train", "nowhere.csv", "--find-lr"],
        ["train", "fashion-mini", "--val", "nowhere"],
        ["advise", "nowhere"],
        ["advise", "fashion-mini", "--val", "nowhere"],
        ["evaluate", "runs/mine", "nowhere"],
        ["evaluate", "runs/mine", "nowhere", "--compare", "other.onnx"],
        ["report", "runs/mine", "nowhere"],
        ["export", "runs/mine", "--onnx", "--verify", "nowhere"],
        ["export", "runs/mine", "--onnx", "--precision", "int8", "--calibrate", "nowhere"],
    ],
)
def test_mistyped_data(words: list[str]) -> None:
    code, output = told(*words)
    assert (code, "nowhere" in output, "does not exist" in output) == (1, True, True), output
    assert len(output.strip().splitlines()) == 1


def test_sizes_that_are_not_square() -> None:
    for words in (["train", "nowhere/"], ["advise", "nowhere/"], ["summary", "cnn"]):
        code, output = told(*words, "--image-size", "48x192")
        assert (code, "square pictures only. Give one number, 192" in output) == (2, True), output
    assert "expected a number of pixels" in told("train", "nowhere/", "--image-size", "-3")[1]
    assert "does not exist" in told("train", "nowhere/", "--image-size", "64x64")[1]


@pytest.mark.parametrize("words", [["summary", "cnn"], ["train"], ["evaluate", "runs/mine"]])
@pytest.mark.parametrize("backend", ["torch", "foo", "numpy"])
def test_a_backend_that_kerascnn_does_not_run_on(words, backend: str, monkeypatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    code, output = told(*words)
    assert code == 2
    assert f"KERAS_BACKEND is '{backend}'. kerascnn runs on tensorflow or jax" in output


@without_keras
def test_training_from_python() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'kerascnn\[train\]'"):
        training.fit  # noqa: B018 - the name is imported here


@without_keras
def test_a_backend_in_keras_own_file(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    assert "keras.json is 'torch'" in told("summary", "cnn")[1]
    for setting, value in (("image_data_format", "channels_first"), ("floatx", "float16")):
        (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax", setting: value}))
        assert f"{setting} in {tmp_path / 'keras.json'} is '{value}'" in told("summary", "cnn")[1]
    for harmless in ('{"backend": "tensorflow"}', "[]", "{", "{}"):
        (tmp_path / "keras.json").write_text(harmless)
        assert "kerascnn[train]" in told("summary", "cnn")[1], harmless


@without_keras
def test_jax_that_is_not_there(monkeypatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert "pip install 'kerascnn[jax]'" in told("summary", "cnn")[1]
    # Export runs on TensorFlow whatever is set.
    assert "pip install 'kerascnn[train]'" in told("export", "runs/mine", "--onnx")[1]


@without_keras
def test_training_says_so_before_it_looks_at_pictures(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    assert "keras is not installed" in told("train", str(tmp_path / "pictures"))[1]


@pytest.mark.parametrize("command", ["features", "evaluate", "report", "summary"])
def test_what_is_no_run(command: str, exported: Path, save_pictures, tmp_path: Path) -> None:
    file = tmp_path / "theirs.h5"
    file.write_bytes(exported.read_bytes())
    code, output = told(command, str(file), *save_pictures(tmp_path, command == "features"))
    assert (code, "not a run folder" in output) == (1, True), output


def test_features_of_an_onnx_file(exported: Path, save_pictures, tmp_path: Path) -> None:
    code, output = told("features", str(exported), *save_pictures(tmp_path, 1))
    assert (code, "Its name ends in .onnx" in output) == (1, True), output
