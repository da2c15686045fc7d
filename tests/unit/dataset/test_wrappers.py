"""Folders around a data set: what archives and a folder given one level too high put there."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn.dataset import load_dataset
from kerascnn.dataset.check.checking import check_data
from kerascnn.dataset.faults import FaultCollector
from kerascnn.errors import DataError

DOGS_AND_CATS = ("cat/1", "dog/2")
SPLITS = tuple(f"{split}/{path}" for split in ("train", "val") for path in DOGS_AND_CATS)


def write(root: str, *paths: str) -> None:
    for number, path in enumerate(paths):
        file = Path(root, path + ".png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), 7 * number, np.uint8)).save(file)


@pytest.mark.parametrize(
    ("wrapper", "paths", "beside"),
    [
        ("d/data", DOGS_AND_CATS, ()),
        ("d/data", DOGS_AND_CATS, ("README.md", "LICENSE", "sample.png", "__MACOSX/data/cat/._1")),
        ("d/archive/Data Set", DOGS_AND_CATS, ("archive/readme.txt",)),
        ("d/archive/Dataset", SPLITS, ()),
        ("d/one/two/three", SPLITS, ()),
        ("d/data", ("cat/indoor/1", "cat/outdoor/2", "dog/3"), ()),
        ("d/test", DOGS_AND_CATS, ()),
    ],
)
def test_a_single_folder_around_the_classes_is_gone_into_and_told(
    wrapper: str, paths: tuple[str, ...], beside: tuple[str, ...], caplog
) -> None:
    write(wrapper, *paths)
    for name in beside:
        Path("d", name).parent.mkdir(parents=True, exist_ok=True)
        Path("d", name).touch()
    with caplog.at_level(logging.WARNING):
        dataset = load_dataset("d")
    assert dataset.classes == ("cat", "dog")
    assert list(dataset.splits) == (["train", "val"] if paths == SPLITS else ["train"])
    assert dataset.name == "d"
    assert f"d: all pictures are in one folder inside it, so {wrapper} is read." in caplog.messages
    assert "d/sample.png" not in beside or "sample.png" in caplog.text
    assert check_data("d").classes == ("cat", "dog")


def test_folders_around_the_classes_of_each_split(caplog) -> None:
    write("d", *(f"{s}/images/{path}" for s in ("train", "test") for path in DOGS_AND_CATS))
    with caplog.at_level(logging.WARNING):
        dataset = load_dataset("d")
    assert (dataset.classes, list(dataset.splits)) == (("cat", "dog"), ["train", "test"])
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("empty", ["docs/readme.txt", "labels/train/1.txt", "annotations/"])
def test_where_other_folders_hold_no_pictures_the_one_to_give_is_named(empty: str) -> None:
    write("d/images", *SPLITS)
    path = Path("d", empty)
    (path if empty.endswith("/") else path.parent).mkdir(parents=True)
    with pytest.raises(DataError, match=r"d: only images holds pictures.*Give d/images if its"):
        load_dataset("d")
    found = check_data("d")
    assert found.classes == ("cat", "dog")
    assert "Give d/images" in found.faults[0]


@pytest.mark.parametrize(
    ("pictures", "empty", "told"),
    [
        (
            "cats/{}",
            "Annotations/{}",
            "only cats holds pictures; there are none in Annotations. Give",
        ),
        (
            "Data/CLS/train/{}",
            "Lists/CLS/train/{}",
            "only Data holds pictures; there are none in L",
        ),
        ("images/train", "labels/train", "images, labels are pictures and their annotations"),
        ("images/{}", "labels/{}", "Give d/images if its folders are the classes"),
    ],
)
def test_annotations_in_folders_like_those_of_the_pictures(pictures, empty, told) -> None:
    """As Caltech-101, ImageNet and data sets for YOLO have them."""
    for name in ("a", "b"):
        write("d", f"{pictures.format(name)}/1{name}")
        Path("d", empty.format(name)).mkdir(parents=True, exist_ok=True)
        Path("d", empty.format(name), f"1{name}.txt").touch()
    with pytest.raises(DataError, match=told):
        load_dataset("d")


@pytest.mark.parametrize(
    ("paths", "classes"),
    [
        (("rose/2023/1", "rose/2024/2"), ("rose",)),
        (("rose/1", "rose/close/2", "rose/far/3"), ("rose",)),
        (("rose/close/1",), ("rose",)),
        (("rose/close/1", "rose/far/2", "tulip/3"), ("rose", "tulip")),
    ],
)
def test_a_class_is_no_wrapper(paths: tuple[str, ...], classes: tuple[str, ...]) -> None:
    write("d", *paths)
    assert load_dataset("d").classes == classes


def test_a_class_that_a_model_knows_is_no_wrapper() -> None:
    write("d", "rose/close/1", "rose/far/2")
    assert load_dataset("d", known=("rose", "tulip")).classes == ("rose",)
    write("e/train", "rose/1", "tulip/2")
    write("e/val", "rose/close/1", "rose/far/2")
    assert load_dataset("e").splits["val"].labels.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("labels.csv", "d/labels.csv"),
        ("arrays/x.npz", "d/arrays/x.npz"),
        ("MNIST/raw/train-images-idx3-ubyte", "d/MNIST/raw"),
    ],
)
def test_a_list_or_arrays_in_the_folder_are_named(file: str, named: str) -> None:
    path = Path("d", file)
    path.parent.mkdir(parents=True)
    path.touch()
    path.with_name("train-labels-idx1-ubyte").touch()
    faults = FaultCollector()
    if path.parent == Path("d"):
        with pytest.raises(DataError, match=f"no class folders.*There is {named}: give that"):
            load_dataset("d", faults)
        write("d/images", "1")
    load_dataset("d", faults)
    assert f"There is {named}: give that" in faults.found[0]


@pytest.mark.parametrize(
    ("pictures", "file", "path"),
    [
        ("d/images/a", "d/list.csv", "a/1.png"),
        ("d/x/images/a", "d/list.csv", "a/1.png"),
        ("d/a", "d/list.csv", "d/a/1.png"),
        ("d/a", "d/x/y/list.csv", "d/a/1.png"),
    ],
)
def test_a_list_one_folder_off(pictures: str, file: str, path: str) -> None:
    write(pictures, "1")
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(f"path,label\n{path},a\n")
    [found] = load_dataset(file).splits["train"].pictures.paths
    assert Path(found).samefile(Path(pictures, "1.png"))


def test_a_list_without_any_of_its_pictures_is_checked_to_the_end() -> None:
    Path("list.csv").write_text("path,label\nq/1.png,a\nq/2.png,b\n")
    found = check_data("list.csv")
    assert (found.images, found.counts) == (0, {"train": (0, 0)})
    assert ["no such file" in fault for fault in found.faults] == [True, True]
