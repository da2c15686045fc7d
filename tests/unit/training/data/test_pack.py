"""Where decoded pictures are kept when no cache has them."""

import errno
import mmap
import os

import numpy as np
import pytest

from kerascnn.dataset import Split, load_dataset
from kerascnn.errors import KerascnnError
from kerascnn.training.data import pack


@pytest.fixture
def split() -> Split:
    return load_dataset("fashion-mini").splits["test"]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_many_pictures_lie_in_a_file_with_the_same_pixels(split, monkeypatch) -> None:
    few = pack.pack(split, 28, "pad").images
    assert not isinstance(few, np.memmap)
    monkeypatch.setattr(pack, "IN_MEMORY", few.nbytes - 1)
    many = pack.pack(split, 28, "pad").images
    assert isinstance(many, np.memmap) and np.array_equal(many, few)


def test_without_room_for_a_file_they_are_in_memory_if_they_are_not_too_many(
    split, monkeypatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    monkeypatch.setattr(pack, "IN_MEMORY", 0)
    few = pack.pack(split, 28, "pad").images
    assert not isinstance(few, np.memmap)
    monkeypatch.setattr(pack, "MOST_IN_MEMORY", few.nbytes - 1)
    with pytest.raises(KerascnnError, match="No space left"):
        pack.pack(split, 28, "pad")


@pytest.mark.parametrize("part", [slice(None), slice(3, None), slice(1, None, 2)])
def test_what_is_read_ahead_are_the_pages_of_the_pictures(tmp_path, part) -> None:
    side = 40  # not a whole number of pages
    whole = np.memmap(tmp_path / "pack", np.uint8, "w+", shape=(20, side, side, 3))
    whole[:] = np.random.default_rng(0).integers(0, 256, whole.shape, np.uint8)
    pictures, chosen = whole[part], np.array([2, 0, 5], np.int32)
    found = list(pack.pages_of(pictures, whole._mmap, chosen))
    asked = [whole._mmap[start : start + length] for start, length in found]
    assert all(start % mmap.PAGESIZE == 0 for start, _ in found)
    for number, pages in zip(chosen, asked, strict=True):
        assert pages.endswith(pictures[number].tobytes())
        assert len(pages) < pictures[number].nbytes + mmap.PAGESIZE
    pack.read_ahead(pictures, chosen)
    pack.read_ahead(np.array(pictures), chosen)  # not mapped
