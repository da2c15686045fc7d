"""IDX files, plain and gzipped, and the built-in part of Fashion-MNIST."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from kerascnn.dataset import builtin, load_dataset
from kerascnn.errors import DataError


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder() -> Path:
    """The first 50 built-in pictures, as MNIST's own files are."""
    train = load_dataset("fashion-mini").splits["train"]
    pictures = np.stack([train.pictures[index][..., 0] for index in range(50)])
    target = Path("idx")
    target.mkdir()
    (target / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures)))
    (target / "train-labels-idx1-ubyte").write_bytes(idx(train.labels[:50].astype(np.uint8)))
    return target


def test_gzipped_and_plain_files_are_read(folder: Path) -> None:
    dataset, original = load_dataset(folder), load_dataset("fashion-mini").splits["train"]
    train = dataset.splits["train"]
    assert dataset.classes == tuple("0123456789")
    assert train.labels.tolist() == original.labels[:50].tolist()
    assert np.array_equal(train.pictures[7], original.pictures[7])


def test_files_with_a_dot_in_their_names_beside_folders_with_a_hyphen(folder: Path) -> None:
    """So they are in the archive of MNIST that most people download."""
    expected = load_dataset(folder).splits["train"].labels.tolist()
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
        path.mkdir()
    assert load_dataset(folder).splits["train"].labels.tolist() == expected


def test_test_pictures_alone_are_enough_for_evaluation(folder: Path) -> None:
    expected = load_dataset(folder).splits["train"].labels.tolist()
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("train", "t10k")))
    found = load_dataset(folder, known=("0", "1"))
    assert [split.labels.tolist() for split in found.splits.values()] == [expected]
    with pytest.raises(DataError, match="Found only: test"):
        load_dataset(folder)


def test_class_names_beside_the_files(folder: Path) -> None:
    (folder / "classes.txt").write_text("\n".join(builtin.CLASSES), encoding="utf-8")
    assert load_dataset(folder).classes == builtin.CLASSES
    (folder / "classes.txt").write_text("only\ntwo\n", encoding="utf-8")
    with pytest.raises(DataError, match="2 names"):
        load_dataset(folder)


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("train-images-idx3-ubyte.gz", lambda data: data[:100], "cannot read"),
        ("train-images-idx3-ubyte.gz", lambda _: gzip.compress(b"GIF89a"), "not an IDX file"),
        ("train-labels-idx1-ubyte", lambda data: data[:-1], "its header says 50 bytes"),
        ("train-labels-idx1-ubyte", lambda _: idx(np.zeros(49, np.uint8)), "49 labels"),
        ("train-labels-idx1-ubyte", lambda _: b"", "begins with nothing"),
    ],
)
def test_damage_is_named(folder: Path, file: str, damage, message: str) -> None:
    path = folder / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        load_dataset(folder)


@pytest.mark.parametrize(
    ("shape", "content"),
    [((4_000_000, 32, 32), 100), ((70_000, 32, 32), 7 * 10**7), ((50, 28, 28), 7 * 10**7)],
)
def test_a_bomb_is_one_line_and_takes_no_memory(folder: Path, shape, content: int) -> None:
    header = struct.pack(">I3I", 0x803, *shape)
    bomb = gzip.compress(header + bytes(content), 1)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="its header says"):
            load_dataset(folder)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_the_built_in_pictures_are_those_of_the_original_files(fashion_mnist: Path) -> None:
    original, mini = load_dataset(fashion_mnist), load_dataset("fashion-mini")
    for split, count in (("train", 400), ("test", 50)):
        assert np.bincount(mini.splits[split].labels).tolist() == [count] * 10
        first_bags = np.flatnonzero(original.splits[split].labels == 8)[:count]
        ours = np.flatnonzero(mini.splits[split].labels == 8)
        for there, here in zip(first_bags[::20], ours[::20], strict=True):
            assert np.array_equal(
                original.splits[split].pictures[int(there)], mini.splits[split].pictures[int(here)]
            )


def test_the_built_in_file_is_small_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(builtin.__file__).with_name(builtin.FILE)
    assert file.stat().st_size <= 2_000_000
    assert "MIT" in file.with_name("NOTICE").read_text(encoding="utf-8")
    monkeypatch.setattr(builtin, "SHA256", "0" * 64)
    with pytest.raises(DataError, match="was changed"):
        load_dataset("fashion-mini")
