"""Every planted fault is found, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn.dataset import load_dataset
from kerascnn.dataset.check.checking import DataCheck, check_data
from kerascnn.dataset.check.leakage import find_leaks
from kerascnn.errors import DataError


@pytest.fixture(scope="module")
def found(planted: Path) -> DataCheck:
    return check_data(planted)


def paths(found: DataCheck, what: str) -> list[str]:
    return [one.place.path for one in found.odd if one.what == what]


def test_problems(found: DataCheck) -> None:
    assert found.problems == {"broken": 1, "leaks": 2, "conflicts": 1, "small_classes": 2}
    (broken,) = found.broken
    assert (broken.place.path, broken.place.label) == ("train/cat/broken.jpg", "cat")
    assert "truncated" in broken.reason
    leaks = {tuple(p.path for p in r.places): r.exact for r in found.repeats if r.is_leak}
    assert leaks == {
        ("train/cat/03.jpg", "test/cat/copy.png"): True,
        ("train/coffee/03.jpg", "test/coffee/smaller.jpg"): False,
    }
    (conflict,) = [r for r in found.repeats if r.is_conflict]
    assert {p.path for p in conflict.places} == {"train/고양이/03.jpg", "train/cat/wrong.jpg"}
    assert [(s.label, s.split, s.images) for s in found.small] == [
        ("rare", "train", 2), ("rare", "test", 0),
    ]  # fmt: skip


def test_repeats_within_a_class_are_no_problem_but_told(found: DataCheck) -> None:
    others = [r for r in found.repeats if not r.is_leak and not r.is_conflict]
    assert [{p.path for p in r.places} for r in others] == [
        {"train/cat/09.jpg", "train/cat/again.webp"},
        {"train/coffee/09.jpg", "train/coffee/ink.jpg"},
    ]


def test_oddities(found: DataCheck) -> None:
    assert paths(found, "size") == ["train/cat/tiny.png"]
    assert paths(found, "shape") == ["train/coffee/wide.png"]
    assert paths(found, "blank") == ["train/cat/blank.png"]
    assert paths(found, "frames") == ["train/cat/moving.gif"]
    assert paths(found, "name") == ["train/cat/misnamed.jpg"]
    assert paths(found, "color") == ["train/cat/gray.jpg"]
    assert set(paths(found, "mode")) >= {
        "train/cat/gray.jpg", "train/cat/clear.png", "train/coffee/ink.jpg",
    }  # fmt: skip
    assert found.left_out == ("train/cat/notes.txt",)
    assert found.sides == (20, 150, 600)
    assert found.kinds["JPEG CMYK"] == 1


def test_counts_are_of_pictures_that_can_be_read(found: DataCheck, planted: Path) -> None:
    files = list((planted / "train/cat").glob("*.*"))
    assert dict(zip(found.classes, found.counts["train"], strict=True))["cat"] == len(files) - 2
    assert found.images == sum(map(sum, found.counts.values())) + 1
    assert found.to_dict()["counts"]["test"]["rare"] == 0


def test_a_clean_data_set_has_no_findings(tmp_path: Path, photographs) -> None:
    for label in ("cat", "coffee"):
        (tmp_path / label).mkdir()
        for number in range(3):
            place = (10 * number, 0, 10 * number + 140, 150)
            photographs[label].crop(tuple(3 * n // 2 for n in place)).save(
                tmp_path / label / f"{number}.png"
            )
    found = check_data(tmp_path, smallest=3)
    assert (found.problems, found.broken, found.repeats, found.odd) == ({}, (), (), ())
    assert check_data(tmp_path, smallest=4).problems == {"small_classes": 2}


@pytest.mark.parametrize(("opaque", "unusual"), [(0, 0), (10, 0), (11, 10)])
def test_transparency_is_unusual_unless_most_have_it(tmp_path, photographs, opaque, unusual):
    for number in range(10 + opaque):
        picture = photographs["cat"].crop((number, number, 60 + number, 60 + number))
        path = tmp_path / f"train/cat/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.convert("RGB" if number < opaque else "RGBA").save(path)
    assert len(paths(check_data(tmp_path), "mode")) == unusual


def test_pictures_in_arrays_are_checked_too() -> None:
    dataset = load_dataset("fashion-mini")
    found = check_data(dataset)
    assert (found.images, found.problems, found.kinds, found.left_out) == (4500, {}, {}, ())
    assert found.sides == (28, 28, 28)


def test_progress_counts_every_picture_once(planted: Path) -> None:
    seen: list[tuple[int, int]] = []
    check_data(planted, progress=lambda done, total: seen.append((done, total)))
    total = seen[0][1]
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_nothing_to_check_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class folders"):
        check_data(tmp_path)


def test_no_picture_that_can_be_read_is_a_finding(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(b"no picture")
    found = check_data(tmp_path)
    assert (found.problems, found.sides) == ({"broken": 2, "small_classes": 2}, (0, 0, 0))


# ---- leaks


def test_leaks_name_both_pictures(planted: Path) -> None:
    dataset = load_dataset(planted)
    leaks = find_leaks(dataset, "test")
    assert leaks is not None
    assert (leaks.images, leaks.against) == (len(dataset.splits["test"]), ("train",))
    assert [(leak.path, leak.twin, leak.exact) for leak in leaks.pictures] == [
        ("test/cat/copy.png", "train/cat/03.jpg", True),
        ("test/coffee/smaller.jpg", "train/coffee/03.jpg", False),
    ]
    assert leaks.to_dict()["exact"] == leaks.to_dict()["near"] == 1


def test_leaks_into_another_data_set(planted: Path, tmp_path: Path) -> None:
    (tmp_path / "new" / "cat").mkdir(parents=True)
    Image.open(planted / "train/cat/07.jpg").save(tmp_path / "new/cat/seen.png")
    Image.open(planted / "test/cat/27.jpg").save(tmp_path / "new/cat/judged.png")
    leaks = find_leaks(load_dataset(tmp_path / "new"), "all", load_dataset(planted))
    assert leaks is not None
    assert [leak.twin for leak in leaks.pictures] == ["train/cat/07.jpg"]


def test_one_split_alone_leaks_nowhere(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "one.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.array([0, 0, 1, 1])
    )
    assert find_leaks(load_dataset(tmp_path / "one.npz"), "all") is None
