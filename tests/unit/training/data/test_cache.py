"""Packs kept from run to run."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn.cli import main
from kerascnn.dataset import Split, load_dataset
from kerascnn.errors import DataError, KerascnnError
from kerascnn.file_lock import locked
from kerascnn.training.data.cache import PackCache, open_cache
from kerascnn.training.data.pack import Pack, pack

SIZE = 24
NOBODY = 65_534
BYTES = 4 * SIZE * SIZE * 3


@pytest.fixture
def folder(tmp_path: Path, photograph: Callable[[int, int], np.ndarray]) -> Path:
    """Four pictures of two classes."""
    for number, label in enumerate(("a", "a", "b", "b")):
        path = tmp_path / "pictures" / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photograph(40 + number, 50)).save(path)
    return tmp_path / "pictures"


@pytest.fixture
def cache(tmp_path: Path) -> PackCache:
    return PackCache(tmp_path / "cache", 10 * BYTES)


class Decoded:
    """Packs a folder and counts the pictures that had to be decoded."""

    def __init__(self, cache: PackCache) -> None:
        self.cache, self.count = cache, 0

    def __call__(self, folder: Path, size: int = SIZE, strict: bool = False) -> Pack:
        self.count = 0
        return pack(self.split(folder), size, "squash", strict, self._note, self.cache)

    def split(self, folder: Path) -> Split:
        return load_dataset(folder).splits["train"]

    def _note(self, done: int) -> None:
        self.count = done


@pytest.fixture
def packed(cache: PackCache) -> Decoded:
    return Decoded(cache)


def test_the_second_run_decodes_nothing_and_sees_the_same(folder: Path, packed: Decoded) -> None:
    first = packed(folder)
    assert packed.count == 4
    second = packed(folder)
    assert packed.count == 0
    np.testing.assert_array_equal(first.images, second.images)
    fresh = pack(packed.split(folder), SIZE, "squash")
    np.testing.assert_array_equal(fresh.images, second.images)
    assert (fresh.names, fresh.digest) == (second.names, second.digest)
    assert fresh.labels.tolist() == second.labels.tolist() == [0, 0, 1, 1]


def test_a_changed_file_of_the_same_size_and_time_is_decoded_again(
    folder: Path, packed: Decoded
) -> None:
    picture = folder / "a" / "0.png"
    Image.new("RGB", (8, 8), "red").save(folder / "a" / "0.bmp")
    picture.unlink()
    before = packed(folder)
    times = (folder / "a" / "0.bmp").stat()
    Image.new("RGB", (8, 8), "blue").save(folder / "a" / "0.bmp")
    os.utime(folder / "a" / "0.bmp", ns=(times.st_atime_ns, times.st_mtime_ns))
    after = packed(folder)
    assert packed.count == 4
    assert (before.images[0] != after.images[0]).any()


def test_other_options_are_another_pack(folder: Path, packed: Decoded, cache: PackCache) -> None:
    packed(folder)
    packed(folder, size=SIZE // 2)
    assert packed.count == 4
    assert {entry.size for entry in cache.entries()} == {SIZE, SIZE // 2}


def test_broken_pictures_are_told_each_time(folder: Path, packed: Decoded) -> None:
    (folder / "a" / "1.png").write_bytes(b"no picture")
    for decoded in (4, 0):
        result = packed(folder)
        assert packed.count == decoded
        assert result.labels.tolist() == [0, 1, 1]
        assert result.names == ("a/0.png", "b/2.png", "b/3.png")
        assert "1.png" in result.skipped[0]
    with pytest.raises(DataError, match=r"1\.png"):
        packed(folder, strict=True)


def test_a_damaged_pack_is_made_again(folder: Path, packed: Decoded, cache: PackCache) -> None:
    packed(folder)
    (cache.entries()[0].folder / "images").write_bytes(b"short")
    packed(folder)
    assert packed.count == 4


def test_what_a_killed_process_left_does_not_matter(
    folder: Path, packed: Decoded, cache: PackCache
) -> None:
    packed(folder)
    (entry,) = cache.entries()
    (entry.folder / "about.json").unlink()
    entry.folder.rename(cache.folder / f".{entry.folder.name}.tmp")
    packed(folder)
    assert packed.count == 4
    assert os.listdir(cache.folder) == [entry.folder.name]


def test_the_limit_drops_what_was_not_used_for_longest(
    folder: Path, tmp_path: Path, cache: PackCache
) -> None:
    small = Decoded(PackCache(cache.folder, 2 * BYTES + 100))
    small(folder, SIZE)
    small(folder, SIZE - 1)
    os.utime(next(e.folder for e in cache.entries() if e.size == SIZE - 1) / "about.json", (1, 1))
    small(folder, SIZE - 2)
    assert {entry.size for entry in cache.entries()} == {SIZE, SIZE - 2}


def test_a_pack_above_the_limit_is_not_kept(folder: Path, cache: PackCache) -> None:
    tiny = Decoded(PackCache(cache.folder, BYTES - 1))
    assert len(tiny(folder)) == 4
    assert not cache.entries()


def test_a_second_process_waits_and_then_uses_what_the_first_made(
    folder: Path, packed: Decoded, cache: PackCache
) -> None:
    import threading

    packed(folder)
    (entry,) = cache.entries()
    hidden = shutil.move(entry.folder, cache.folder.parent / "hidden")
    with locked(cache.folder / f"{entry.folder.name}.lock"):
        second = threading.Thread(target=packed, args=[folder])
        second.start()
        second.join(0.5)
        assert second.is_alive()
        shutil.move(hidden, entry.folder)
    second.join(10)
    assert packed.count == 0


def test_an_unwritable_folder_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KerascnnError, match="cannot write"):
        Decoded(PackCache(tmp_path / "file" / "cache", 10**9))(folder)


def test_the_command_shows_and_clears(folder: Path, tmp_path: Path) -> None:
    cache = open_cache(str(tmp_path / "c"))
    assert cache is not None
    Decoded(cache)(folder)
    options = ["cache", "--cache", str(tmp_path / "c"), "--json"]
    shown = json.loads(CliRunner().invoke(main, options).stdout)
    assert [(p["pictures"], p["size"], p["bytes"]) for p in shown["packs"]] == [(4, SIZE, BYTES)]
    cleared = json.loads(CliRunner().invoke(main, [*options, "--clear"]).stdout)
    assert (cleared["freed"], cleared["packs"]) == (BYTES, [])


def test_what_a_killed_process_had_begun_is_cleared_unless_it_still_writes(cache) -> None:
    for key in ("dead", "alive"):
        begun = cache.folder / f".{key}.tmp"
        begun.mkdir(parents=True)
        (begun / "images").write_bytes(bytes(100))
    with locked(cache.folder / "alive.lock"):
        assert cache.clear() == 100
    assert [path.name for path in cache.folder.iterdir()] == [".alive.tmp"]


def test_a_pack_that_lost_its_pixels_is_made_anew(folder: Path, cache: PackCache, packed) -> None:
    whole = packed(folder).images.copy()
    assert packed(folder) is not None
    assert packed.count == 0
    (pixels,) = cache.folder.glob("*/images")
    data = pixels.read_bytes()
    pixels.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    assert (packed(folder).images == whole).all()
    assert packed.count == 4


def _digest_of(about: dict, pixels: Path) -> str:
    count = int(np.prod(about["shape"]))
    return hashlib.sha256(pixels.read_bytes()[:count]).hexdigest()


_EDITED = [
    {"shape": [2, SIZE, SIZE, 3]},  # a picture fewer than the labels
    {"shape": [3, SIZE // 2, SIZE // 2, 3]},
    {"broken": []},
    {"broken": [[10**9, "x"]]},
    {"broken": [[-1, "x"]]},
    {"broken": [[float("inf"), "x"]]},
]
_NEIGHBOR = {"broken": [[0, "x"]]}
"""Would give a picture its neighbor's label; cannot be told in packs of earlier versions."""


