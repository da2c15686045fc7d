"""Commands on a file system that is really full: small, in memory, and seen by the command alone.

Where users may not mount one, test_interrupted.py's limit on the size of files is all there is.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

BYTES = 65_536
OLDER = "older"

PROGRAM = """
folder=$1; shift
mount -t tmpfs -o size=$0 none "$folder" || exit 77
printf older > "$folder/m.onnx"
"$@"
code=$?
ls -A "$folder" >&3
cat "$folder/m.onnx" >&3
exit $code
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder on which a small file system can be mounted."""
    folder = tmp_path_factory.mktemp("disk")
    if shutil.which("unshare") is None or on(folder, "true").returncode:
        pytest.skip("no file system may be mounted here")
    return folder


def on(disk: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that sees the file system; fd 3 tells in the end what lies there."""
    told = disk.with_name("told")
    words = ["unshare", "-rm", "sh", "-c", PROGRAM, str(BYTES), str(disk), *map(str, command)]
    with told.open("w") as file:
        return subprocess.run(
            ["sh", "-c", f'exec 3>"{told}"; exec "$@"', "sh", *words],
            capture_output=True, text=True, stdin=file,
        )  # fmt: skip


def left(disk: Path) -> str:
    return disk.with_name("told").read_text()


def command(*words: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "kerascnn", *words]


def check_one_line(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_export_keeps_the_older_file(disk: Path, trained: Path) -> None:
    words = ("export", trained, "--onnx", "--out", disk / "m.onnx", "--overwrite")
    check_one_line(on(disk, *command(*words)))
    assert left(disk) == f"m.onnx\n{OLDER}"


def test_train_leaves_nothing_half_written(disk: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(path)
    words = ("train", tmp_path / "data", "--out", disk / "run", "--epochs", "1")
    check_one_line(on(disk, *command(*words)))
    assert OLDER in left(disk)


def test_predict_says_so_and_what_is_there_is_whole(
    disk: Path, exported: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "a.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    script = 'out=$1; shift; "$@" > "$out"; code=$?; cat "$out" >&3; exit $code'
    words = command("predict", exported, "--json", *[picture] * 1000)
    done = on(disk, "sh", "-c", script, "sh", disk / "out.jsonl", *words)
    check_one_line(done)
    lines = left(disk).splitlines()
    whole = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    assert len(whole) > 20
