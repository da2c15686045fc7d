"""`kerascnn evaluate` on an exported file: numbers for people and machines, without Keras."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from kerascnn.dataset import load_dataset


def test_json_has_every_number(exported, kerascnn):
    done = kerascnn("evaluate", exported, "fashion-mini", "--json", "--curves")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["images"], found["split"]) == (500, "test")
    assert found["top1_interval"][0] < found["top1"] < found["top1_interval"][1]
    assert found["top1"] < found["top5"]
    assert found["balanced_accuracy"] == pytest.approx(found["top1"])  # as many of each class
    assert sum(one["images"] for one in found["calibration"]["bins"]) == 500
    assert {"precision", "recall", "f1", "support", "roc_auc", "average_precision"} < set(
        found["per_class"][0]
    )
    assert sum(map(sum, found["confusion"])) == 500
    assert found["mistakes"][0]["path"].startswith("fashion-mini")
    assert found["speed"]["images_per_second"] > 0
    assert len(found["curves"]) == 10
    assert found["curves"][0]["roc"]["true_positive_rate"][-1] == 1


def test_the_table_says_the_same(exported, kerascnn, environment):
    wide = environment | {"COLUMNS": "160", "PYTHONIOENCODING": "utf-8"}
    number = json.loads(kerascnn("evaluate", exported, "--json").stdout)
    text = kerascnn("evaluate", exported, env=wide).stdout.decode()
    for share in (number["top1"], *number["top1_interval"], number["calibration"]["ece"]):
        assert f"{share:.2%}" in text
    assert f"{number['per_class'][3]['roc_auc']:.4f}" in text
    assert number["mistakes"][9]["path"] in text
    assert "decoding" in text


@pytest.mark.both
def test_it_needs_no_keras(exported, environment):
    code = (
        "import sys\nfrom kerascnn.cli import main\n"
        "try:\n    main(['evaluate', sys.argv[1], 'fashion-mini', '--json'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'onnx', 'matplotlib', 'scipy'}\n"
        "print(*(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported)],
        capture_output=True, text=True, timeout=600, env=environment, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["images"] == 500
    assert done.stderr.strip() == ""


def test_pictures_that_the_network_has_learned_from_are_told(exported, tmp_path, kerascnn):
    told = b"was trained on some of these pictures ("
    assert told in kerascnn("evaluate", exported, "--split", "all").stderr
    assert told not in kerascnn("evaluate", exported, "--split", "test").stderr
    other = tmp_path / "fashion-mini"  # the name alone says nothing
    for name in ("Bag", "Coat"):
        (other / name).mkdir(parents=True)
        Image.new("RGB", (28, 28)).save(other / name / "1.png")
    done = kerascnn("evaluate", exported, other)
    assert (done.returncode, told in done.stderr) == (0, False), done.stderr


def test_a_file_compared_with_itself_and_with_nothing(exported, kerascnn):
    done = kerascnn("evaluate", exported, "fashion-mini", "--compare", exported, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["changed"], found["p_value"], found["images"]) == ([], 1.0, 500)
    assert (
        b"do not show that either is better"
        in kerascnn("evaluate", exported, "fashion-mini", "--compare", exported).stdout
    )
    missing = kerascnn("evaluate", exported, "fashion-mini", "--compare", "none.onnx")
    assert (missing.returncode, b"none.onnx: no such file" in missing.stderr) == (1, True)
    assert kerascnn("evaluate", exported, "--curves").returncode == 2


def test_broken_pictures_and_odd_names(exported, tmp_path: Path, kerascnn):
    dataset = load_dataset("fashion-mini")
    split = dataset.splits["test"]
    folder = tmp_path / "data" / "Bag"
    folder.mkdir(parents=True)
    for index in (split.labels == dataset.classes.index("Bag")).nonzero()[0][:8]:
        Image.fromarray(split.pictures[int(index)]).save(folder / f"[red]가방 {index}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    done = kerascnn("evaluate", exported, tmp_path / "data", "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert (found["images"], len(found["skipped"])) == (8, 1)
    # One class: nothing to tell apart, and no number is made up.
    assert {score["roc_auc"] for score in found["per_class"]} == {None}
    assert kerascnn("evaluate", exported, tmp_path / "data").returncode == 3
