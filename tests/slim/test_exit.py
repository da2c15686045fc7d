"""How the process of the command line ends where a framework is in it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kerascnn.cli import main

ENDING = """
import atexit, sys, types
from kerascnn.__main__ import run

class TakenApart:
    def __del__(self):
        print("taken apart")

kept = TakenApart()
atexit.register(print, "registered")
if {framework!r}:
    sys.modules[{framework!r}] = types.ModuleType({framework!r})
sys.argv = ["kerascnn", *{words!r}]
run()
"""


def ending(framework: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where a module of a framework's name has been imported."""
    code = ENDING.format(framework=framework, words=words)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("framework", ["tensorflow", "jax"])
def test_it_ends_with_its_last_line(framework: str) -> None:
    done = ending(framework, "--version")
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith("kerascnn, version ")
    assert last == "registered"


@pytest.mark.parametrize("framework", ["tensorflow", ""])
@pytest.mark.parametrize(("words", "code"), [(("train", "--nonsense"), 2), (("predict",), 2)])
def test_the_exit_code_is_that_of_the_command(
    framework: str, words: tuple[str, ...], code: int
) -> None:
    done = ending(framework, *words)
    assert done.returncode == code
    assert "Error" in done.stderr


def test_without_a_framework_it_ends_as_any_process() -> None:
    assert ending("", "--version").stdout.splitlines()[-1] == "taken apart"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("click", ["train"]),
        ("kerascnn.cli", ["predict", "a.onnx"]),
        ("kerascnn.cli.streams", ["data", "check", "."]),
        ("kerascnn.cli.serve", ["serve", "a.onnx"]),
        ("onnxruntime", ["predict", "a.onnx", "a.png"]),
    ],
)
def test_ctrl_c_while_something_is_imported(module: str, words: list[str]) -> None:
    """The first seconds of a command are imports."""
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        f"sys.argv = ['kerascnn', *{words!r}]\n"
        "from kerascnn.__main__ import run\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "\nStopped.\n")


def test_ctrl_c_is_told_and_has_a_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kerascnn.training.networks.facts.load_facts", stopped)
    shown = CliRunner().invoke(main, ["models"])
    assert shown.exit_code == 130
    assert shown.output.strip() == "Stopped."


def test_ctrl_c_among_answers_is_told(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kerascnn.inference.paths.predict_batches", stopped)
    shown = CliRunner().invoke(main, ["predict", str(exported), "a.png", "--json"])
    assert shown.exit_code == 130
    assert shown.stderr.endswith("\nStopped.\n")


def test_a_limit_that_is_no_number_is_one_line() -> None:
    environment = {**os.environ, "KERASCNN_DECODE_MB": "abc"}
    command = [sys.executable, "-m", "kerascnn", "data", "check", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "KERASCNN_DECODE_MB is 'abc'" in line


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell closes them")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_mistake(closed: str) -> None:
    command = shlex.join([sys.executable, "-m", "kerascnn", "models"])
    done = subprocess.run(["sh", "-c", f"{command} {closed}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_too_little_memory_is_one_line(monkeypatch) -> None:
    def load(*_: object) -> None:
        raise MemoryError("Unable to allocate 3.2 GiB for an array")

    monkeypatch.setattr("kerascnn.dataset.load.load_folder", load)
    done = CliRunner().invoke(main, ["data", "check", "."])
    assert done.exit_code == 1
    assert done.output.startswith("Error: not enough memory (MemoryError: Unable to allocate 3.2")
