"""The commands as people type them: what they print, what they leave, how they end."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from kerascnn.cli import main
from kerascnn.dataset import load_dataset


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(word) for word in arguments], input=stdin)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Ten built-in test pictures, one a class, and one that is broken."""
    test = load_dataset("fashion-mini").splits["test"]
    folder = tmp_path / "사진"
    folder.mkdir()
    for label in range(10):
        index = int((test.labels == label).argmax())
        Image.fromarray(test.pictures[index]).save(folder / f"{label}.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    return folder


def test_train_prints_progress_on_stderr_and_json_on_stdout() -> None:
    result = run("train", "--epochs", "1", "--out", "run", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["run"] == "run"
    assert 0.3 < told["metrics"]["val_top1"] <= 1
    assert re.search(r"epoch 1/1 +loss \d\.\d+ .*images/s", result.stderr)
    assert Path(told["model"]).is_file()
    assert Path("run/report.html").is_file()


def test_summary_of_the_baseline_as_the_course_counts() -> None:
    asked = ("summary", "cnn", "--classes", "10", "--image-size", "32")
    answer = json.loads(run(*asked, "--json").stdout)
    counted = [row["params"] for row in answer["layers"] if row["params"]]
    assert counted == [532, 14, 2_640, 30, 220_800, 3_010]
    assert answer["total_params"] == answer["trainable_params"] == 227_026
    assert answer["non_trainable_params"] == 0
    assert answer["state"] == 44
    table = run(*asked, "--layers").stdout
    assert re.search(r"block1_conv +Conv2D +28 x 28 x 7 +532", table)
    assert "total 227,026 parameters: 227,026 trainable, 0 frozen" in table


def test_export_runs_on_tensorflow_where_keras_is_set_to_jax_and_no_library_chatters(
    trained: Path,
) -> None:
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-m", "kerascnn", "export", str(trained), "--onnx", "--out", "a.onnx"],
        env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "every top-1 prediction equals the trained model's" in done.stdout


def test_evaluate_says_the_same_of_run_keras_file_and_onnx(trained: Path, exported: Path) -> None:
    asked = [trained, trained / "model.keras", exported]
    answers = [json.loads(run("evaluate", model, "--json").stdout) for model in asked]
    assert answers[0]["images"] == 500
    assert answers[0]["split"] == "test"
    for answer in answers[1:]:
        for key in ("top1", "top5", "confusion"):
            assert answer[key] == answers[0][key]
    assert sum(map(sum, answers[0]["confusion"])) == 500
    right = sum(row[index] for index, row in enumerate(answers[0]["confusion"]))
    assert answers[0]["top1"] == right / 500
    table = run("evaluate", exported).stdout
    assert f"top-1 {answers[0]['top1']:.2%}" in table
    assert "Ankle boot" in table


def test_evaluate_on_a_split_that_is_not_there_lists_those_that_are(exported: Path) -> None:
    result = run("evaluate", exported, "fashion-mini", "--split", "val")
    assert result.exit_code == 2
    assert "no split 'val'" in result.stderr
    assert "train, test, all" in result.stderr


def test_predict_as_json_lines_with_a_broken_picture_between(
    exported: Path, pictures: Path
) -> None:
    result = run("predict", exported, pictures, "--json", "--top-k", "3")
    assert result.exit_code == 3
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(row["path"]).name for row in rows] == [
        *(f"{label}.png" for label in range(10)), "broken.jpg",
    ]  # fmt: skip
    assert all(len(row["top"]) == 3 and row["label"] == row["top"][0]["label"] for row in rows[:10])
    assert "broken.jpg" in rows[10]["error"]
    assert "label" not in rows[10]


def test_predict_as_csv_and_as_a_table_and_from_a_list(exported: Path, pictures: Path) -> None:
    good = sorted(str(path) for path in pictures.glob("*.png"))
    asked = ("predict", exported, "-", "--format")
    rows = list(csv.DictReader(io.StringIO(run(*asked, "csv", stdin="\n".join(good)).stdout)))
    assert [row["path"] for row in rows] == good
    table = run("predict", exported, str(pictures / "*.png"))
    assert table.exit_code == 0
    for row in rows:
        assert row["label"] in table.stdout
        assert 0 < float(row["probability"]) <= 1


def test_csv_has_the_classes_that_top_k_asks_for(exported: Path, pictures: Path) -> None:
    asked = ("predict", exported, str(pictures / "*.png"), "--top-k", "3", "--format")
    rows = list(csv.DictReader(io.StringIO(run(*asked, "csv").stdout)))
    lines = [json.loads(line) for line in run(*asked, "json").stdout.splitlines()]
    assert rows
    for row, line in zip(rows, lines, strict=True):
        columns = [row[name] for name in ("label", "label_2", "label_3")]
        assert columns == [one["label"] for one in line["top"]]
        assert float(row["probability_3"]) == line["top"][2]["probability"]
    assert "label_4" not in rows[0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("train", "nowhere"), 1, "nowhere: does not exist"),
        (("train", "--out"), 2, "requires an argument"),
        (("export", "nowhere", "--onnx"), 1, "no such file or folder"),
        (("export", "nowhere"), 2, "--onnx"),
        (("predict", "nowhere.onnx", "x.jpg"), 1, "nowhere.onnx"),
        (("evaluate", "nowhere.onnx"), 1, "nowhere.onnx"),
        (("summary", "resnet19"), 2, "resnet18"),
    ],
)
def test_a_mistake_is_one_line_without_a_traceback(
    arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert list(Path().iterdir()) == []


def test_debug_shows_the_traceback() -> None:
    assert run("train", "nowhere", "--debug").exc_info[0].__name__ == "DataError"
