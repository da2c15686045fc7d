"""Folders from anywhere: what is a split, what is a class, and what is neither."""

import logging
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn.dataset import Dataset, load_dataset
from kerascnn.dataset.check.checking import check_data
from kerascnn.dataset.walk import Walk
from kerascnn.errors import DataError


def write(*paths: str) -> None:
    for number, path in enumerate(paths):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), 7 * number, np.uint8)).save(path, "PNG")


def counts(dataset: Dataset) -> dict[str, list[int]]:
    return {name: np.bincount(split.labels).tolist() for name, split in dataset.splits.items()}


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("training_set", "test_set"), ("train", "test")),
        (("seg_train", "seg_test"), ("train", "test")),
        (("seg_train/seg_train", "seg_test/seg_test"), ("train", "test")),
        (("Train Data", "Validation Data"), ("train", "val")),
        (("TrainSet", "TESTSET"), ("train", "test")),
        (("training", "validation", "evaluation"), ("train", "val", "test")),
        (("train2017", "val2017"), ("train", "val")),
        (("1-train", "2-dev", "3-holdout"), ("train", "val", "test")),
    ],
)
def test_splits_are_known_by_the_words_in_their_names(folders, splits) -> None:
    write(*(f"d/{folder}/{name}/1.png" for folder in folders for name in ("cat", "dog")))
    dataset = load_dataset("d")
    assert dataset.classes == ("cat", "dog")
    assert counts(dataset) == {split: [1, 1] for split in splits}


@pytest.mark.parametrize("other", ["seg_pred/seg_pred", "single_prediction", "unlabelled"])
def test_pictures_without_classes_beside_the_splits_are_left_out(other: str, caplog) -> None:
    write(*(f"d/seg_{s}/{name}/1.png" for s in ("train", "test") for name in "ab"))
    write(f"d/{other}/1.png")
    with caplog.at_level(logging.WARNING):
        assert counts(load_dataset("d")) == {"train": [1, 1], "test": [1, 1]}
    assert f"1 folders without classes ({other.split('/')[0]})" in caplog.text


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("asl_alphabet_train/asl_alphabet_train", "asl_alphabet_test/asl_alphabet_test"),
        ("TrainSet", "TESTSET"),
    ],
)
def test_a_test_folder_without_classes_is_left_out(train: str, test: str, caplog) -> None:
    write(*(f"d/{train}/{name}/1.png" for name in "ab"), f"d/{test}/1.png", f"d/{test}/2.png")
    with caplog.at_level(logging.WARNING):
        assert counts(load_dataset("d")) == {"train": [1, 1]}
    assert f"1 folders without classes ({test.split('/')[0]})" in caplog.text


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["A/cat", "A/dog", "B/cat", "B/dog"], "A and B hold the same subfolders .cat, dog"),
        (
            ["cat", "dog", "pets/cat", "pets/dog"],
            "pets has subfolders with the same names as the folders next",
        ),
        (["a", "b", "c", "d/d/a", "d/d/b"], "d has subfolders with the same names"),
        (["fold1/0", "fold1/1", "fold2/0", "fold2/1"], "call the folders around them train"),
        (["cat/train", "cat/test", "dog/train", "dog/test"], "move them to test/cat, test/dog and"),
        (
            ["a/Training", "a/Validation", "b/Training", "b/Validation"],
            "which are splits. Expected",
        ),
        (["Train/0", "Train/1", "Test", "Meta"], "holds Train and also Meta"),
        (["val/cat", "val/dog", "test/cat", "test/dog"], "hold the same subfolders"),
        (["train_1/a", "train_1/b", "train_2/a", "train_2/b"], "are both split train"),
        (["train/a", "train/b", "test/a", "test/b", "more/a", "more/b"], "and also more"),
        (["train", "test1"], "d/train: no class folders"),
        (["training", "validation", "evaluation"], "d/training: no class folders"),
        (
            ["x/train/a", "x/train/b", "x/val/a", "x/x/train/a", "x/x/train/b", "x/x/val/a"],
            r"x holds the same splits \(train, val\), .* Move it away, or give d/x/x\.$",
        ),
        (["images/a", "images/b", "segmentations/a", "segmentations/b"], "Give d/images if its"),
        (["images_train", "images_test"], "d/images_train: no class folders"),
        (["train2017", "val2017", "annotations"], "d/train2017: no class folders"),
        (["data/train/a", "data/train/b", "data/valid/a", "thumbs/data/train/a"], "Give d/data if"),
        (
            ["cats_train", "dogs_train", "cats_val", "dogs_val"],
            "cats_train and cats_val are named",
        ),
        (["images", "annotations/trimaps"], "annotations, images are pictures and their annot"),
        (["images/train", "images/val", "labels/train"], "images, labels are pictures and their"),
        (["train/images", "train/labels", "valid/images"], "d/train: images, labels are pictures"),
        (["Images/cat", "Images/dog", "Annotation/cat", "Annotation/dog"], "Give d/Images if its"),
        (["JPEGImages", "SegmentationClass", "ImageSets/Main"], "in a .csv file with the columns"),
        (["COVID/images", "COVID/masks", "Normal/images", "Normal/masks"], "annotations .masks., "),
    ],
)
def test_where_names_do_not_tell_an_error_asks(paths: list[str], told: str) -> None:
    write(*(f"d/{path}/1.png" for path in paths))
    with pytest.raises(DataError, match=told):
        load_dataset("d")


