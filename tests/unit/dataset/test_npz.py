""".npz files: the names of arrays, and how each mistake is named."""

import io
import random
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kerascnn.dataset import load_dataset
from kerascnn.dataset.check.checking import check_data
from kerascnn.dataset.faults import FaultCollector
from kerascnn.errors import DataError


@pytest.fixture(scope="module")
def clothes() -> tuple[np.ndarray, np.ndarray]:
    """60 of the built-in pictures, 28 x 28, gray, with their labels."""
    train = load_dataset("fashion-mini").splits["train"]
    order = np.random.default_rng(0).permutation(len(train))[:60]
    return np.stack([train.pictures[int(i)][..., 0] for i in order]), train.labels[order]


def save(**arrays: np.ndarray) -> Path:
    np.savez_compressed("data.npz", **arrays)
    return Path("data.npz")


def test_names_of_keras(clothes) -> None:
    pictures, labels = clothes
    file = save(
        x_train=pictures[:40], y_train=labels[:40], x_val=pictures[40:50], y_val=labels[40:50],
        x_test=pictures[50:], y_test=labels[50:],
    )  # fmt: skip
    dataset = load_dataset(file)
    assert dataset.classes == tuple("0123456789")
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 40, "val": 10, "test": 10,
    }  # fmt: skip
    test = dataset.splits["test"]
    assert test.labels.tolist() == labels[50:].tolist()
    assert np.array_equal(test.pictures[3][..., 1], pictures[53])
    assert test.pictures.name(3) == "data.npz/x_test[3]"


@pytest.mark.parametrize(
    ("pictures_name", "labels_name"),
    [
        ("train_images", "train_labels"),
        ("images", "labels"),
        ("x", "y"),
        ("train_X", "Train_Y"),
        ("TrainImages", "TrainLabels"),
        ("data", "target"),
    ],
)
def test_other_names_and_columns_of_labels(clothes, pictures_name, labels_name) -> None:
    pictures, labels = clothes
    file = save(**{pictures_name: pictures[..., None], labels_name: labels[:, None].astype("u1")})
    train = load_dataset(file).splits["train"]
    assert train.labels.tolist() == labels.tolist()
    assert np.array_equal(train.pictures[0], np.repeat(pictures[0][..., None], 3, 2))


@pytest.mark.parametrize("kind", ["f4", "i8", "u2"])
def test_pictures_and_labels_of_other_types_that_can_mean_one_thing(clothes, kind: str) -> None:
    pictures, labels = clothes
    first = np.stack([pictures] * 3, 1).astype(kind)  # channels first, as PyTorch has them
    for given in (labels.astype("f4"), np.eye(10)[labels], labels[:, None].astype("f8")):
        train = load_dataset(save(x=first, y=given)).splits["train"]
        assert train.labels.tolist() == labels.tolist()
        assert np.array_equal(train.pictures[5], np.stack([pictures[5]] * 3, 2))
    names = np.array([f"옷{number}".encode() for number in range(10)])
    for given in ({"y": names[labels]}, {"y": labels, "class_names": names}):
        dataset = load_dataset(save(x=pictures, **given))
        assert dataset.classes == tuple(name.decode() for name in names)
        assert dataset.splits["train"].labels.tolist() == labels.tolist()


def test_splits_are_known_by_words_and_other_arrays_are_named(clothes, caplog) -> None:
    pictures, labels = clothes
    pairs = {}
    for split in ("train", "valid", "testing"):
        pairs |= {f"X_{split}": pictures, f"Y_{split}": labels}
    dataset = load_dataset(save(**pairs, ids=labels, x_train_valid=pictures, images=pictures))
    assert list(dataset.splits) == ["train", "val", "test"]
    assert "left out: ids, x_train_valid, images" in caplog.text


