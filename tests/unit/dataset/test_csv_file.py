"""CSV lists: what they may hold, and how each mistake is named by its line."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn.dataset import load_dataset
from kerascnn.dataset.faults import FaultCollector
from kerascnn.errors import DataError


@pytest.fixture
def write(tmp_path: Path, photograph) -> Callable[..., Path]:
    """Write a list, as text or bytes, beside three photographs a.png, b.png, sub/c.png."""
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "sub/c.png")):
        Image.fromarray(photograph(8 + number, 8)).save(folder / name)

    def write(content: str | bytes, name: str = "list.csv") -> Path:
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
        return folder / name

    return write


def test_paths_are_relative_to_the_list_not_to_where_one_stands(write, photograph) -> None:
    dataset = load_dataset(write("path,label\nb.png,dog\na.png,cat\nsub/c.png,dog\n"))
    assert dataset.classes == ("cat", "dog")
    train = dataset.splits["train"]
    assert train.labels.tolist() == [1, 0, 1]
    assert [train.pictures.name(index) for index in range(3)] == ["b.png", "a.png", "sub/c.png"]
    assert np.array_equal(train.pictures[2], photograph(10, 8))


def test_absolute_paths_other_columns_and_any_order(write, tmp_path) -> None:
    absolute = tmp_path / "data" / "a.png"
    text = f'size,Label,PATH\n9,cat,"{absolute}"\n9,dog,b.png\n'
    dataset = load_dataset(write(text, "LIST.CSV"))
    assert dataset.splits["train"].pictures[0].shape == (8, 8, 3)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_line_ends_quotes_and_blank_lines(write, mark: bytes, end: str) -> None:
    lines = ["path,label", 'a.png,"고양이, 집"', "", "b.png,개"]
    dataset = load_dataset(write(mark + end.join(lines).encode()))
    assert dataset.classes == ("개", "고양이, 집")


@pytest.mark.parametrize(("name", "sep"), [("l.csv", ";"), ("l.csv", "|"), ("l.tsv", "\t")])
def test_the_line_in_which_excel_says_what_separates(name, sep, write) -> None:
    lines = [f"sep={sep}", f"path{sep}label", f"a.png{sep}cat", f"none.png{sep}dog"]
    with pytest.raises(DataError, match="line 4: no such file"):
        load_dataset(write("\n".join(lines), name))
    assert load_dataset(write("\n".join(lines[:3]), name)).classes == ("cat",)


def test_empty_values_that_a_spreadsheet_adds_are_nothing(write) -> None:
    dataset = load_dataset(write("path,label\na.png,cat,,\nb.png,dog,\nsub/c.png,cat, ,\n"))
    assert dataset.splits["train"].labels.tolist() == [0, 1, 0]


def test_labels_are_compared_in_one_unicode_form(write) -> None:
    dataset = load_dataset(write("path,label\na.png,caf\u00e9\nb.png,cafe\u0301\nsub/c.png,tea\n"))
    assert dataset.classes == ("caf\u00e9", "tea")
    assert dataset.splits["train"].labels.tolist() == [0, 0, 1]


def test_splits(write) -> None:
    text = "path,label,split\na.png,cat,train\nb.png,cat,Validation\nsub/c.png,cat,test\n"
    splits = load_dataset(write(text)).splits
    assert list(splits) == ["train", "val", "test"]
    assert splits["val"].pictures.name(0) == "b.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"list.csv: its first line is empty. Expected a first line path,label"),
        ("path label\na.png cat\n", "its first line is 'path label'. Expected .*with commas"),
        ("image,file,label\na.png,b.png,cat\n", "If one of image, file is the path, rename it"),
        ("path,age,sex\na.png,3,m\n", "If one of age, sex is the label, rename it to label"),
        ("label,pixel0,pixel1\n3,0,9\n", "seems to hold pixels: read it with NumPy"),
        ("emotion,pixels,Usage\n3,0 9,Training\n", "seems to hold pixels"),
        (",".join("5" * 785), r"'5, 5, .*5, \.\.\.'\. .*seems to hold pixels"),
        ("path,cat,dog\na.png,1,0\nb.png,1,1\n", "line 3: cat '1', dog '1'. Expected 1 in the"),
        ("path,cat,dog\na.png,1,0\nb.png,0,0\n", "line 3: no class has a 1. Expected 1 in the"),
        ("path,cat,dog\na.png,1,0\nb.png,0.7,0.3\n", "line 3: cat '0.7', dog '0.3'. Expected"),
        ("path,label,path\na.png,cat,b.png\n", "column path occurs twice"),
        ("path,label\n", r"nothing to train on \(no rows\)"),
        ("path,label,split\na.png,cat,test\n", r"nothing to train on \(only val and test\)"),
        ("path,label\na.png,cat\nb.png\n", r"list.csv, line 3: 1 values \(b.png\), expected"),
        (
            "path,label\na.png,cat\nmy,photo.png,cat\n",
            r"line 3: 3 values \(my,photo.png,cat\), expected one for each of path, label\. Put",
        ),
        ("label,path\ncat,a.png\ncat,b.png, note\n", "line 3: 3 values"),
        ("path,label\na.png,\n", "line 2: no label"),
        ("path,label\nhttp://x.org/y.png,cat\n", "line 2: http://x.org/y.png is a URL, and"),
        ("path,label\na.png,cat\ns3://b//../c.png,cat\n", "line 3: s3://b//../c.png is a URL"),
        ("path,label\nfile:///z.png,cat\nx.png,b\n", "file:///z.png is a URL.*1 other rows"),
        ("path,label,split\na.png,cat,\n", "line 2: no split"),
        ("path,label,split\na.png,cat,tset\n", "line 2: split 'tset'. Expected train, val, test"),
        ("path,label\na.png,cat\nx.png,cat\n", "line 3: no such file: .*x.png"),
        ("path,label\nsub,cat\n", "line 2: no such file: .*sub"),
        ("path,label\nx.png,a\ny.png,a\n", "line 2: .*1 other rows"),
        (f"path,label\n{'x' * 5000},cat\n", "line 2: no such file"),
        ("path,label\nnul\0.png,cat\n", "line 2"),
        (
            "path,label,split\na.png,cat,train\nb.png,cow,val\n",
            "line 3: label 'cow' of split val does not occur in train, whose classes are: cat",
        ),
        (
            "path,label,split\na.png,cat,train\nb.png,cat,val\n./a.png,cat,test\n",
            "line 4: .*a.png has split 'test' here and 'train' in line 2",
        ),
        (
            "path,label\na.png,cat\nb.png,dog\nsub/../a.png,dog\n",
            "line 4: .*a.png has label 'dog' here and 'cat' in line 2",
        ),
        ('path,label\na.png,"cat\n', "line 2: not CSV"),
        ('path,label\na.png,"c"at\n', "line 2: not CSV"),
        (b"path,label\na.png,\xff\n", "not UTF-8"),
        (b"\xff\xfep\0\0", "not UTF-16"),
    ],
)
def test_each_mistake_is_named_by_its_line(write, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        load_dataset(write(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("filename,class\na.png,cat\nb.png,dog\n", "path = filename, label = class"),
        ("id,breed\na.png,cat\nb.png,dog\n", "path = id, label = breed"),
        ("ImageId,age,Category\na.png,3,cat\nb.png,4,dog\n", "path = ImageId, label = Cat"),
        ("Datei;Tierart\na.png;cat\nb.png;dog\n", "path = Datei, label = Tierart"),
        ("사진,종류\na.png,cat\nb.png,dog\n", "path = 사진, label = 종류"),
        (",id,file\n0,cat,a.png\n1,dog,b.png\n", None),
        ("label,image,file\ncat,7,a.png\ndog,8,b.png\n", "path = file."),
        (
            "filename, cat, dog\na.png, 1, 0\nb.png, 0, 1\n",
            "the label is the column with a 1, of cat, dog.",
        ),
        (
            "id,image,cat,dog\n0,a.png,1.0,0.0\n1,b.png,0.0,1.0\n",
            "the label is the column with a 1, of cat, dog.",
        ),
        ("a.png,cat\nb.png,dog\n", "path = column 1, label = column 2"),
        ("path|label\na.png|cat\nb.png|dog\n", ""),
    ],
)
def test_columns_with_other_names_are_found_where_they_can_mean_one_thing(
    write, text: str, told: str | None, caplog
) -> None:
    if told is None:
        with pytest.raises(DataError, match="If one of , id is the label, rename it to label"):
            load_dataset(write(text))
        return
    dataset = load_dataset(write(text))
    assert dataset.classes == ("cat", "dog")
    assert dataset.splits["train"].labels.tolist() == [0, 1]
    assert told in caplog.text
    assert bool(told) == ("are read" in caplog.text)


@pytest.mark.parametrize(
    "text",
    [
        "filepath,labels,data set\na.png,cat,train\nb.png,cat,valid\n",
        "file,animal,Usage\na.png,cat,Training\nb.png,cat,PublicValidation\n",
        "path;split;breed\na.png;train;cat\nb.png;val;cat\n",
        "path,cat,dog,part\na.png,1,0,train\nb.png,1,0,val\n",
        "TRAIN,a.png,cat\nVALIDATION,b.png,cat\n",
    ],
)
def test_a_column_whose_values_are_splits_is_the_split(write, text: str) -> None:
    splits = load_dataset(write(text)).splits
    assert [splits[name].pictures.name(0) for name in ("train", "val")] == ["a.png", "b.png"]
    assert list(splits) == ["train", "val"]


@pytest.mark.parametrize("between", [";", "\t"])
def test_spreadsheets_that_write_no_commas(write, between: str) -> None:
    text = 'path,label,split\na.png,"cat",Training\nb.png,cat,PublicTest\n'
    dataset = load_dataset(write(text.replace(",", between)))
    assert dataset.classes == ("cat",)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 1, "test": 1}


@pytest.mark.parametrize("name", ["Set", "is_train", "fold", "Usage"])
def test_a_column_that_may_be_the_split_is_told(write, name: str, caplog) -> None:
    file = write(f"path,label,{name}\na.png,cat,1\nb.png,cat,0\n")
    assert len(load_dataset(file).splits["train"]) == 2
    assert f"column {name} is ignored" in caplog.text
    caplog.clear()
    load_dataset(write(f"path,label,{name},split\na.png,cat,1,train\nb.png,cat,0,val\n"))
    assert not caplog.messages


def test_a_list_that_a_model_is_evaluated_on_needs_no_training_pictures(write) -> None:
    file = write("path,label,split\na.png,cat,test\nb.png,dog,test\n")
    dataset = load_dataset(file, known=("cat", "dog", "cow"))
    assert dataset.classes == ("cat", "dog")
    assert {name: split.labels.tolist() for name, split in dataset.splits.items()} == {
        "train": [],
        "test": [0, 1],
    }


def test_a_message_is_not_as_long_as_what_it_repeats(write) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(write("x" * 100_000 + "\na.png,cat\n"))
    assert len(str(caught.value)) < 20_100
    assert "its first line is 'xxx" in str(caught.value)
    assert str(caught.value).endswith("with commas.")


def test_a_row_that_repeats_another_is_left_out_and_said(write, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        dataset = load_dataset(write("path,label\na.png,cat\nb.png,dog\na.png,cat\n"))
    assert len(dataset.splits["train"]) == 2
    assert "1 duplicate rows were skipped" in caplog.text


def test_a_long_list_costs_no_call_of_python_for_each_row(write) -> None:
    """A million rows took 26 s of processor time once; a clock would tell more of the machine."""
    folder = write("").parent
    for number in range(2000):
        (folder / "sub" / f"{number}.jpg").touch()
    file = write("path,label\n" + "".join(f"sub/{n}.jpg,c{n % 7}\n" for n in range(2000)))
    calls = []
    sys.setprofile(lambda frame, event, _: calls.append(frame) if event == "call" else None)
    try:
        dataset = load_dataset(file)
    finally:
        sys.setprofile(None)
    assert len(dataset.splits["train"]) == 2000
    assert dataset.splits["train"].labels[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert len(calls) < 500


def test_a_long_list_of_files_that_are_not_there_costs_no_question_for_each(
    write, monkeypatch
) -> None:
    """A million rows without files took 2.5 s of processor time in `stat` alone."""
    file = write("path,label\n" + "".join(f"{n % 2}sub/{n}.jpg,c{n % 7}\n" for n in range(2000)))
    (file.parent / "1sub").mkdir()
    asked = []
    isfile = os.path.isfile
    monkeypatch.setattr(os.path, "isfile", lambda path: (asked.append(path), isfile(path))[1])
    with pytest.raises(DataError, match="1,999 other rows have no file either"):
        load_dataset(file)
    assert len(asked) < 50
    faults = FaultCollector()
    assert not len(load_dataset(file, faults).splits["train"])
    assert len(faults.found) == 2000
    assert "other rows" not in "".join(faults.found)  # each has its own line


def test_a_name_that_no_listing_shows_is_asked_for(write, monkeypatch) -> None:
    """Many systems find a file by other cases and Unicode forms of its name."""
    file = write("path,label\na.png,cat\nB.PNG,dog\nsub/c.png,cat\nsub/../b.png,dog\n")
    isfile = os.path.isfile
    monkeypatch.setattr(os.path, "isfile", lambda path: isfile(str(path).replace("B.PNG", "b.png")))
    assert len(load_dataset(file).splits["train"]) == 4


def test_a_list_of_a_folder_that_cannot_be_listed_is_read(write, monkeypatch) -> None:
    file = write("path,label\na.png,cat\nb.png,dog\nsub/c.png,cat\n")

    def denied(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", denied)
    assert len(load_dataset(file).splits["train"]) == 3


@pytest.mark.parametrize(
    "row", ["x{}.png,cat,train", "a.png,{},val", "a.png,cat,{}", "a.png", "a.png,,train"]
)
def test_faults_that_are_collected_are_bounded(write, row: str, monkeypatch) -> None:
    """A million messages were 200 MB."""
    monkeypatch.setattr("kerascnn.dataset.faults.LISTED_FAULTS", 50)
    rows = "".join(row.format(number) + "\n" for number in range(300))
    faults = FaultCollector()
    load_dataset(write(f"path,label,split\nb.png,dog,train\n{rows}"), faults)
    assert len(faults.found) == 51
    assert faults.found[-1] == "250 faults more, which are not listed."


def test_names_of_pictures_are_those_of_pathlib(write, tmp_path, monkeypatch) -> None:
    outside = tmp_path / "outside.png"
    outside.touch()
    text = f"path,label\na.png,cat\n./sub//c.png,dog\n../data/b.png,dog\n{outside},dog\n"
    file = write(text)
    monkeypatch.chdir(file.parent)
    for path in (file, Path("list.csv"), Path("../data/list.csv")):
        pictures, root = load_dataset(path).splits["train"].pictures, path.parent
        for index, one in enumerate(map(Path, pictures.paths)):
            expected = one.relative_to(root).as_posix() if one.is_relative_to(root) else str(one)
            assert pictures.name(index) == expected
        assert b"missing" not in [pictures.stamp(index) for index in range(4)]


def test_same_data_as_a_folder_and_as_a_list_have_the_same_class_order(
    tmp_path, photograph
) -> None:
    names = ["b", "B", "ä", "a", "10", "9", "한"]
    for name in names:
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.fromarray(photograph(8, 8)).save(tmp_path / "data" / name / "1.png")
    rows = "".join(f"data/{name}/1.png,{name}\n" for name in names)
    (tmp_path / "list.csv").write_text("path,label\n" + rows, encoding="utf-8")
    classes = load_dataset(tmp_path / "list.csv").classes
    assert classes == load_dataset(tmp_path / "data").classes == tuple(sorted(names))