@pytest.mark.parametrize(
    ("changes", "version"),
    [(changes, version) for changes in _EDITED for version in ("this", "earlier")]
    + [(_NEIGHBOR, "this")],
)
def test_a_pack_whose_description_was_edited_is_made_anew(
    folder: Path, packed: Decoded, cache: PackCache, changes: dict, version: str
) -> None:
    (folder / "a" / "1.png").write_bytes(b"no picture")
    whole = packed(folder)
    (about,) = cache.folder.glob("*/about.json")
    edited = {**json.loads(about.read_text()), **changes}
    edited["digest"] = _digest_of(edited, about.with_name("images"))
    if version == "earlier":
        del edited["about"]
    about.write_text(json.dumps(edited))
    found = packed(folder)
    assert packed.count == 4
    assert (found.images == whole.images).all()
    assert (found.labels.tolist(), found.names) == (whole.labels.tolist(), whole.names)


def test_a_pack_of_an_earlier_version_is_used(
    folder: Path, packed: Decoded, cache: PackCache
) -> None:
    packed(folder)
    (about,) = cache.folder.glob("*/about.json")
    found = json.loads(about.read_text())
    del found["about"]
    about.write_text(json.dumps(found))
    packed(folder)
    assert packed.count == 0


def test_a_folder_in_the_lock_s_place_stops_nobody(
    folder: Path, packed: Decoded, cache: PackCache, caplog: pytest.LogCaptureFixture
) -> None:
    packed(folder)
    (entry,) = cache.entries()
    cache.clear()
    (cache.folder / f"{entry.folder.name}.lock").mkdir()
    assert len(packed(folder)) == 4
    assert "continues without caching" in caplog.text