@pytest.mark.parametrize(
    "paths",
    [
        ["rose/2023/1", "rose/2024/2", "tulip/2023/3", "tulip/2024/4"],
        ["train/1", "bus/2"],
        ["steam train/close/1", "test tube/far/2"],
        ["contest/1", "trainer/2", "latest/3"],
        ["a/x/1", "b/x/2"],
        ["cat/1", "dog/2", "fox/cat/3", "fox/wild/4", "fox/tame/5"],
        ["images/1", "labels/2", "tables/3"],
        ["mask/1", "no mask/2"],
        ["photos/1", "images/2"],
        ["cat/images/1", "cat/front/2", "dog/images/3"],
        ["toy_train/1", "test tube/2"],
        ["a/1", "A/2"],
    ],
)
def test_classes_stay_classes(paths: list[str]) -> None:
    write(*(f"d/{path}.png" for path in paths))
    dataset = load_dataset("d")
    assert dataset.classes == tuple(sorted({path.split("/")[0] for path in paths}))
    assert list(dataset.splits) == ["train"]


def test_annotations_that_are_no_pictures_need_not_be_moved_away() -> None:
    write("d/cat/images/1.png", "d/dog/images/2.png")
    Path("d/cat/labels").mkdir()
    Path("d/cat/labels/1.txt").touch()
    assert counts(load_dataset("d")) == {"train": [1, 1]}


def test_a_class_that_is_called_like_a_split_is_told(caplog) -> None:
    write("d/positive/1.png", "d/negative/1.png", "d/test/1.png")
    assert load_dataset("d").classes == ("negative", "positive", "test")
    assert "d: test is read as a class, like the others next to it" in caplog.text


@pytest.mark.parametrize("other", ["hot dog", "Hot  dog", "Hot\u200b dog", "Ｈｏｔ ｄｏｇ"])
def test_classes_that_are_hard_to_tell_apart_are_told(other, caplog) -> None:
    write("d/Hot dog/1.png", f"d/{other}/1.png", "d/tea/1.png")
    assert len(load_dataset("d").classes) == 3
    first, second = sorted(("Hot dog", other))
    assert f"classes {first!r} and {second!r} differ only in case, spaces" in caplog.text


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("cat_1.png", r"It holds 1 picture \(cat_1\.png\): move those of each class into a folder"),
        ("flowers.tar.gz", r"Not read: flowers\.tar\.gz \(an archive\)\. Unpack it first"),
        (None, "It is empty"),
    ],
)
def test_a_folder_without_classes_is_told_by_what_it_holds(file, words) -> None:
    Path("d").mkdir()
    if file:
        Path("d", file).touch()
    with pytest.raises(DataError, match=rf"no class folders.* {words}"):
        load_dataset("d")


def test_a_list_without_labels_is_not_the_one_to_give(caplog) -> None:
    write("d/images/1.png")
    for name in ("sample_submission.csv", "test.csv", "train.csv"):
        Path("d", name).touch()
    load_dataset("d")
    assert "There is d/train.csv: give that" in caplog.text


