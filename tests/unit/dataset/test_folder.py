"""Folders of class folders: layout, class order, names, and what is refused before training."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn import training
from kerascnn.dataset import load_dataset, with_validation
from kerascnn.errors import DataError


def write(root: str, names: list[str], photograph) -> None:
    for number, name in enumerate(names):
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photograph(12 + number % 5, 12)).save(path)


def test_splits_that_are_there_are_taken(photograph) -> None:
    write("data", ["train/b/1.png", "train/a/1.png", "valid/a/2.png", "test/b/3.png"], photograph)
    dataset = load_dataset("data")
    assert dataset.classes == ("a", "b")
    assert {name: split.labels.tolist() for name, split in dataset.splits.items()} == {
        "train": [0, 1],
        "val": [0],
        "test": [1],
    }


def test_a_class_may_be_called_test(photograph) -> None:
    write("data", ["test/1.png", "other/2.png"], photograph)
    assert load_dataset("data").classes == ("other", "test")


def test_splits_beside_other_folders_are_refused(photograph) -> None:
    write("data", ["train/a/1.png", "val/a/2.png", "old/3.png"], photograph)
    with pytest.raises(DataError, match="holds train, val and also old"):
        load_dataset("data")


def test_hangul_names_are_sorted_and_kept(photograph) -> None:
    decomposed = unicodedata.normalize("NFD", "고양이")
    write("동물", [f"{decomposed}/1.png", "강아지/2.png", "zebra/3.png"], photograph)
    assert load_dataset("동물").classes == ("zebra", "강아지", "고양이")


def test_two_names_that_are_one_in_unicode_are_refused(photograph) -> None:
    names = [unicodedata.normalize(form, "고양이") for form in ("NFC", "NFD")]
    write("data", [f"{name}/1.png" for name in names], photograph)
    with pytest.raises(DataError, match="same name"):
        load_dataset("data")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no class folders"),
        (["a/1.png", "a/2.png"], "one class only"),
        (["a/1.png", "a/2.png", "b/notes.txt"], "no pictures in .*b"),
        (["train/a/1.png", "train/b/1.png", "val/c/1.png"], "'c' is not among the training"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_before_a_run_exists(
    names: list[str], message: str, photograph
) -> None:
    Path("data").mkdir()
    write("data", [name for name in names if name.endswith(".png")], photograph)
    for name in names:
        Path("data", name).parent.mkdir(parents=True, exist_ok=True)
        Path("data", name).touch()
    with pytest.raises(DataError, match=message):
        training.fit(training.TrainConfig(data="data", out="run", val=0.5))
    assert not Path("run").exists()


def test_a_class_of_broken_pictures_is_refused_with_the_reason(photograph) -> None:
    write("data", [f"{name}/{n}.png" for name in ("good", "bad") for n in range(3)], photograph)
    for path in Path("data/bad").iterdir():
        path.write_bytes(b"not a picture")
    Path("data/good/a.png").write_bytes(b"")
    told = r"no usable picture in bad.* The first one: data/bad/0\.png: not a picture"
    with pytest.raises(DataError, match=told) as caught:
        training.fit(training.TrainConfig(data="data", out="run"))
    assert "\n" not in str(caught.value)
    assert not Path("run").exists()


def test_validation_is_stratified_seeded_and_stable(photograph) -> None:
    names = [f"{name}/{n}.png" for name, count in (("a", 40), ("b", 20)) for n in range(count)]
    write("data", names, photograph)
    once, again, other = (
        with_validation(load_dataset("data"), None, seed).splits for seed in (0, 0, 1)
    )
    assert np.bincount(once["val"].labels).tolist() == [4, 2]
    assert np.bincount(once["train"].labels).tolist() == [36, 18]
    chosen = [
        {splits["val"].pictures.name(index) for index in range(6)}
        for splits in (once, again, other)
    ]
    assert chosen[0] == chosen[1] != chosen[2]
    assert not chosen[0] & {once["train"].pictures.name(index) for index in range(54)}


def test_large_data_gives_a_twentieth(fashion_mnist: Path) -> None:
    splits = with_validation(load_dataset(fashion_mnist), None, 0).splits
    assert (len(splits["train"]), len(splits["val"]), len(splits["test"])) == (
        57_000,
        3_000,
        10_000,
    )


def test_strict_makes_a_broken_picture_an_error(photograph) -> None:
    write("data", [f"{name}/{n}.png" for name in "ab" for n in range(4)], photograph)
    Path("data/a/0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a.0\.png.*`strict`"):
        training.fit(training.TrainConfig(data="data", out="run", strict=True))