def test_clearing_leaves_what_is_not_ours(folder: Path, cache: PackCache, packed) -> None:
    packed(folder)
    own = cache.folder / "photographs"
    own.mkdir()
    (own / "1.jpg").write_bytes(b"mine")
    (cache.folder / "notes.txt").write_text("mine")
    assert cache.clear() > 0
    assert not cache.entries()
    assert sorted(path.name for path in cache.folder.iterdir()) == ["notes.txt", "photographs"]
    assert (own / "1.jpg").read_bytes() == b"mine"


def test_pictures_that_are_all_broken_are_not_kept(
    folder: Path, cache: PackCache, packed: Decoded, caplog: pytest.LogCaptureFixture
) -> None:
    for path in folder.glob("*/*.png"):
        path.write_bytes(b"no picture")
    for _ in range(2):
        assert len(packed(folder).skipped) == packed.count == 4
    assert not list(cache.folder.glob("*/about.json"))
    assert all(record.message.startswith("left out: ") for record in caplog.records)


def test_only_the_run_that_needs_a_damaged_pack_is_told(
    folder: Path, cache: PackCache, packed: Decoded, caplog: pytest.LogCaptureFixture
) -> None:
    packed(folder)
    (about,) = cache.folder.glob("*/about.json")
    about.write_text('{"shape": [0, 24, 24, 3], "broken": [], "digest": ""}')
    packed(folder, SIZE - 1)
    assert not caplog.records
    packed(folder)
    assert caplog.text.count("it is rebuilt") == 1


@pytest.fixture
def another_user(tmp_path: Path) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Be somebody else for a while, who may look at what this user makes."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can be another user")
    places = [tmp_path, *tmp_path.parents]
    closed = [(place, place.stat().st_mode) for place in places if not place.stat().st_mode & 1]
    for place, mode in closed:
        place.chmod(mode | 0o055)

    @contextmanager
    def become() -> Iterator[None]:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    yield become
    for place, mode in closed:
        place.chmod(mode)


def test_a_second_user_uses_what_the_first_made(folder, cache, packed, another_user) -> None:
    first = packed(folder).images.copy()
    with another_user():
        assert (packed(folder).images == first).all()
    assert packed.count == 0


def test_a_second_user_keeps_packs_in_a_shared_cache(folder, cache, packed, another_user) -> None:
    packed(folder)
    cache.folder.chmod(0o1777)  # as /tmp is
    with another_user():
        packed(folder, SIZE // 2)
        assert packed.count == 4
        packed(folder, SIZE // 2)
        assert packed.count == 0
    assert len(cache.entries()) == 2
    packed(folder, SIZE // 2)
    assert packed.count == 0


def test_a_second_user_who_may_not_write_goes_on_without(
    folder, cache, packed, another_user, caplog
) -> None:
    packed(folder)
    with another_user():
        found = packed(folder, SIZE // 2)
    assert (found.images.shape, packed.count) == ((4, SIZE // 2, SIZE // 2, 3), 4)
    assert "continues without caching" in caplog.text
    assert len(cache.entries()) == 1


def test_a_damaged_pack_of_the_first_user_stops_nobody(
    folder, cache, packed, another_user, caplog
) -> None:
    whole = packed(folder).images.copy()
    cache.folder.chmod(0o1777)
    (pixels,) = cache.folder.glob("*/images")
    pixels.write_bytes(bytes(BYTES))
    with another_user():
        assert (packed(folder).images == whole).all()
    assert "the pack is not cached" in caplog.text
    assert [path.name for path in cache.folder.iterdir()] == [pixels.parent.name]


@pytest.mark.skipif(not hasattr(os, "geteuid") or not os.geteuid(), reason="root may write all")
def test_a_cache_that_may_not_be_written_to_is_read(folder, cache, packed, caplog) -> None:
    packed(folder)
    cache.folder.chmod(0o555)
    packed(folder)
    assert packed.count == 0
    assert len(packed(folder, SIZE // 2).images) == 4
    cache.folder.chmod(0o755)
    assert "continues without caching" in caplog.text
