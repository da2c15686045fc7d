"""The page of a data check: every finding with its picture, and no name that is more."""

import html
import re
from pathlib import Path

import pytest
from PIL import Image

from kerascnn.dataset import load_dataset
from kerascnn.dataset.check.checking import check_data
from kerascnn.printable import printable
from kerascnn.report.data_check import _MEMBERS, render_check_page, write_check_page

HOSTILE = "<script>alert(1)<\u2215script>"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    split = load_dataset("fashion-mini").splits["train"]
    for label, name in enumerate((HOSTILE, "고양이")):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for index in (split.labels == label).nonzero()[0][:25]:
            Image.fromarray(split.pictures[int(index)]).save(folder / f'"><i>{index}.png')
    return tmp_path / "data"


def page(data: Path) -> str:
    dataset = load_dataset(data)
    return render_check_page(check_data(dataset), dataset)


def test_a_clean_data_set(data: Path) -> None:
    text = page(data)
    assert "No problems were found." in text
    assert "고양이" in text
    assert "<img" not in text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_what_a_terminal_obeys_is_escaped_in_the_page_too(tmp_path: Path) -> None:
    for number, name in enumerate(("\x1b[31mred", "\u202eback", "\x9b1m\u2028")):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (9, 9), (number, 0, 0)).save(tmp_path / "data" / name / "1\x07.png")
    text = page(tmp_path / "data")
    assert printable(text, keep="\n\t") == text
    assert r"\x1b[31mred" in text


def test_faults_are_shown_with_their_pictures(data: Path) -> None:
    first = sorted((data / HOSTILE).iterdir())[0]
    for number in range(9):
        (data / HOSTILE / f"copy{number}.png").write_bytes(first.read_bytes())
    (data / "고양이" / "wrong.png").write_bytes(first.read_bytes())
    (data / "고양이" / "broken.png").write_bytes(b"<b>no picture</b>")
    (data / "고양이" / "<b>.txt").touch()
    text = page(data)
    assert "2 problems to fix before training." in text
    assert "The same picture in two classes" in text
    assert text.count("<img") == _MEMBERS
    assert "wrong.png" in text  # of each class at least one is among the few shown
    assert "And 5 more pictures" in text
    assert "broken.png: not a picture" in text
    assert "&lt;b&gt;.txt" in text
    assert "<b>.txt" not in text
    assert "<i>" not in text


def test_it_forbids_everything_from_outside(data: Path) -> None:
    text = page(data)
    assert "default-src 'none'" in html.unescape(text)
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []


def test_a_picture_that_has_gone_meanwhile_is_no_trouble(data: Path, tmp_path: Path) -> None:
    first = sorted((data / HOSTILE).iterdir())[0]
    (data / "고양이" / "wrong.png").write_bytes(first.read_bytes())
    dataset = load_dataset(data)
    found = check_data(dataset)
    first.unlink()
    write_check_page(tmp_path / "out" / "check.html", found, dataset)
    assert "no longer readable" in (tmp_path / "out" / "check.html").read_text("utf-8")
