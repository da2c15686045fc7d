"""From what the user typed to a data set; folders with folders in them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn.dataset import load_dataset, sized_pictures
from kerascnn.errors import DataError, PictureError


@pytest.mark.parametrize(
    ("data", "message"), [("nowhere", "does not exist"), ("no.csv", "does not exist")]
)
def test_nothing_there(data: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"{message}.*\.csv or \.npz.*fashion-mini"):
        load_dataset(data)


def test_another_kind_of_file() -> None:
    Path("data.xyz").touch()
    with pytest.raises(DataError, match=r"is a file\. Expected a folder"):
        load_dataset("data.xyz")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("flowers.tar.gz", r"flowers.tar.gz: is an archive\. Expected .* Unpack it first\."),
        ("photo.JPG", r"photo.JPG: is one picture\. Expected a folder of class folders"),
        (
            "model.onnx",
            r"model.onnx: is a model, not pictures\. Expected .* The model comes first",
        ),
        ("runs/one", r"one: is a run folder, not pictures\. Expected a folder of class folders"),
        ("https://a.org/b//c.zip", "^https://a.org/b//c.zip: is a URL, and URLs are not fetched"),
        ("~/flowers", "Did you mean .*home.flowers?"),
        ("~nobody at all/flowers", "does not exist.*$"),
    ],
)
def test_what_came_instead(data: str, message: str, tmp_path, monkeypatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    (tmp_path / "home" / "flowers").mkdir(parents=True)
    Path("runs/one/checkpoint").mkdir(parents=True)
    run = ("runs/one/config.json", "runs/one/history.csv", "runs/one/model.keras")
    for name in ("flowers.tar.gz", "photo.JPG", "model.onnx", *run):
        Path(name).touch()
    with pytest.raises(DataError, match=message):
        load_dataset(data)


def test_the_current_folder_is_called_by_its_name(photograph, tmp_path, monkeypatch) -> None:
    for name in ("cat", "dog"):
        path = tmp_path / "pets" / name / "1.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(photograph(8, 8)).save(path)
    monkeypatch.chdir(tmp_path / "pets")
    for data in (".", "./", "cat/..", str(tmp_path / "pets")):
        assert load_dataset(data).title == "pets"


def test_folders_inside_a_class_folder_belong_to_the_class(photograph) -> None:
    for number, name in enumerate(
        ["cat/2.png", "cat/home/old/1.png", "cat/home/3.PNG", "cat/.trash/4.png", "dog/cat/5.png"]
    ):
        path = Path("data", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photograph(8 + number, 8)).save(path)
    Path("data/cat/notes.txt").touch()
    dataset = load_dataset("data")
    train = dataset.splits["train"]
    names = [train.pictures.name(index) for index in range(len(train))]
    assert dataset.classes == ("cat", "dog")
    assert names == ["cat/2.png", "cat/home/3.PNG", "cat/home/old/1.png", "dog/cat/5.png"]
    assert train.labels.tolist() == [0, 0, 0, 1]
    assert np.array_equal(train.pictures[3], photograph(12, 8))


def test_broken_pictures_move_no_label(photograph) -> None:
    """Pictures whose brightness is their label, with broken ones between: all stay in place."""
    for number in range(60):
        path = Path("data", f"class {number % 3}", f"{number:02}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photograph(8, 8) // 16 + 80 * (number % 3)).save(path)
        if number % 7 == 0:
            path.write_bytes(path.read_bytes()[:number])
    dataset = load_dataset("data")
    train = dataset.splits["train"]
    broken = 0
    for index, sized in enumerate(sized_pictures(train.pictures, 8, "squash")):
        if isinstance(sized, PictureError):
            broken += 1
            assert train.pictures.name(index) in str(sized)
        else:
            assert sized.mean() // 80 == train.labels[index]
    assert broken == 9
