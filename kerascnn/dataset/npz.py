"""Reads ``.npz`` files with pictures and labels as arrays.

Knows: the names of the arrays, and their valid contents. Does not know where they come from.
Pickles are never loaded, because they can run arbitrary code.
"""

from __future__ import annotations

import math
import unicodedata
import warnings
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from kerascnn.dataset.class_names import similar_class
from kerascnn.dataset.faults import STRICT, FaultHandler
from kerascnn.dataset.npz_names import arrays_by_name
from kerascnn.dataset.pictures import ArrayPictures
from kerascnn.dataset.split import Dataset, Split
from kerascnn.errors import DataError, kind_and_line
from kerascnn.printable import first_few
from kerascnn.zip_files import PICTURES_RATIO, check_for_zip_bomb

Array: TypeAlias = npt.NDArray[Any]

_WHITE, _HALF = 255, 127
"""Highest value of a picture, and what it exceeds if that is white, not 1 or 16."""

_NPY = np.lib.format.MAGIC_PREFIX

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""Header readers by version; numpy writes other versions only for structured arrays."""

_EXPECTED = (
    "Expected x_train and y_train, with x_val, y_val, x_test, y_test if there are any "
    "(or train_images, train_labels and so on, or images and labels)"
)


def load_npz(file: Path, faults: FaultHandler = STRICT, known: Collection[str] = ()) -> Dataset:
    """Read pictures and labels from an ``.npz`` file written by ``numpy.savez``.

    ``x_train`` contains the pictures, uint8 ``[pictures, height, width]``, ``[.., 1]`` or ``[..,
    3]`` (RGB), and ``y_train`` the labels: class names, or numbers from 0, whose names are in the
    optional array ``classes``. Likewise ``x_val``, ``y_val``, ``x_test``, ``y_test``;
    ``train_images``, ``train_labels`` and so on; or only ``images`` and ``labels``. With ``known``
    classes of a model, a single split is read whatever its name. Without ``classes`` they are
    sorted by name, or "0", "1", ... for numbers.

    Raises:
        DataError: Not an NPZ file of pictures, or invalid arrays, with their names.
    """
    arrays = _read(file)
    found = arrays_by_name(arrays)
    pairs = found.pairs
    if known and len(pairs) == 1:  # evaluation needs no training pictures
        pairs = {"train": next(iter(pairs.values()))}
    if found.halves:
        half, other = found.halves[0]
        raise DataError(f"{file}: holds {half} but no {other} for it. {_EXPECTED}.")
    if "train" not in pairs:
        raise DataError(f"{file}: holds {first_few(list(arrays), 20) or 'nothing'}. {_EXPECTED}.")
    if found.others:
        faults.notice(f"{file}: left out: {first_few(found.others, 20)}")
    train = _checked(file, arrays, *pairs["train"])[1]
    classes = _classes(file, found.classes, arrays, train, faults)
    splits = {}
    for split, (pictures, names) in pairs.items():
        try:
            array, labels = _checked(file, arrays, pictures, names)
        except DataError as error:
            faults.error(str(error))
            continue
        numbers = _numbers(f"{file}, {names}", labels, classes, faults)
        whole = Split(ArrayPictures(array, f"{file.name}/{pictures}"), numbers)
        labeled = np.flatnonzero(numbers >= 0)
        if len(labeled) or split == "train":  # a FaultCollector continues with an empty split
            splits[split] = whole if len(labeled) == len(whole) else whole.take(labeled)
    return Dataset(str(file), classes, splits)


def _loaded(file: Path, opened: BinaryIO) -> dict[str, Any]:
    if zipfile.is_zipfile(opened):
        _check_for_zip_bomb(file)
    opened.seek(0)
    if opened.read(2) not in (b"PK", _NPY[:2]):
        raise ValueError("not an archive of NumPy")  # numpy would take it for a pickle
    opened.seek(0)
    archive = np.load(opened, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError(f"{file}: one array, not an .npz archive. Write it with np.savez.")
    with archive:
        return {name: archive[name] for name in archive.files}


def _read(file: Path) -> dict[str, Array]:
    try:
        # Opened here, because np.load leaves a file open that is not an archive.
        with warnings.catch_warnings(), file.open("rb") as opened:
            warnings.simplefilter("ignore")  # of headers by Python 2, read anyway
            arrays = _loaded(file, opened)
        for array in arrays.values():
            if isinstance(array, np.ndarray) and array.dtype.kind == "U":
                array.tolist()  # fails here for invalid Unicode, not in later code
    except DataError:
        raise
    except Exception as error:
        # zlib, lzma, struct, EOF, Value, Key, NotImplemented, ...: anything that damaged zip and
        # npy headers cause. An array of objects, which would need pickle, is a ValueError.
        raise DataError(
            f"{file}: cannot be read ({kind_and_line(error)}). "
            "Expected arrays of numbers or text written with np.savez."
        ) from error
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}


def _check_for_zip_bomb(file: Path) -> None:
    """Refuse arrays that claim more data than they have: numpy allocates before it reads."""
    check_for_zip_bomb(file, PICTURES_RATIO)
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if not entry.filename.endswith(".npy"):
                continue
            with archive.open(entry) as member:
                read = _HEADERS.get(np.lib.format.read_magic(member))
                shape, _, kind = read(member) if read else ((), False, np.dtype("u1"))
            if kind.hasobject:
                raise ValueError(f"{entry.filename} holds Python objects, which need pickle")
            # Values of size 0 could have any number in a few bytes.
            needed = math.prod(shape) * max(1, kind.itemsize)
            if needed > entry.file_size:
                raise ValueError(
                    f"{entry.filename} declares values of shape {list(shape)} and type {kind}, "
                    f"and holds {entry.file_size:,} bytes"
                )


def _checked(
    file: Path, arrays: dict[str, Array], pictures: str, names: str
) -> tuple[Array, Array]:
    """Check a pair of arrays, and return the pictures as uint8 and the labels in one dimension."""
    array, labels = _pixels(f"{file}, {pictures}", arrays[pictures]), _one_each(arrays[names])
    if labels.ndim != 1 or len(labels) != len(array) or 0 in array.shape:
        several = labels.ndim == 2 and len(labels) == len(array)
        raise DataError(
            f"{file}: {pictures} has shape {list(array.shape)}, {names} {list(labels.shape)}. "
            "Expected as many labels as pictures, one each, and at least one."
            f"{' Several labels per picture are not supported.' if several else ''}"
        )
    if labels.dtype.kind not in "iuU":
        raise DataError(
            f"{file}, {names}: values of type {labels.dtype}, expected whole numbers from 0, or "
            "class names."
        )
    return array, labels


def _pixels(where: str, array: Array) -> Array:
    """Return pictures as uint8 with the channels last, where these are certain."""
    if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] not in (1, 3):
        array = np.moveaxis(array, 1, 3)
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3)):
        raise DataError(
            f"{where}: shape {list(array.shape)}, expected [pictures, height, width] or "
            "[pictures, height, width, 3]."
        )
    if array.dtype == np.uint8 or not array.size:
        return array
    between = ""
    if array.dtype.kind in "iuf":
        low, high = array.min(), array.max()
        between = f" from {low:g} to {high:g}"
        if low >= 0 and _HALF < high <= _WHITE and np.array_equal(array, array.astype(np.uint8)):
            return array.astype(np.uint8)
    raise DataError(
        f"{where}: values of type {array.dtype}{between}, expected uint8 from 0 to 255. "
        "Convert them first: guessing their range could give wrong results."
    )


def _one_each(labels: Array) -> Array:
    """Return labels that are one-hot, whole numbers of another type, or bytes, as usual ones."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "buif":
        one = np.count_nonzero(labels, axis=1) == 1
        if (one & (labels.max(axis=1, initial=0) == 1)).all():
            return np.asarray(labels.argmax(axis=1), np.int64)
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "f" and np.array_equal(labels, np.round(labels)):
        return labels.astype(np.int64)
    return labels


