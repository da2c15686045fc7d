"""What strangers bring: other formats, names that nearly match, outputs among the data."""

import json
import logging
import pickle
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn.cli import main
from kerascnn.dataset import load_dataset
from kerascnn.dataset.faults import FaultCollector
from kerascnn.errors import DataError


def write(root: str, *paths: str) -> None:
    """Write a small picture at each path; other files are empty."""
    for number, name in enumerate(paths):
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
        else:
            path.touch()


@pytest.mark.parametrize(
    ("train", "other"),
    [
        ("Cat", "cat"),
        ("hot dog", "hot_dog"),
        ("hot dog", "Hot  Dog"),
        ("cats", "cat"),
        ("001.Albatross", "001 albatross"),
        ("ﬁsh", "fish"),
        ("chihuahua", "chihuaua"),
    ],
)
def test_a_class_of_one_split_names_the_one_that_it_resembles(train: str, other: str) -> None:
    write("d/train", f"{train}/1.png", "zebra/2.png")
    write("d/val", f"{other}/3.png", "zebra/4.png")
    told = rf"not among .* It resembles {train!r}: give both the same name if"
    with pytest.raises(DataError, match=told):
        load_dataset("d")
    rows = ("1.png,X,train", "2.png,zebra,train", "3.png,Y,val")
    write(".", "1.png", "2.png", "3.png")
    text = "\n".join(("path,label,split", *rows)).replace("X", train).replace("Y", other)
    Path("list.csv").write_text(text)
    with pytest.raises(DataError, match=rf"does not occur in train.* It resembles {train!r}"):
        load_dataset("list.csv")
    with pytest.raises(DataError, match=rf"the model has no class .* It resembles {train!r}"):
        load_dataset("d/val", known=(train, "zebra")).choose("all", (train, "zebra"))
    names = {"y_train": np.array([train, "zebra"]), "y_val": np.array(["zebra", other])}
    pictures = np.zeros((2, 8, 8), np.uint8)
    np.savez("a.npz", x_train=pictures, x_val=pictures, **names)
    with pytest.raises(DataError, match=rf"is not one of the classes .* It resembles {train!r}"):
        load_dataset("a.npz")


@pytest.mark.parametrize(
    ("train", "other"), [("c10", "c11"), ("coat", "cat"), ("image 1", "image 2")]
)
def test_other_classes_resemble_none(train: str, other: str) -> None:
    write("d", f"train/{train}/1.png", "train/zebra/2.png", f"val/{other}/3.png")
    with pytest.raises(DataError, match=r"add it to train/\.$"):
        load_dataset("d")


@pytest.mark.parametrize(
    ("name", "kind", "advice"),
    [
        ("a.parquet", "Parquet", "Read it with the library that wrote it"),
        ("t.tfrecord-00000-of-00002", "TFRecord", "in one folder per class"),
        ("data_batch_1", "pickled Python objects", "x_train and y_train in an .npz file"),
        ("a.MAT", "MATLAB", "Read it with the library"),
        ("labels.json", "JSON", "write a .csv file in UTF-8 with the columns path and label"),
        ("labels.xlsx", "a spreadsheet", "If it holds the labels"),
        ("output.manifest", "JSON", "If it holds the labels"),
        ("train.lst", "text", "If it holds the labels"),
        ("cats.zip", "an archive", "Unpack it first"),
        ("IMG_1.HEIC", "HEIC", "Convert to JPEG or PNG"),
        ("a.pef", "PEF", "Convert to JPEG or PNG"),
        ("a.mov", "a video", "Save some of its frames"),
        ("a.pdf", "PDF", "Convert to JPEG"),
        (".1.jpg.icloud", "a file that is not on this machine yet", "Download it from iCloud"),
    ],
)
def test_a_format_that_is_not_read_is_named_with_the_way_out(
    name: str, kind: str, advice: str
) -> None:
    write("d", name)
    write("e", f"class/{name}")
    with pytest.raises(DataError, match=rf"is {kind}\. .*{advice}"):
        load_dataset(f"d/{name}")
    for folder in ("d", "e"):  # without class folders, and with one that holds no pictures
        with pytest.raises(DataError, match=rf"Not read: {name} \({kind}\)\. .*{advice}"):
            load_dataset(folder)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("name", ["0001", "photo.jpg_large", "photo.jpg.1"])
