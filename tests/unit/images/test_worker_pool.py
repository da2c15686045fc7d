"""Pictures that are decoded in processes of their own: what ends one costs no other."""

import io
import operator
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, reduce
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn import images
from kerascnn.errors import PictureError
from kerascnn.images import limits, worker_pool, worker_process


@pytest.fixture(autouse=True)
def _processes() -> Iterator[None]:
    """Begin and end without processes: what a test patches is not in one of another test."""
    worker_pool.stop()
    yield
    worker_pool.stop()


@pytest.fixture(scope="module")
def large() -> bytes:
    """A picture of 3 million pixels, more than is decoded in the calling thread."""
    pixels = np.random.default_rng(0).integers(0, 255, (1500, 2000, 3), np.uint8)
    assert pixels.shape[0] * pixels.shape[1] > limits.PLAIN_PIXELS
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def here(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_large_picture_has_the_same_pixels_and_is_sized_there(large: bytes, tmp_path) -> None:
    (tmp_path / "large.png").write_bytes(large)
    for source in (large, tmp_path / "large.png"):
        assert (images.decode(source) == here(large)).all()
        expected = images.size_picture(here(large), 32, "crop")
        assert (images.prepare(source, 32, "crop") == expected).all()


@pytest.mark.skipif(os.name == "nt", reason="no timer of processor time there")
def test_one_that_takes_too_long_is_told_and_the_next_is_answered(large: bytes) -> None:
    endless = partial(reduce, operator.or_, iter(int, 1))
    with pytest.raises(PictureError, match=r"slow\.png: .*too much time"):
        images.apply_decoded(large, endless, "slow.png")
    assert (images.decode(large) == here(large)).all()


def test_one_that_is_given_up_is_told_at_once(large: bytes, monkeypatch) -> None:
    monkeypatch.setattr(worker_process, "PATIENCE", 0.05)
    endless = partial(reduce, operator.or_, iter(int, 1))
    with pytest.raises(PictureError, match=r"stuck\.png: .*more than 0\.05 s"):
        images.apply_decoded(large, endless, "stuck.png")


def test_one_that_takes_too_much_memory_is_told(large: bytes, monkeypatch) -> None:
    monkeypatch.setattr(worker_pool, "BYTES", 1 << 20)
    with pytest.raises(PictureError, match=r"big\.png: not enough memory"):
        images.decode(large, "big.png")


def test_webp_that_takes_too_much_memory_is_not_called_damaged() -> None:
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "WEBP", lossless=True)
    data = bytearray(file.getvalue())
    place = data.index(b"VP8L") + 9
    side = 10_000 - 1  # in the header: nothing is decoded
    data[place : place + 4] = (side | side << 14).to_bytes(4, "little")
    with pytest.raises(PictureError, match=r"big\.webp: not enough memory"):
        images.decode(bytes(data), "big.webp")


def test_what_others_take_makes_a_picture_wait_and_not_fail(large: bytes, monkeypatch) -> None:
    pool = worker_pool.workers()
    job = {"name": "large.png", "function": None, "max_pixels": None, "source": b""}
    wanted: list[int] = []

    @contextmanager
    def waited(needed: int) -> Iterator[None]:
        wanted.append(needed)
        yield

    with pool._room(pool._memory):
        monkeypatch.setattr(pool, "_room", waited)
        answer, _ = pool.ask(job, large, 100 << 20)
    assert (answer["header"]["width"], wanted) == (2000, [100 << 20])


@pytest.mark.skipif(os.name == "nt", reason="no such signal there")
def test_a_crash_in_the_middle_of_a_picture_is_its_error_alone(large: bytes) -> None:
    crashed = []

    def crash(_height: int, _width: int) -> None:
        (worker,) = worker_pool.workers()._all
        crashed.append(worker)
        os.kill(worker._process.pid, signal.SIGSEGV)

    with pytest.raises(PictureError, match=r"bad\.png: .*ended by signal 11"):
        images.decode(large, "bad.png", accept=crash)
    assert len(crashed) == 1  # it would only crash the next
    assert (images.decode(large) == here(large)).all()


@pytest.mark.skipif(os.name == "nt", reason="no such signal there")
def test_a_process_that_somebody_killed_costs_no_picture(large: bytes) -> None:
    images.decode(large)
    for worker in list(worker_pool.workers()._all):
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
    assert (images.decode(large) == here(large)).all()


def test_what_was_refused_holds_no_picture(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    error = images.attempt(lambda: images.decode(tmp_path / "cut.png"))
    assert isinstance(error, PictureError)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
