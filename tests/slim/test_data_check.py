"""`kerascnn data check`: exit codes, JSON, and nothing heavy."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from kerascnn.dataset import load_dataset


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """Clothes, one of them in both splits, in a class whose name is markup."""
    dataset = load_dataset("fashion-mini")
    for name, split in dataset.splits.items():
        for index in range(60):
            label = ("[red]가방", "shoe")[index % 2]
            folder = tmp_path / "data" / name / label
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(split.pictures[index]).save(folder / f"{index:02}.png")
    train = tmp_path / "data/train/shoe/01.png"
    (tmp_path / "data/test/shoe/copy.png").write_bytes(train.read_bytes())
    (tmp_path / "data/train/shoe/broken.png").write_bytes(b"no picture")
    return tmp_path / "data"


def test_problems_are_exit_code_3_and_json(faulty, kerascnn) -> None:
    done = kerascnn("data", "check", faulty, "--json")
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == {"broken": 1, "leaks": 1}
    (leak,) = [repeat for repeat in found["repeats"] if repeat["leak"]]
    assert [p["path"] for p in leak["pictures"]] == ["train/shoe/01.png", "test/shoe/copy.png"]
    assert (found["images"], found["classes"]) == (122, ["[red]가방", "shoe"])


def test_lines_for_people(faulty, kerascnn, environment) -> None:
    utf8 = environment | {"PYTHONIOENCODING": "utf-8"}
    text = kerascnn("data", "check", faulty, env=utf8).stdout.decode()
    assert "train/shoe/01.png (train, shoe) = test/shoe/copy.png (test, shoe)" in text
    assert "\n\ncannot be read: 1\n" in text.replace("\r", "")
    assert "broken.png: not a picture" in text
    assert "Problems: broken 1, leaks 1" in text
    few = kerascnn("data", "check", faulty, "--smallest", "31", env=utf8)
    assert "[red]가방: 30 in train" in few.stdout.decode()


def test_lines_are_korean_and_json_is_the_same_in_every_language(faulty, kerascnn, environment):
    Image.new("RGB", (28, 28)).save(faulty / "train/shoe/blank.png")
    utf8 = environment | {"PYTHONIOENCODING": "utf-8"}
    text = kerascnn("data", "check", faulty, "--lang", "ko", env=utf8).stdout.decode()
    assert "읽을 수 없는 사진: 1" in text
    assert "읽을 수 있는 사진이 아닙니다" in text
    assert "문제: 읽을 수 없음 1, 분할 사이에 겹침 1" in text
    korean = kerascnn("data", "check", faulty, "--json", "--lang", "ko", env=utf8).stdout
    assert json.loads(korean)["odd"]
    assert korean == kerascnn("data", "check", faulty, "--json", env=utf8).stdout


def test_no_problem_is_exit_code_0(kerascnn) -> None:
    done = kerascnn("data", "check", "fashion-mini")
    assert done.returncode == 0, done.stderr
    assert b"No problem found." in done.stdout


def test_mistakes_of_the_user(kerascnn) -> None:
    missing = kerascnn("data", "check", "nowhere")
    assert (missing.returncode, b"nowhere: does not exist" in missing.stderr) == (1, True)
    assert kerascnn("data", "check", "fashion-mini", "--smallest", "0").returncode == 2
    assert kerascnn("data", "tidy").returncode == 2
    for words in (["data", "--debug", "check", "nowhere"], ["data", "check", "nowhere", "--debug"]):
        assert b"Traceback" in kerascnn(*words).stderr


@pytest.mark.skipif(find_spec("jinja2") is not None, reason="is about its absence")
def test_a_page_that_cannot_be_made_is_told_before_anything_is_read(kerascnn) -> None:
    done = kerascnn("data", "check", "nowhere", "--page", "page.html")
    assert (done.returncode, b"kerascnn[report]" in done.stderr) == (1, True)


def test_evaluate_names_leaks_and_gives_the_number_without_them(
    exported, tmp_path, kerascnn
) -> None:
    dataset = load_dataset("fashion-mini")
    names = {1: "Trouser", 8: "Bag"}
    for name, split in dataset.splits.items():
        for label, folder in names.items():
            place = tmp_path / "data" / name / folder
            place.mkdir(parents=True)
            for index in (split.labels == label).nonzero()[0][:15]:
                Image.fromarray(split.pictures[int(index)]).save(place / f"{index}.png")
    leaked = next((tmp_path / "data/train/Bag").iterdir())
    (tmp_path / "data/test/Trouser/wrong.png").write_bytes(leaked.read_bytes())
    done = kerascnn("evaluate", exported, tmp_path / "data", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (leak,) = found["leaks"]["pictures"]
    assert (leak["path"], leak["label"]) == ("test/Trouser/wrong.png", "Trouser")
    assert (leak["twin"], leak["twin_label"]) == (f"train/Bag/{leaked.name}", "Bag")
    assert leak["exact"]
    assert found["images"] == 31
    assert found["top1_without_leaks"] > found["top1"]
    told = kerascnn("evaluate", exported, tmp_path / "data").stdout
    assert b"also in train: 1 of these pictures" in told
    quiet = json.loads(
        kerascnn("evaluate", exported, tmp_path / "data", "--no-leaks", "--json").stdout
    )
    assert (quiet["leaks"], quiet["top1_without_leaks"]) == (None, None)


@pytest.mark.both
def test_checking_loads_nothing_heavy(environment) -> None:
    code = (
        "import sys\nfrom kerascnn.cli import main\n"
        "try:\n    main(['data', 'check', 'fashion-mini'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'keras', 'tensorflow', 'onnx', 'onnxruntime', 'jinja2', 'scipy'}\n"
        "print(*(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=600, env=environment, check=True,
    )  # fmt: skip
    assert done.stderr.strip() == ""
