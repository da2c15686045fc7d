"""`data check` lists everything, whatever is wrong: each fault one line, nothing first and last."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn.cli import main
from kerascnn.dataset.check.checking import check_data


def write(*paths: str, blank: bool = False) -> None:
    """Write pictures of noise, or all gray."""
    random = np.random.default_rng(len(paths))
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(np.full_like(pixels, 128) if blank else pixels).save(path, "PNG")


def faults(data: str) -> list[str]:
    """Check without a warning of numpy's, and give the faults of the whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = check_data(data, smallest=1)
    assert all("\n" not in fault for fault in found.faults)
    assert found.problems.get("faults", 0) == len(found.faults)
    return list(found.faults)


def test_a_folder_with_every_fault_at_once() -> None:
    write(*(f"d/train/{name}/{n}.png" for name in "abc" for n in range(2)))
    write("d/val/a/1.png", "d/val/new/1.png", "d/val/other/1.png")
    for empty in ("d/train/empty", "d/test/a"):
        Path(empty).mkdir(parents=True)
    found = faults("d")
    assert len(found) == 4
    for told in (
        "no pictures in d/train/empty",
        "'new' is not among",
        "'other' is not among",
        "d/test: no pictures in any of its class folders",
    ):
        assert sum(told in fault for fault in found) == 1, told
    done = CliRunner().invoke(main, ["data", "check", "d", "--json"])
    assert done.exit_code == 3
    assert json.loads(done.stdout)["faults"] == found


@pytest.mark.parametrize(
    ("paths", "blank", "expected"),
    [
        (["a/1.png", "a/2.png"], False, ["one class only ('a')"]),
        (["a/1.png", "b/1.png", "c/1.png"], False, ["no class has two pictures"]),
        (["a/1.png", "a/2.png", "b/1.png", "b/2.png"], True, ["all 4 pictures are the same"]),
        (["a/1.png", "a/2.png", "b/1.png", "b/2.png"], False, []),
    ],
)
def test_what_is_wrong_with_the_whole(paths, blank: bool, expected: list[str]) -> None:
    write(*(f"d/{path}" for path in paths), blank=blank)
    found = faults("d")
    assert len(found) == len(expected), found
    for fault, beginning in zip(found, expected, strict=True):
        assert fault.startswith(beginning)


def test_blank_pictures_that_differ_are_nothing_to_learn_from() -> None:
    for number, path in enumerate(("d/a/1.png", "d/a/2.png", "d/b/1.png", "d/b/2.png")):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (number, 9, 9)).save(path)
    (fault,) = faults("d")
    assert fault.startswith("all 4 pictures are blank")


def test_more_classes_than_pictures(tmp_path) -> None:
    np.savez(
        "d.npz",
        images=np.random.default_rng(0).integers(0, 256, (3, 8, 8), np.uint8),
        labels=np.array([0, 1, 2]),
        classes=np.array(["a", "b", "c", "d", "e"]),
    )
    (fault,) = faults("d.npz")
    assert fault.startswith("more classes than training pictures (5 and 3)")


def test_every_line_of_a_list_is_told() -> None:
    write("p/1.png", "p/2.png", "p/3.png")
    Path("d.csv").write_text(
        "path,label,split\np/1.png,a,train\nmissing.png,a,train\ngone.png,a,train\n"
        "p/2.png,,train\np/2.png,b,tran\np/3.png,q,val\np/1.png,b,train\np/2.png\n"
    )
    found = faults("d.csv")
    for line in (3, 4, 5, 6, 7, 8, 9):
        assert sum(f"line {line}: " in fault for fault in found) == 1, (line, found)


def test_a_split_of_arrays_that_cannot_be_used_does_not_hide_the_others() -> None:
    train = np.random.default_rng(0).integers(0, 256, (4, 8, 8), np.uint8)
    np.savez(
        "d.npz",
        x_train=train, y_train=np.array([0, 0, 1, 1]),
        x_val=train / 255, y_val=np.array([0, 0, 1, 1]),
        x_test=train, y_test=np.array([0, 7, 8, 1]),
    )  # fmt: skip
    found = faults("d.npz")
    assert ["x_val: values of type float64" in found[0], "label 7 is not one" in found[1]] == [
        True, True,
    ]  # fmt: skip
    assert "1 other labels are none either" in found[1]


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["train/1.png", "test/1.png", "other/1.png"], ["also other", "d/train: no class folders"]),
        (
            ["train/a/1.png", "training/a/1.png"],
            ["are both split train", "no class has two pictures"],
        ),
    ],
)
def test_where_nothing_is_left_to_check_its_reasons_are_told_once(paths, told) -> None:
    write(*(f"d/{path}" for path in paths))
    found = faults("d")
    assert len(found) == len(told), found
    assert all(words in fault for words, fault in zip(told, found, strict=True))
    done = CliRunner().invoke(main, ["data", "check", "d", "--page", "page.html"])
    assert done.exit_code == 3, done.output
    assert all(fault in done.stdout for fault in found)


def test_the_page_of_the_working_directory_has_the_name_of_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("flowers/a/1.png", "flowers/b/2.png")
    monkeypatch.chdir("flowers")
    CliRunner().invoke(main, ["data", "check", ".", "--page", "page.html"])
    assert "<h1>flowers</h1>" in Path("page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("p/1.png,a,one\np/2.png,b,two\n", ["line 2: split 'one'", "line 3: split 'two'"]),
        ('p/1.png,"a,train\n', ["not CSV"]),
        ("p/1.png,caf\xe9,train\n", ["not UTF-8"]),
    ],
)
def test_a_list_without_a_usable_row_has_its_reasons_told(rows: str, told) -> None:
    write("p/1.png", "p/2.png")
    Path("d.csv").write_bytes(f"path,label,split\n{rows}".encode("latin-1"))
    found = faults("d.csv")
    assert all(words in fault for words, fault in zip(told, found, strict=False))
    assert "nothing to train on" in found[-1]
    assert len(found) == len(told) + 1


def test_labels_that_begin_at_one_are_told() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    np.savez("d.npz", images=pictures, labels=np.array([1, 2, 4] * 2))
    assert faults("d.npz") == [
        "d.npz: no training pictures have label 0, 3. Expected numbers from 0 without gaps, or an "
        "array classes."
    ]
