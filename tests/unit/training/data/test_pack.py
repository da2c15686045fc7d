"""Where decoded pictures are kept when no cache has them."""

import errno
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