def test_a_picture_without_the_ending_of_one_is_recognized(form: str, name: str) -> None:
    write("e", "class/labels.json")
    Image.new("RGB", (8, 8)).save(Path("e/class", name), form)
    told = (
        rf"Not read: {name} \(a picture by its content\)\. Rename it with an extension such as .jpg"
    )
    with pytest.raises(DataError, match=told):
        load_dataset("e")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        *(
            (pickle.dumps({b"data": [0]}, protocol), "pickled Python objects")
            for protocol in (2, 5)
        ),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"MATLAB 5.0 MAT-file", "MATLAB"),
        (b"PAR1", "Parquet"),
        (b"SQLite format 3\0", "a database"),
    ],
)
def test_data_without_a_suffix_is_recognized(content: bytes, kind: str) -> None:
    """CIFAR-100 is in files called train, test and meta."""
    Path("d").mkdir()
    Path("d/train").write_bytes(content)
    with pytest.raises(DataError, match=rf"d/train: is {kind}\. .* Read it with the library"):
        load_dataset("d/train")
    with pytest.raises(DataError, match=rf"Not read: train \({kind}\)\. Read it"):
        load_dataset("d")


TEXTS = ["NOTICE", "README", "LICENSE", "Makefile", "checkpoint", "BM25", ".travis.yml"]


@pytest.mark.parametrize("name", [*TEXTS, ".DS_Store", "Thumbs.db"])
def test_other_files_that_folders_hold_are_no_data(name: str) -> None:
    for folder in ("d", "e/class"):
        write(folder, name)
        Path(folder, name).write_bytes(b"BM and the like" if name in TEXTS else bytes(99))
    for folder in ("d", "e"):  # without class folders, and with one that holds no pictures
        with pytest.raises(DataError) as caught:
            load_dataset(folder)
        assert "Not read" not in str(caught.value)


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (("annotations.txt", "0.png"), r"Not read: annotations.txt \(text\)\. If it holds"),
        (
            ("cat.0.png", "cat.1.png", "dog.0.png", "dog.1.png"),
            "names begin with cat, dog, perhaps",
        ),
        (
            tuple(f"{kind}_{number}.png" for kind in ("sea_lion", "emu") for number in (7, 31)),
            "names begin with emu, sea_lion, perhaps",
        ),
        (("n01_1.png", "n01_2.png", "n02_1.png", "n02_2.png"), "begin with n01, n02, perhaps"),
        (("sampleSubmission.csv", "0.png"), "into a folder of their own.$"),
        (("sample.png", "cats.zip"), r"cats.zip \(an archive\)\. Unpack it first\.$"),
        (("README.txt", "0.png"), "into a folder of their own.$"),
    ],
)
def test_pictures_without_folders_are_told_with_what_may_hold_their_labels(
    paths: tuple[str, ...], told: str
) -> None:
    write("d", *paths)
    with pytest.raises(DataError, match=told):
        load_dataset("d")


def test_pictures_without_labels_in_a_folder_of_a_split() -> None:
    write("d/train", "cat/images/1.png", "dog/images/2.png")
    write("d/test", "images/3.png")
    assert list(load_dataset("d").splits) == ["train"]
    write("d/val", "images/4.png", "val_annotations.txt")
    told = r"d/val/images: no class folders.* Not read: val_annotations.txt.* Or move d/val/images"
    with pytest.raises(DataError, match=told):
        load_dataset("d")