def test_colors_stay(photograph) -> None:
    pictures = np.stack([photograph(8, 6), photograph(8, 6)[::-1]])
    train = load_dataset(save(images=pictures, labels=np.array([0, 1]))).splits["train"]
    assert np.array_equal(train.pictures[1], pictures[1])


def test_class_names_in_their_own_order(clothes) -> None:
    pictures, labels = clothes
    names = np.array([f"옷 {number}" for number in range(10)][::-1])
    dataset = load_dataset(save(images=pictures, labels=labels, classes=names))
    assert dataset.classes == tuple(names)
    as_text = load_dataset(save(images=pictures, labels=names[labels], classes=names))
    assert as_text.splits["train"].labels.tolist() == labels.tolist()


def test_class_names_as_labels_are_sorted(clothes) -> None:
    pictures, labels = clothes
    names = np.array(["z", "cafe\u0301", "caf\u00e9"] + ["a"] * 7)
    dataset = load_dataset(save(images=pictures, labels=names[labels]))
    assert dataset.classes == ("a", "caf\u00e9", "z")


def broken(pictures: np.ndarray, labels: np.ndarray) -> list[tuple[dict[str, np.ndarray], str]]:
    beyond, negative = labels.copy(), labels.copy()
    beyond[7], negative[3] = 10, -1
    names = np.array(list("abcdefghij"))
    pair = {"images": pictures, "labels": labels}
    return [
        ({}, "holds nothing. Expected x_train and y_train"),
        ({"foo": pictures}, "holds foo. Expected"),
        ({"x_train": pictures}, "holds x_train but no labels for it"),
        ({**pair, "x_test": pictures}, "holds x_test but no labels for it"),
        ({**pair, "valid_y": labels}, "holds valid_y but no pictures for it"),
        ({"images": pictures / 255, "labels": labels}, "float64 from 0 to 1, expected"),
        ({"images": pictures - 1.0, "labels": labels}, "float64 from -1 to 254, expected uint8"),
        ({"images": pictures * 1.5, "labels": labels}, "float64 from 0 to 382.5, expected uint8"),
        ({"images": pictures // 16 * 1.0, "labels": labels}, "from 0 to 15, expected uint8"),
        ({"images": pictures > 9, "labels": labels}, "images: values of type bool, expected"),
        ({"images": pictures[0], "labels": labels}, "shape .28, 28., expected"),
        ({"images": pictures, "labels": labels[1:]}, "Expected as many labels"),
        ({"images": pictures[:0], "labels": labels[:0]}, "at least one"),
        ({"images": pictures, "labels": 2 * np.eye(10)[labels]}, r"one each.*Several labels"),
        (
            {"images": pictures, "labels": np.ones((60, 10))},
            r"one each.*Several labels per picture",
        ),
        ({"images": pictures.reshape(60, -1), "labels": labels}, r"784\].*width, 3\]\.$"),
        ({"images": pictures, "labels": labels / 2}, "labels: values of type float64"),
        ({"images": pictures, "labels": negative}, r"labels\[3\]: label -1 is not one of the"),
        ({"images": pictures, "labels": labels * 1000}, "some class has none"),
        (
            {**pair, "x_test": pictures, "y_test": beyond},
            r"y_test\[7\]: label 10 is not one of the",
        ),
        ({**pair, "classes": names[:5]}, r"is not one of the classes \(a, b, c, d, e\)"),
        ({**pair, "classes": np.array(["a"] * 10)}, "classes: 1 different"),
        ({**pair, "classes": np.arange(10)}, "classes: 10 different values of type int64"),
    ]


def test_each_mistake_names_the_array(clothes) -> None:
    for arrays, message in broken(*clothes):
        with pytest.raises(DataError, match=message):
            load_dataset(save(**arrays))


def test_a_pickle_is_not_loaded(clothes) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (Path("ran").touch, ())

    file = save(images=clothes[0], labels=np.array([Bomb()] * 60, object))
    with pytest.raises(DataError, match=r"labels\.npy holds Python objects"):
        load_dataset(file)
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04rubbish", b"\x80\x04N.", b"path,label\n", b"<!DOCTYPE html>"]
)
def test_no_archive(content: bytes) -> None:
    Path("data.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"data\.npz: ") as caught:
        load_dataset("data.npz")
    assert "allow_pickle" not in str(caught.value)


def test_one_array_is_no_archive() -> None:
    with Path("data.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="one array"):
        load_dataset("data.npz")


def test_damaged_archives_never_crash_and_never_give_other_labels(clothes) -> None:
    pictures, labels = clothes
    file = save(images=pictures[:, :4, :4], labels=labels)
    whole, rng, refused = file.read_bytes(), random.Random(0), 0
    for _ in range(300):
        changed = bytearray(whole)
        changed[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.1:
            del changed[rng.randrange(len(whole)) :]
        file.write_bytes(changed)
        try:
            found = load_dataset(file).splits["train"].labels
        except DataError:
            refused += 1
        else:  # only what a zip archive does not protect was hit
            assert found.tolist() == labels.tolist()
    assert refused > 100


@pytest.mark.parametrize(
    ("shape", "kind", "data"),
    [
        ((3_000_000_000,), "u1", bytes(200)),  # a header that lies
        ((2**40, 2**40), "u1", bytes(200)),
        ((70, 10**6), "u1", bytes(70 * 10**6)),  # one that does not
        ((10**12,), "U0", b""),  # values without a size
    ],
)
def test_a_bomb_is_one_line_and_takes_no_memory(clothes, shape, kind, data) -> None:
    file = save(images=clothes[0], labels=clothes[1])
    header = io.BytesIO()
    described = {"descr": f"|{kind}", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("classes.npy", header.getvalue() + data)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"data\.npz: cannot be read .*(declares|unpack to)"):
            load_dataset(file)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_text_that_is_none_is_told(clothes) -> None:
    names = np.frombuffer(np.full(10, 0x0100_0000, "<u4").tobytes(), "<U1")
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(save(images=clothes[0], labels=clothes[1], classes=names))


def test_a_split_without_a_known_label_is_left_out(clothes) -> None:
    pair = {"images": clothes[0], "labels": clothes[1]}
    file = save(**pair, x_test=clothes[0], y_test=np.full(60, 99))
    faults = FaultCollector()
    assert set(load_dataset(file, faults).splits) == {"train"}
    assert "99 is not one of the classes" in faults.found[0]


def test_arrays_that_a_model_is_evaluated_on_need_no_training_pictures(clothes) -> None:
    pictures, labels = clothes
    file = save(x_test=pictures, y_test=labels)
    assert len(load_dataset(file, known=list("0123456789")).splits["train"]) == 60
    with pytest.raises(DataError, match=r"holds x_test, y_test\. Expected x_train"):
        load_dataset(file)


def test_files_written_by_python_2_are_read_in_silence(clothes) -> None:
    pictures, labels = clothes
    with zipfile.ZipFile("data.npz", "w") as archive:
        for name, array in (("images", pictures), ("labels", labels)):
            buffer = io.BytesIO()
            np.save(buffer, array)
            old = buffer.getvalue().replace(b"(60,", b"(60L,", 1).replace(b"} ", b"}", 1)
            archive.writestr(f"{name}.npy", old)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_dataset("data.npz").splits["train"].labels.tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("label", "words"), [(2**62, "so some class has none"), (-(2**62), "all labels are below 0")]
)
def test_a_check_of_labels_that_are_all_wrong_ends_with_their_fault(
    clothes, label: int, words: str
) -> None:
    """No split is left then; it was a traceback."""
    file = save(images=clothes[0], labels=np.full(60, label))
    with pytest.raises(DataError, match=words):
        load_dataset(file)
    try:
        faults = "".join(check_data(file).faults)
    except DataError as error:
        faults = str(error)
    assert words in faults