def _classes(
    file: Path, name: str | None, arrays: dict[str, Array], train: Array, faults: FaultHandler
) -> tuple[str, ...]:
    names = _one_each(arrays[name]) if name else None
    if names is None and train.dtype.kind == "U":
        return tuple(sorted({_name(name) for name in train}))
    if names is None:
        return tuple(str(number) for number in range(_count(file, train, faults)))
    classes = tuple(_name(name) for name in names.ravel())
    if names.dtype.kind != "U" or names.ndim != 1 or len(set(classes)) < len(classes):
        raise DataError(
            f"{file}, {name}: {len(set(classes))} different values of type {names.dtype}, shape "
            f"{list(names.shape)}. Expected one name per class, each once, as text."
        )
    return classes


def _count(file: Path, train: Array, faults: FaultHandler) -> int:
    """Return the number of classes for numeric labels without class names."""
    highest = int(train.max())
    if highest < 0:
        raise DataError(f"{file}: all labels are below 0. Expected numbers from 0 without gaps.")
    if highest >= len(train):
        faults.error(
            f"{file}: labels up to {highest:,} for {len(train):,} training pictures, so some "
            f"class has none. Expected numbers from 0 without gaps, or an array classes."
        )
        return len(train)
    if missing := sorted(set(range(highest + 1)) - set(train.tolist())):
        faults.warning(
            f"{file}: no training pictures have label {first_few(missing, 10)}. Expected numbers "
            f"from 0 without gaps, or an array classes."
        )
    return highest + 1


def _numbers(
    where: str, labels: Array, classes: tuple[str, ...], faults: FaultHandler
) -> npt.NDArray[np.int64]:
    """Turn labels into class indices; -1 for labels that are not a class."""
    order = {name: number for number, name in enumerate(classes)}
    if labels.dtype.kind == "U":
        found = [order.get(_name(name), -1) for name in labels]
    else:
        found = [int(n) if 0 <= n < len(classes) else -1 for n in labels]
    numbers = np.asarray(found, np.int64)
    if (numbers < 0).any():
        place, count = int(np.argmax(numbers < 0)), int((numbers < 0).sum())
        others = f" {count - 1:,} other labels are none either." if count > 1 else ""
        faults.error(
            f"{where}[{place}]: label {labels[place]!s} is not one of the classes "
            f"({first_few(classes, 20)}).{others} Correct it."
            f"{similar_class(_name(labels[place]), classes)}"
        )
    return numbers


def _name(name: object) -> str:
    return unicodedata.normalize("NFC", str(name).strip())
