"""The tours of both READMEs, executed: every command and every line of Python in it works."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from kerascnn.dataset import load_dataset

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


PORT = "8123"
"""What the tours serve at. Here somebody else may have it."""

HUNG = 1800
"""Seconds that only end a test that hangs."""

TOURS = {"README.md": "## Tour", "README.ko.md": "## 둘러보기"}


def blocks(file: str, language: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    tour = text.split(TOURS[file], 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"^```{language}\n(.*?)^```", tour, re.M | re.S)


KERASCNN = """#!/bin/sh
case "$*" in
    *.onnx*) ;;
    *) if [ -e "$0.imported" ]; then exec FORKED -m kerascnn "$@"; else : > "$0.imported"; fi ;;
esac
exec OWN -m kerascnn "$@"
"""
"""Importing Keras takes longer than the commands. So it is imported by the first command that may
need it, as users' are, and once for all others; what a .onnx file is asked needs none."""


@pytest.fixture
def elsewhere(tmp_path: Path, preloaded: Callable[[str], list[str]]) -> dict[str, str]:
    """A clone as a user has it: its scripts, and `kerascnn` on the path."""
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    tools = tmp_path / "bin"
    tools.mkdir()
    own, forked = shlex.quote(sys.executable), preloaded("tensorflow")
    calls = {
        "kerascnn": KERASCNN.replace("OWN", own).replace("FORKED", shlex.join(forked)),
        **dict.fromkeys(("python", "python3"), f'#!/bin/sh\nexec {own} "$@"\n'),
    }
    for name, call in calls.items():
        (tools / name).write_text(call)
        (tools / name).chmod(0o755)
    return os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def commands(file: str) -> list[str]:
    """List the commands of a tour, without the remarks behind them and lines that go on joined."""
    lines = "".join(blocks(file, "sh")).replace("\\\n", " ").splitlines()
    return [" ".join(line.split(" #", 1)[0].split()) for line in lines]


@pytest.mark.slow
@pytest.mark.timeout(HUNG)
def test_every_command_of_the_tours_works(elsewhere: dict[str, str], free_port: int) -> None:
    """That of the Korean one too: what the English one does not have comes after it."""
    more = [line for line in commands("README.ko.md") if line not in commands("README.md")]
    assert any("kerascnn train" in line for line in commands("README.ko.md"))
    assert len(more) < len(commands("README.ko.md")) / 2
    script = "\n".join(["set -eu", *blocks("README.md", "sh"), *more])
    assert "kerascnn train" in script
    assert PORT in script
    script = script.replace(PORT, str(free_port))
    done = subprocess.run(["bash", "-c", script], env=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr, "chatter of a library reaches the user's screen"


@pytest.mark.slow
def test_every_line_of_python_in_the_tours_works(
    elsewhere: dict[str, str],
    preloaded: Callable[[str], list[str]],
    exported: Path,
    tmp_path: Path,
) -> None:
    from skimage import data

    Image.fromarray(data.chelsea()).save(tmp_path / "photo.jpg")
    train = load_dataset("fashion-mini").splits["train"]
    for index in range(0, len(train), 20):
        folder = tmp_path / "pictures" / str(train.labels[index])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(train.pictures[index]).save(folder / f"{index}.png")
    (tmp_path / "exported").mkdir()
    shutil.copyfile(exported, tmp_path / "exported" / "mine.onnx")
    for code in {code for file in TOURS for code in blocks(file, "python")}:
        compile(code, "tour", "exec")  # a warning is an error here
        done = subprocess.run(
            [*preloaded("tensorflow"), "-c", code], env=elsewhere, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"


def test_the_first_two_commands_exist_and_can_be_run() -> None:
    named = re.findall(r"^(?:\./)?(scripts/\w+)", README, re.M)
    assert "scripts/quickstart" in named
    assert "scripts/test" in README
    for name in {*named, "scripts/test"}:
        assert os.access(ROOT / name, os.X_OK), f"{name} is missing or cannot be run"
