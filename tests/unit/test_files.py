"""files.py: a crash never leaves half a file or destroys a good one."""

import os
from pathlib import Path

import pytest

from kerascnn.errors import KerascnnError
from kerascnn.files import write_text, writing


def test_replaces_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.txt"
    write_text(target, "one")
    write_text(target, "둘")
    assert target.read_text(encoding="utf-8") == "둘"
    assert os.listdir(target.parent) == ["file.txt"]


def test_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_text(target, "good")
    with pytest.raises(RuntimeError), writing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "good"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_new_files_have_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KerascnnError, match="cannot write"):
        write_text(tmp_path / "file" / "below", "")