@pytest.mark.parametrize(
    "names", [("학습", "검증", "시험"), ("훈련", "val", "테스트"), ("1.Training", "검증", "평가")]
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_korean_names_of_splits(names: tuple[str, ...], form: str) -> None:
    for name in names:
        write(unicodedata.normalize(form, f"d/{name}"), "cat/1.png", "dog/2.png")
    assert list(load_dataset("d").splits) == ["train", "val", "test"]


def test_splits_without_one_for_training() -> None:
    for name in ("val", "test"):
        write(f"d/{name}", "cat/1.png", "dog/2.png")
    with pytest.raises(DataError, match="none is for training"):
        load_dataset("d")


@pytest.mark.parametrize("made", ["runs/a/machine.json", "run/.lock", "exported/a.onnx"])
def test_runs_and_exported_files_in_the_folder_of_the_data_are_no_class(made: str) -> None:
    """As after ``cd flowers; kerascnn train .``, or while that trains."""
    write("d", "cat/1.png", "dog/2.png", made)
    assert load_dataset("d").classes == ("cat", "dog")
    done = CliRunner().invoke(main, ["data", "check", "d", "--json"])
    assert "no pictures" not in str(json.loads(done.stdout)["faults"])


@pytest.mark.parametrize("made", ["runs/a/machine.json", "exported/a.onnx"])
def test_figures_in_the_usual_folders_of_outputs_are_no_class(made: str, caplog) -> None:
    """`kerascnn tune .` writes runs/tune/importances.png."""
    folder = made.partition("/")[0]
    write("d", "cat/1.png", "dog/2.png", made, f"{folder}/tune/importances.png")
    with caplog.at_level(logging.INFO):
        assert load_dataset("d").classes == ("cat", "dog")
    assert f"1 folders of runs or exported files ({folder})" in caplog.text
    Path("d", made).unlink()
    assert load_dataset("d").classes == tuple(sorted(("cat", "dog", folder)))


def test_a_run_among_pictures_is_no_class() -> None:
    files = ("figure.png", "config.json", "history.csv", "model.keras")
    write("d", "cat/1.png", "dog/2.png", "dog/machine.json", *(f"results/a/{f}" for f in files))
    with pytest.raises(DataError, match=r"d/results/a: a run .* Move it out of d\.$"):
        load_dataset("d")
    Path("d/results").rename("results")
    assert load_dataset("d").classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("0", "0.png"),
        ("0.PNG", "0.png"),
        (r".\0.png", "0.png"),
        (r"C:\Users\me\data\imgs\cat\7.jpg", "imgs/cat/7.JPG"),
        ("/content/drive/imgs/cat/7.jpg", "imgs/cat/7.JPG"),
        ("../input/imgs/cat/7.jpg", "imgs/cat/7.JPG"),
        ("gs://bucket/imgs/cat/7.jpg", "imgs/cat/7.JPG"),
        ("none.png", ""),
    ],
)
def test_paths_of_another_machine_are_read_as_what_they_are_here(
    row: str, told: str, caplog
) -> None:
    write("d", "0.png", "1.png", "imgs/cat/7.png")
    Path("d/imgs/cat/7.png").rename("d/imgs/cat/7.JPG")
    Path("d/list.csv").write_text(f"path,label\n{row},cat\n")
    if told:
        train = load_dataset("d/list.csv").splits["train"]
        assert [train.pictures.name(0), train.pictures.paths[0]] == [told, f"d/{told}"]
        assert f"is read as d/{told}, and the others likewise" in caplog.text
    with Path("d/list.csv").open("a") as file:
        file.write("1.png,cat\n")
    expected = f" {told} exists: write that if it is this picture" if told else r"the list\.$"
    if told and "://" not in row:  # not all rows are wrong, so this one is more than a habit
        with pytest.raises(DataError, match=expected):
            load_dataset("d/list.csv")


