"""files.py: a crash never leaves half a file or destroys a good one."""

import errno
import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kerascnn import files
from kerascnn.cli.settings_file import read_settings
from kerascnn.errors import KerascnnError
from kerascnn.file_lock import locked
from kerascnn.files import (
    atomic_write,
    did_you_mean,
    is_temporary,
    read_text,
    sha256_of,
    write_text,
)
from kerascnn.leftovers import exclusive_atomic_write, remove_leftovers, temporary_folder
from kerascnn.serving import ServeConfig
from kerascnn.serving.http.listeners import check_certificate
from kerascnn.training.data.preallocation import preallocate, preallocate_unnamed


def test_replaces_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.txt"
    write_text(target, "one")
    write_text(target, "둘")
    assert target.read_text(encoding="utf-8") == "둘"
    assert os.listdir(target.parent) == ["file.txt"]


def test_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_text(target, "good")
    with pytest.raises(RuntimeError), atomic_write(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "good"
    assert os.listdir(tmp_path) == ["file.txt"]


@pytest.mark.parametrize(("refusals", "content"), [(3, "new"), (99, "old")])
def test_windows_waits_until_others_have_closed_a_file(
    tmp_path: Path, monkeypatch, refusals: int, content: str
) -> None:
    target = tmp_path / "history.csv"
    target.write_text("old")
    left, real = [None] * refusals, Path.replace

    def replace(path: Path, new: Path) -> Path:
        if left:
            left.pop()
            raise PermissionError(errno.EACCES, "Access is denied", str(path), 5, str(new))
        return real(path, new)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(files.time, "sleep", lambda _: None)
    monkeypatch.setattr(files.sys, "platform", "win32")
    if content == "new":
        write_text(target, "new")
    else:
        with pytest.raises(KerascnnError, match="Close it in other programs"):
            write_text(target, "new")
    assert target.read_text() == content
    assert os.listdir(tmp_path) == ["history.csv"]


def test_new_files_have_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KerascnnError, match="cannot write"):
        write_text(tmp_path / "file" / "below", "")


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to(tmp_path / "unmounted")
    message = "below: cannot write .*cache is a link to .*unmounted, which does not exist"
    with pytest.raises(KerascnnError, match=message):
        preallocate(tmp_path / "cache" / "below", 1)


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "far" / "real.txt")  # leads nowhere yet
    for text in ("one", "two"):
        write_text(tmp_path / "link.txt", text)
        assert (tmp_path / "link.txt").is_symlink()
        assert (tmp_path / "far" / "real.txt").read_text() == text
    assert os.listdir(tmp_path / "far") == ["real.txt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_replaced_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "private.txt"
    path.touch(0o600)
    write_text(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)


def test_a_link_to_itself_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(KerascnnError, match="self is a link to self"):
        write_text(tmp_path / "self", "new")
    assert (tmp_path / "self").is_symlink()


def test_a_pipe_or_device_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "whole")
    assert os.read(reader, 100) == b"whole"
    os.close(reader)
    assert pipe.is_fifo()
    (tmp_path / "null").symlink_to("/dev/null")
    write_text(tmp_path / "null", "nothing")
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_nothing_half_goes_into_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "pipe") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert os.read(reader, 100) == b""
    os.close(reader)


@pytest.mark.skipif(os.name == "nt", reason="Windows gives every file a name")
def test_an_unnamed_file_leaves_nothing_behind_a_killed_process(tmp_path, monkeypatch) -> None:
    """Its folder is empty while the file is filled, so whenever a process is killed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []
    fallocate = getattr(os, "posix_fallocate", None)

    def watched(*what: int) -> None:
        seen.append(os.listdir(tmp_path))
        fallocate(*what)

    if fallocate:
        monkeypatch.setattr(os, "posix_fallocate", watched)
    with preallocate_unnamed(5000) as file:
        assert (os.listdir(tmp_path), os.fstat(file.fileno()).st_size) == ([], 5000)
    assert seen in ([[]], [])


def test_a_full_disk_is_told_for_an_unnamed_file(monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(KerascnnError, match="No space left"):
        preallocate_unnamed(10)


def test_leftovers_of_others_stay(tmp_path: Path) -> None:
    users = [tmp_path / name for name in (".notes.tmp", ".x.tmp1", ".model.keras.tmp.h5")]
    for path in users:
        path.write_text("mine")
    remove_leftovers(tmp_path)
    assert all(path.read_text() == "mine" for path in users)


KILLED = """
import os, signal, sys
from pathlib import Path
from kerascnn.leftovers import temporary_folder, exclusive_atomic_write
with temporary_folder() as folder, exclusive_atomic_write(sys.argv[1]) as temporary:
    temporary.write_bytes(b"half")
    (folder / "scratch").write_bytes(b"half")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, monkeypatch) -> None:
    out, scratch = tmp_path / "out" / "m.onnx", tmp_path / "scratch"
    scratch.mkdir()
    environment = os.environ | {"TMPDIR": str(scratch)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, out], env=environment, capture_output=True, text=True
    )
    left = list(out.parent.iterdir())
    assert Path(killed.stdout.strip()).is_dir()
    assert len(left) == 2
    assert all(is_temporary(path.name) for path in left)
    users = [out.parent / ".n.abcdefgh.kerascnn.tmp.onnx", out.parent / ".m.tmp.onnx"]
    folders = [scratch / "kerascnn-mine", scratch / "kerascnn-another"]
    for path in users:
        path.write_bytes(b"mine")
    for path in folders:
        path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with (
        locked(folders[1] / ".kerascnn-in-use"),
        temporary_folder(),
        exclusive_atomic_write(out) as file,
    ):
        file.write_bytes(b"whole")
    assert sorted(out.parent.iterdir()) == sorted([*users, out])
    assert sorted(scratch.iterdir()) == sorted(folders)


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("runs/mien", "runs/mine"),
        ("runs/MINE", "runs/mine"),
        ("run/mine", "runs/mine"),
        ("run/mien/card.jsn", "runs/mine/card.json"),
        ("runs/mine/card", "runs/mine/card.json"),
        ("runs/mine", None),
        ("runs/something-else", None),
        ("runs/.hiden", None),
        ("nowhere/at/all", None),
        ("", None),
        ("/", None),
        ("x" * 5000, None),
        ("runs/mi\0ne", "runs/mine"),
    ],
)
def test_the_nearest_name_that_exists(given, near, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_text("runs/mine/card.json", "{}")
    write_text("runs/.hidden", "")
    assert did_you_mean(given) == (f" Did you mean {Path(near)}?" if near else "")


@pytest.mark.parametrize(
    "read",
    [
        sha256_of,
        read_text,
        lambda path: ServeConfig(("a.onnx",), token_file=path).read_token(),
        lambda path: check_certificate(str(path), None),
        lambda path: read_settings(path),
    ],
    ids=["hash", "text", "token", "certificate", "settings"],
)
def test_what_cannot_be_read_is_told_in_one_way(read, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x")
    with pytest.raises(
        KerascnnError, match=r"secrit\.txt: no such file\. Did you mean .*secret\.txt"
    ):
        read(tmp_path / "secrit.txt")
    reason = re.escape(os.strerror(errno.EISDIR))
    with pytest.raises(KerascnnError, match=rf": cannot read it \({reason}\)\.$"):
        read(tmp_path)
