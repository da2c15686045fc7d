"""What the tests of the inference half share: built-in pictures as files, and the command."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from kerascnn import Classifier
from kerascnn.dataset import load_dataset


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """For a process of its own, which shall import this very checkout."""
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": ""}


@pytest.fixture(scope="session")
def save_pictures() -> Callable[[Path, int], list[str]]:
    """Write some of the built-in pictures, from different classes, and give their paths."""
    pictures = load_dataset("fashion-mini").splits["test"].pictures

    def save(folder: Path, count: int) -> list[str]:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [str(folder / f"{number:03}.png") for number in range(count)]
        for number, path in enumerate(paths):
            Image.fromarray(pictures[number * 37 % len(pictures)]).save(path)
        return paths

    return save


@pytest.fixture(scope="session")
def kerascnn(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess]:
    """Run the command with some arguments; options go to subprocess.run.

    The limit is there to end what hangs, not to measure.
    """

    def run(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "kerascnn", *map(str, arguments)]
        defaults = {"capture_output": True, "timeout": 600, "env": environment}
        return subprocess.run(command, **defaults | options)

    return run


@pytest.fixture(scope="module")
def classifier(exported: Path) -> Classifier:
    return Classifier(exported)
