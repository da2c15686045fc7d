"""Export, packs and predict, killed at random moments, or on a full disk: all or nothing.

How training bears it is in test_kill.py.
"""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kerascnn.files import is_temporary
from kerascnn.inference.model_file.metadata import read_card

KILLS = 20
LIMIT = 5_000
"""Bytes that a file may have: how a full disk looks to a process."""

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks"),
]

LIMITED = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT}))\n"

EXPORT = """
import sys
from kerascnn.cli import main
main(["export", sys.argv[1], "--onnx", "--out", sys.argv[2], "--overwrite"])
"""

PACK = """
import sys
from pathlib import Path
from kerascnn.dataset import load_dataset
from kerascnn.errors import KerascnnError
from kerascnn.training.data.cache import PackCache
from kerascnn.training.data.pack import pack
split = load_dataset(sys.argv[1]).splits["train"]
try:
    print(pack(split, 64, "squash", cache=PackCache(Path(sys.argv[2]), 10**9)).digest)
except KerascnnError as error:
    sys.exit(f"error: {error}")
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def start(preloaded: Callable[[str], list[str]]) -> Start:
    """Start a program in a process that has imported Keras."""

    def run(program: str, *words: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*preloaded("tensorflow"), "-c", program, *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return run


def seconds_of(process: subprocess.Popen[str]) -> float:
    """Wait for a process that ends well; gives how long that took."""
    began = time.monotonic()
    _, said = process.communicate()
    assert process.returncode == 0, said
    return time.monotonic() - began


def kill_within(process: subprocess.Popen[str], seconds: float) -> bool:
    """Kill a process at a random moment; tells whether it had not ended by itself."""
    time.sleep(random.uniform(0, seconds))
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def kills_of(begin: Callable[[], subprocess.Popen[str]], seconds: float) -> Iterator[int]:
    """Start processes and kill them, until so many were killed."""
    kills = 0
    while kills < KILLS:
        kills += kill_within(begin(), seconds)
        yield kills


def test_a_killed_export_leaves_the_file_that_was_there(
    start: Start, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out" / "m.onnx"
    seconds = seconds_of(start(EXPORT, trained, out))
    before, card = out.read_bytes(), read_card(out)
    for _ in kills_of(lambda: start(EXPORT, trained, out), seconds):
        assert out.read_bytes() == before or read_card(out) == card
        assert all(is_temporary(path.name) for path in out.parent.iterdir() if path != out)
    out.unlink()
    for _ in kills_of(lambda: start(EXPORT, trained, out), seconds * 0.8):
        assert not out.exists() or read_card(out) == card
        out.unlink(missing_ok=True)


def test_an_export_to_a_full_disk_is_one_line(start: Start, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.onnx"
    out.write_bytes(b"older")
    process = start(LIMITED + EXPORT, trained, out)
    _, said = process.communicate()
    assert process.returncode == 1
    assert "cannot write" in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    assert out.read_bytes() == b"older"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 pictures of noise, in two classes."""
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(600):
        path = root / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (96, 96, 3), np.uint8)).save(path)
    return root


def test_one_of_two_that_make_a_pack_is_killed(
    start: Start, pictures: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    process = start(PACK, pictures, tmp_path / "other")
    seconds = seconds_of(process)
    digest = start(PACK, pictures, tmp_path / "other").communicate()[0]
    assert len(digest.strip()) == 64
    kills = 0
    while kills < KILLS:
        both = [start(PACK, pictures, cache) for _ in range(2)]
        kills += kill_within(both[0], seconds * 1.5)
        told, said = both[1].communicate()
        assert (both[1].returncode, told) == (0, digest), said
        (kept,) = (path for path in cache.iterdir() if path.name[0] != ".")
        assert len(kept.name) == 64
        shutil.rmtree(kept)
    assert seconds_of(start(PACK, pictures, cache)) >= 0
    assert len(list(cache.iterdir())) == 1, "what was begun is cleared"


def test_a_pack_on_a_full_disk_is_one_line(start: Start, pictures: Path, tmp_path: Path) -> None:
    process = start(LIMITED + PACK, pictures, tmp_path / "cache")
    _, said = process.communicate()
    assert process.returncode == 1
    assert "cannot write" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "cache").iterdir())


def predicting(
    model: Path, pictures: Path, out: Path, before: Callable[[], Any] | None = None
) -> subprocess.Popen[str]:
    """Predict into a file, and go on where it ends."""
    out.touch()
    command = [sys.executable, "-m", "kerascnn", "predict", model, pictures, "--json"]
    with out.open("a") as stdout:
        return subprocess.Popen(
            [*map(str, command), "--batch-size", "8", "--resume", str(out)],
            stdout=stdout, stderr=subprocess.PIPE, text=True, preexec_fn=before,
        )  # fmt: skip


def answers(out: Path) -> dict[str, Any]:
    """Read all lines; each path is there once."""
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    found = {row["path"]: row["label"] for row in rows}
    assert len(found) == len(rows)
    return found


def test_predict_that_is_killed_goes_on_without_a_gap_or_a_repeat(
    exported: Path, pictures: Path, tmp_path: Path
) -> None:
    seconds = seconds_of(predicting(exported, pictures, tmp_path / "whole.jsonl"))
    whole = answers(tmp_path / "whole.jsonl")
    assert len(whole) == 600
    kills, out = 0, tmp_path / "out.jsonl"
    while kills < KILLS:
        size = out.stat().st_size if out.exists() else 0
        process = predicting(exported, pictures, out)
        while process.poll() is None and out.stat().st_size <= size:
            time.sleep(0.001)
        if kill_within(process, seconds / 20):
            kills += 1
        else:
            assert answers(out) == whole
            out.unlink()
    seconds_of(predicting(exported, pictures, out))
    assert answers(out) == whole


def test_predict_on_a_full_disk_is_one_line_and_goes_on_later(
    exported: Path, pictures: Path, tmp_path: Path
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))

    out = tmp_path / "out.jsonl"
    process = predicting(exported, pictures, out, limit)
    _, said = process.communicate()
    assert process.returncode == 1
    assert "standard output: cannot write" in said
    assert "Traceback" not in said
    assert out.stat().st_size <= LIMIT
    seconds_of(predicting(exported, pictures, out))
    assert len(answers(out)) == 600
