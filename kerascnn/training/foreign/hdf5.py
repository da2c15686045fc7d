"""The check of an HDF5 file of weights: plain numbers, all stored inside it.

Knows: HDF5's ways to refer to other files (links, external storage, virtual data sets), to declare
more than is stored, and to run filters. Does not know: what the numbers are for.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from kerascnn.errors import ModelFileError

_OBJECTS = 100_000
"""Maximum number of groups and data sets; the largest network of the table has 5,000."""

_COUNTED_TWICE = "_layer_checkpoint_dependencies"
"""Name of the group of layers in the ``.keras`` files of Keras 2.12 and 2.13."""

_KINDS = "biufVS"
"""Allowed kinds of NumPy types: numbers, bfloat16 (``V``) and bytes; the rest are references and
pointers."""


_SAVE_AGAIN = (
    "Load it with Keras where it was made, and save it again: model.save('model.keras'), or "
    "model.save_weights('model.weights.h5')."
)

_HEAP, _HEAP_HEADER = re.compile(rb"GCOL\x01"), 16
"""Start of a heap, in which strings of variable length are stored, and the length of its header and
of each object's, in bytes."""


@contextmanager
def opened(path: Path, mode: str = "r") -> Iterator[h5py.File]:
    """Open an HDF5 file in which nothing makes the library loop forever.

    Raises:
        ValueError: Its heaps declare impossible sizes of their objects.
        OSError: It is no HDF5 file.
    """
    with h5py.File(path, mode) as file:
        if file.id.get_create_plist().get_sizes() != (8, 8):
            raise ValueError("its addresses or lengths do not have 8 bytes")
        _check_heaps(path)
        yield file


def _check_heaps(path: Path) -> None:
    """Walk through all heaps as the library does, which loops forever at an object of size 0."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for found in _HEAP.finditer(data):
            place, size = found.start() + _HEAP_HEADER, _length(data, found.start() + 8)
            end = found.start() + size
            if size < _HEAP_HEADER or end > len(data):
                continue  # a chance match among values, or the library refuses it
            while place + _HEAP_HEADER <= end:
                (number,), length = struct.unpack_from("<H", data, place), _length(data, place + 8)
                needed = _HEAP_HEADER + (length + 7) // 8 * 8 if number else length
                if not _HEAP_HEADER <= needed <= end - place:
                    raise ValueError(f"a heap holds an object of {length:,} bytes, which cannot be")
                place += needed


def _length(data: mmap.mmap, place: int) -> int:
    found: int = struct.unpack_from("<Q", data, place)[0] if place + 8 <= len(data) else 0
    return found


def check_values(path: Path, file: h5py.Group) -> int:
    """Check that all values of a file are plain, stored, and inside it.

    Reading them then takes no more memory than the file takes on disk.

    Returns:
        Size of all values, in bytes.

    Raises:
        ModelFileError: They are not; the message names the first exception.
    """
    total, waiting, seen = 0, [file], {_place(file)}
    while waiting:
        group = waiting.pop()
        for name in group:
            where = f"{path}: {f'{group.name}/{name}'.lstrip('/')!r}"
            found = _inside(group, name, where)
            if _place(found) in seen:
                raise _is_link(where)
            seen.add(_place(found))
            if len(seen) > _OBJECTS:
                raise ModelFileError(f"{path}: holds more than {_OBJECTS:,} groups and data sets.")
            if isinstance(found, h5py.Group):
                waiting.append(found)
            else:
                total += _stored(found, where)
    return total


def number_layers_once(group: h5py.Group) -> None:
    """Renumber the layers of each class where Keras 2.12 and 2.13 counted those with weights twice.

    Among layers ``dense``, ``dense_2`` and ``dense_4`` the third is ``dense_2`` in this Keras.
    """
    inner = [name for name in group if isinstance(group[name], h5py.Group)]
    for name in inner:
        number_layers_once(group[name])
    if not group.name.endswith(_COUNTED_TWICE):
        return
    numbered: dict[str, list[int]] = {}
    for name in inner:
        layer, _, number = name.rpartition("_")
        known = bool(layer) and number.isdecimal()
        if group[name].visit(lambda path: path.endswith("vars/0") or None):
            numbered.setdefault(layer if known else name, []).append(int(number) if known else 0)
        else:
            del group[name]  # a layer without weights, whose number another one may get
    for layer, numbers in numbered.items():
        for before, number in enumerate(sorted(numbers)):
            if before:
                group.move(f"{layer}_{number}", f"{layer}_{number - before}")


def _inside(group: h5py.Group, name: str, where: str) -> h5py.Group | h5py.Dataset:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise _is_link(where)
    found = group[name]
    if not isinstance(found, h5py.Group | h5py.Dataset):
        raise ModelFileError(f"{where} is neither a group nor a data set.")
    return found


def _is_link(where: str) -> ModelFileError:
    return ModelFileError(
        f"{where} is a link to another file or place. Expected the weights themselves. "
        f"{_SAVE_AGAIN}"
    )


def _stored(values: h5py.Dataset, where: str) -> int:
    """Return the size of a plain data set, in bytes."""
    if values.external or values.is_virtual:
        raise ModelFileError(
            f"{where}: its values are in another file. Expected all weights in one file. "
            f"{_SAVE_AGAIN}"
        )
    if values.dtype.kind not in _KINDS or values.dtype.hasobject:
        raise ModelFileError(
            f"{where}: holds {values.dtype}. Expected real numbers, not references to other things."
        )
    if values.id.get_create_plist().get_nfilters():
        raise ModelFileError(
            f"{where}: its values are compressed by a filter of HDF5, which Keras never does. "
            "Save the weights again with Keras."
        )
    if values.shape and values.id.get_storage_size() < values.nbytes:
        raise ModelFileError(
            f"{where}: declares {values.nbytes:,} bytes (shape {list(values.shape)}), but "
            f"{values.id.get_storage_size():,} are stored."
        )
    return int(values.nbytes)


def _place(found: h5py.Group | h5py.Dataset) -> int:
    return int(h5py.h5o.get_info(found.id).addr)