def test_many_folders_of_the_same_sub_folders_are_asked_about_quickly() -> None:
    for number in range(2000):
        for inside in "ab":
            Path(f"d/{number}/{inside}").mkdir(parents=True)
    write("d/0/a/1.png", "d/1/a/1.png")
    with pytest.raises(DataError, match="hold the same subfolders"):
        load_dataset("d")


def test_real_endings_are_read_and_the_rest_is_named_and_counted_once(caplog) -> None:
    endings = ("jpg", "JPEG", "jfif", "jpe", "jif", "pjpeg", "png", "apng", "dib", "tif", "webp")
    write(*(f"d/{label}/{end}.{end}" for label in "ab" for end in endings))
    for name in ("d/a/1.heic", "d/a/2.HEIC", "d/b/3.avif", "d/b/noending", "d/b/Thumbs.db"):
        Path(name).touch()
    write("d/loose.png")
    with caplog.at_level(logging.WARNING):
        assert counts(load_dataset("d")) == {"train": [len(endings)] * 2}
    unread, line = caplog.messages
    assert "d: not read: 2 .heic, 1 .avif (a/1.heic, a/2.HEIC, b/3.avif). Convert to" in unread
    assert "left out: 1 without ending (b/noending);" in line
    assert unread in check_data("d").faults
    assert "1 pictures beside the class folders (loose.png)" in line


def test_copies_and_thumbnails_beside_pictures_are_no_pictures(caplog) -> None:
    write("d/a/1.png", "d/b/1.png", "d/b/inside/2.png")
    leftovers = [
        "#recycle", "__MACOSX/a", "@eaDir/1.png", "$RECYCLE.BIN/S-1", "lost+found",
        "System Volume Information", "a/@eaDir/1.png", "a/@Recycle", "b/Thumbnails", "b/#snapshot",
        "b/inside/@eaDir", "Network Trash Folder", "a/.AppleDouble", "a/.thumbnails",
        ".Trash-1000/files", "b/.picasaoriginals", "a/.@__thumb", "a/[Originals]", "b/~snapshot",
        "LOST.DIR", "FOUND.000", "RECYCLED/DC1",
    ]  # fmt: skip
    write(*(f"d/{folder}/x.png" for folder in leftovers))
    write("d/a/._1.png")
    with caplog.at_level(logging.WARNING):
        dataset = load_dataset("d")
    assert (dataset.classes, counts(dataset)) == (("a", "b"), {"train": [1, 2]})
    (line,) = caplog.messages
    assert "17 folders of thumbnails or copies (#recycle, $RECYCLE.BIN, @eaDir, ...)" in line


def test_a_class_may_be_called_thumbs() -> None:
    write("d/thumbs/1.png", "d/fists/1.png")
    assert load_dataset("d").classes == ("fists", "thumbs")


def test_links_to_folders_are_passed_over_and_told(caplog) -> None:
    write("elsewhere/1.png", "d/a/1.png", "d/b/1.png")
    Path("d/c").symlink_to(Path("elsewhere").resolve())
    Path("d/a/loop").symlink_to(Path("d").resolve())
    Path("d/b/2.png").symlink_to(Path("elsewhere/1.png").resolve())  # a link to a file is a picture
    with caplog.at_level(logging.WARNING):
        dataset = load_dataset("d")
    assert (dataset.classes, counts(dataset)) == (("a", "b"), {"train": [1, 2]})
    assert "2 links to folders (c, a/loop)" in caplog.text
    assert set(check_data("d").left_out) == {"c", "a/loop"}
    Path("links").mkdir()
    Path("links/a").symlink_to(Path("d/a").resolve())
    with pytest.raises(DataError, match=r"no class folders \(links to folders are passed over\)"):
        load_dataset("links")


def test_links_that_lead_nowhere_end_nothing() -> None:
    write("d/a/1.png", "d/b/1.png")
    for link in ("d/loop", "d/a/loop", "d/a/loop.png"):
        Path(link).symlink_to(Path(link).name)
    Path("d/b/gone.png").symlink_to("nowhere.png")
    assert counts(load_dataset("d")) == {"train": [2, 2]}
    assert [one.place.path for one in check_data("d").broken] == ["a/loop.png", "b/gone.png"]