def test_a_list_whose_pictures_are_in_a_folder_and_have_no_extensions(caplog) -> None:
    """As Kaggle has them: train.csv, train/ and test/, which may hold the same names."""
    write("d", *(f"{split}/{number}.png" for split in ("train", "test") for number in range(4)))
    Path("d/train.csv").write_text("id,label\n" + "".join(f"{n},c{n % 2}\n" for n in range(4)))
    train = load_dataset("d/train.csv").splits["train"]
    assert list(train.pictures.paths) == [f"d/train/{number}.png" for number in range(4)]
    assert train.labels.tolist() == [0, 1, 0, 1]
    Path("d/train.csv").rename("d/list.csv")
    with pytest.raises(DataError, match=r"It may be test/0.png or train/0.png: write the one that"):
        load_dataset("d/list.csv")


@pytest.mark.parametrize(
    ("paths", "rows"),
    [
        (("a/1.png",), ("b/1.png",)),  # the folder may be the class
        (("1.png",), ("/x/cat/1.png", "/x/dog/1.png")),
        (("1.png", "1.jpg.png"), ("1.gif",)),
    ],
)
def test_pictures_of_a_list_are_not_taken_for_others(paths, rows) -> None:
    write("d", *paths)
    Path("d/list.csv").write_text("path,label\n" + "".join(f"{row},a\n" for row in rows))
    with pytest.raises(DataError, match="line 2: no such file"):
        load_dataset("d/list.csv")


def test_pictures_of_a_list_that_are_found_nowhere_are_named(caplog) -> None:
    write("d/images", "1.png", "2.png")
    Path("d/list.csv").write_text("path,label\n1,a\n2,b\n3,a\n")
    with pytest.raises(DataError, match=r"line 4: no such file: d/3.*folder of the list\.$"):
        load_dataset("d/list.csv")


ENCODINGS = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_lists_as_excel_saves_them(encoding: str, between: str) -> None:
    write(".", "0.png", "1.png")
    text = "path,label\r\n0.png,고양이\r\n1.png,개\r\n".replace(",", between)
    Path("list.csv").write_bytes(text.encode(encoding))
    dataset = load_dataset("list.csv")
    assert dataset.classes == ("개", "고양이")
    assert dataset.splits["train"].labels.tolist() == [1, 0]


@pytest.mark.parametrize("encoding", ["cp949", "cp1252", "shift_jis"])
def test_lists_in_an_encoding_that_cannot_be_told(encoding: str) -> None:
    label = {"cp949": "고양이", "cp1252": "Äpfel", "shift_jis": "猫"}[encoding]
    Path("list.csv").write_bytes(f"path,label\n0.png,a\n1.png,{label}\n".encode(encoding))
    faults = FaultCollector()
    with pytest.raises(DataError):
        load_dataset("list.csv", faults)
    assert "not UTF-8 (line 3). Expected CSV in UTF-8, or in UTF-16" in faults.found[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\3\4\x14\0\6\0", "is an Excel workbook or a ZIP archive, despite its name"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel workbook"),
        ("path,label\n0.png,고".encode("utf-16")[:-1], r"not UTF-16-LE \(truncated data\)"),
        (b'"path,label"\n"0.png,cat"\n', "Remove the quotes around the whole line"),
        (b"width,height\n0,cat\n", r"with commas\.$"),
    ],
)
def test_lists_that_are_something_else(content: bytes, told: str) -> None:
    Path("list.csv").write_bytes(content)
    with pytest.raises(DataError, match=told):
        load_dataset("list.csv")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("file:///data/cats", "Give its path alone"),
        ("Fashion_Mini", "Did you mean fashion-mini"),
        ("$KERASCNN_TEST_PLACE/cats", r"Did you mean data/cats\?"),
        (r"data\cats", r"Did you mean data/cats\?"),
    ],
)
def test_data_that_is_nearly_right(data: str, told: str, monkeypatch) -> None:
    monkeypatch.setenv("KERASCNN_TEST_PLACE", "data")
    write("data", "cats/1.png")
    with pytest.raises(DataError, match=told):
        load_dataset(data)
