"""Reads IDX files, the format of MNIST (http://yann.lecun.com/exdb/mnist/), gzipped or not.

Knows: the header, and which files of a folder belong together. Does not know class names: the
format has none, so the classes are "0", "1", ... unless there is a ``classes.txt`` beside it.
"""

from __future__ import annotations

import gzip
import math
import struct
import unicodedata
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerascnn.dataset.faults import STRICT, FaultHandler
from kerascnn.dataset.pictures import ArrayPictures
from kerascnn.dataset.split import Dataset, Split
from kerascnn.errors import DataError
from kerascnn.files import decode_text, lines_of, reading
from kerascnn.zip_files import FLOOR, PICTURES_RATIO

_PREFIXES = {"train": "train", "t10k": "test", "test": "test", "val": "val"}
"""Splits by file name prefix. MNIST and its successors call the test split t10k."""

_UNSIGNED_BYTE = 0x08  # the type code in the header of an IDX file


def idx_files(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Find pairs of picture file and label file in a folder, not in its subfolders, by split."""
    pairs = {}
    for prefix, split in _PREFIXES.items():
        pictures, labels = (
            # A dot before idx: as packages of MNIST name them, beside folders with a hyphen.
            sorted(filter(Path.is_file, folder.glob(f"{prefix}-{kind}[-.]idx{rank}-ubyte*")))
            for kind, rank in (("images", 3), ("labels", 1))
        )
        if pictures and labels:
            pairs[split] = (pictures[0], labels[0])
    return pairs


def load_idx(folder: Path, faults: FaultHandler = STRICT, known: Collection[str] = ()) -> Dataset:
    """Read a folder with IDX files.

    These are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and optionally the same for
    ``t10k`` (test) and ``val``; each may end in ``.gz``. With ``known`` classes of a model, a
    single split is read whatever its name.

    Raises:
        DataError: A file is missing, truncated, or not in this format; counts differ.
    """
    pairs = idx_files(folder)
    if known and len(pairs) == 1:  # evaluation needs no training pictures
        pairs = {"train": next(iter(pairs.values()))}
    if "train" not in pairs:
        raise DataError(
            f"{folder}: no train-images-idx3-ubyte with train-labels-idx1-ubyte. "
            f"Found only: {', '.join(sorted(pairs)) or 'none'}."
        )
    splits = {"train": _split(*pairs.pop("train"))}
    for name, files in pairs.items():
        try:
            splits[name] = _split(*files)
        except DataError as error:
            faults.error(str(error))
    return Dataset(str(folder), _class_names(folder, splits, faults), splits)


def read_idx(path: Path, rank: int) -> npt.NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes.

    Args:
        path: Path of the file; gzipped if it ends in ``.gz``.
        rank: Expected number of dimensions: 3 for pictures, 1 for labels.

    Returns:
        uint8, with the shape in the file's header.

    Raises:
        DataError: Not an IDX file of that rank, truncated, or too large when decompressed.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = _shape(path, file.read(4 + 4 * rank), rank)
            size = math.prod(shape)
            if size > max(FLOOR, PICTURES_RATIO * path.stat().st_size):
                raise DataError(
                    f"{path}: its header says {size:,} bytes of shape {list(shape)}, more than "
                    f"{PICTURES_RATIO} times what the file has. Copy or download it again, or "
                    "unpack it first: gunzip."
                )
            data = file.read(size + 1)  # bounded, in case of a gzip bomb
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot read ({error}). Copy or download it again.") from error
    if len(data) != size:
        raise DataError(
            f"{path}: its header says {size:,} bytes of shape {list(shape)}, but "
            f"{'more' if len(data) > size else f'{len(data):,}'} follow. Copy or download it again."
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _shape(path: Path, header: bytes, rank: int) -> tuple[int, ...]:
    if len(header) < 4 + 4 * rank or header[:4] != bytes([0, 0, _UNSIGNED_BYTE, rank]):
        raise DataError(
            f"{path}: not an IDX file of bytes with {rank} dimensions "
            f"(it begins with {header[:4].hex() or 'nothing'})."
        )
    return struct.unpack(f">{rank}I", header[4:])


def _split(pictures: Path, labels: Path) -> Split:
    array, numbers = read_idx(pictures, 3), read_idx(labels, 1)
    if len(array) != len(numbers) or not len(array):
        raise DataError(
            f"{pictures} has {len(array):,} pictures but {labels} has {len(numbers):,} labels. "
            "Expected as many of each, and at least one."
        )
    return Split(ArrayPictures(array, pictures.name), numbers.astype(np.int64))


def _class_names(folder: Path, splits: dict[str, Split], faults: FaultHandler) -> tuple[str, ...]:
    count = 1 + max(int(split.labels.max()) for split in splits.values())
    numbers = tuple(str(label) for label in range(count))
    file = folder / "classes.txt"
    if not file.exists():
        return numbers
    lines = (line.strip() for line in lines_of(_text(file)))
    names = tuple(unicodedata.normalize("NFC", name) for name in lines if name)
    if len(names) >= count and len(set(names)) == len(names):
        return names
    faults.error(
        f"{file}: {len(names)} names ({len(set(names))} different) for labels up to "
        f"{count - 1}. Expected one name per line, in the order of the labels."
    )
    return numbers


def _text(file: Path) -> str:
    with reading(file, DataError):
        content = file.read_bytes()
    try:
        text = decode_text(content)
        if "\0" in text:
            raise ValueError("it holds zeros")
    except ValueError as error:
        raise DataError(
            f"{file}: not UTF-8 ({error}). Expected one class name per line; save it as UTF-8."
        ) from error
    return text