def test_what_lies_in_a_class_folder_without_pictures_is_told() -> None:
    write("d/a/1.png", "d/b/deep/scan1", "d/b/scan2", "d/b/x.png.bak")
    told = r"no pictures in d/b\. .* Other files are there: 2 without ending, 1 \.bak \(b/scan2, b/"
    with pytest.raises(DataError, match=told):
        load_dataset("d")
    Path("d/a/1.png").rename("d/a/none")
    assert len(check_data("d").left_out) == 4


def test_a_class_whose_name_is_no_text_is_refused_before_anything_is_read() -> None:
    write("d/a/1.png", "d/b/1.png")
    try:
        Path(os.fsdecode(b"d/caf\xe9")).mkdir()
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(DataError, match=r"folder b'caf\\xe9' is not UTF-8.*Rename it"):
        load_dataset("d")
    assert "is not UTF-8" in check_data("d").faults[0]


def test_a_folder_that_cannot_be_listed_is_named(monkeypatch, caplog) -> None:
    write("d/a/1.png", "d/a/secret/2.png", "d/b/1.png")
    scandir = os.scandir

    def refusing(path):
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with caplog.at_level(logging.WARNING):
        assert counts(load_dataset("d")) == {"train": [1, 1]}
    assert "d/a/secret: cannot be listed (Permission denied)" in caplog.text
    assert any("d/a/secret" in fault for fault in check_data("d").faults)
    assert list(Walk().pictures(Path("d/a"))) == [Path("d/a/1.png")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_beside_idx_files(encoding: str, form: str, idx_folder) -> None:
    text = unicodedata.normalize(form, "고양이\r\ncafé\n\n")
    Path(idx_folder, "classes.txt").write_bytes(text.encode(encoding))
    assert load_dataset(idx_folder).classes == ("고양이", "café")


@pytest.mark.parametrize("space", ["\u2028", "\x0b", "\x85", "\x1c"])
def test_what_python_calls_the_end_of_a_line_moves_no_name(space: str, idx_folder) -> None:
    Path(idx_folder, "classes.txt").write_bytes(f"hot{space}dog\rcat".encode())
    assert load_dataset(idx_folder).classes == (f"hot{space}dog", "cat")


@pytest.mark.parametrize("encoding", ["cp949", "utf-16-le"])
def test_names_beside_idx_files_in_another_encoding(encoding: str, idx_folder) -> None:
    Path(idx_folder, "classes.txt").write_bytes("고양이\ncafe\n".encode(encoding))
    with pytest.raises(DataError, match=r"classes\.txt: not UTF-8"):
        load_dataset(idx_folder)
    Path(idx_folder, "classes.txt").write_bytes("cat\ndog\n".encode("utf-16-le"))
    with pytest.raises(DataError, match=r"classes\.txt: not UTF-8 .it holds zeros"):
        load_dataset(idx_folder)


@pytest.fixture
def idx_folder() -> Path:
    folder = Path("idx")
    folder.mkdir()
    pictures = bytes([0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(range(16))
    (folder / "train-images-idx3-ubyte").write_bytes(pictures)
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 0, 1])
    (folder / "train-labels-idx1-ubyte").write_bytes(labels)
    return folder


@pytest.mark.parametrize(
    ("values", "val"),
    [(("False", "True"), [0, 1]), (("0", "1"), [0, 1]), (("FALSE", "yes"), [0, 1])],
)
def test_is_valid_is_a_split_as_fastai_has_it(values: tuple[str, str], val: list[int]) -> None:
    write("p/1.png", "p/2.png", "p/3.png")
    Path("d.csv").write_text(
        f"path,label,is_valid\np/1.png,a,{values[0]}\np/2.png,b,{values[0]}\np/3.png,b,{values[1]}\n"
    )
    assert counts(load_dataset("d.csv")) == {"train": [1, 1], "val": val}
    Path("d.csv").write_text("path,label,is_valid\np/1.png,a,maybe\n")
    with pytest.raises(DataError, match=r"line 2: is_valid 'maybe'\. Expected True or False"):
        load_dataset("d.csv")
