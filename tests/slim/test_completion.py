"""Shell completion: in a real bash, and quick."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ZshComplete

from kerascnn.cli import main

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")

ROOT = Path(__file__).parents[2]


def completed(tmp_path: Path, *words: str) -> list[str]:
    """Give what bash would offer for the last word."""
    program = tmp_path / "bin" / "kerascnn"
    program.parent.mkdir(exist_ok=True)
    call = "from kerascnn.cli import main; main(prog_name='kerascnn')"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{call}" "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(_KERASCNN_COMPLETE=bash_source kerascnn)"\n'
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { echo "files"; }\n'
        '_kerascnn_completion kerascnn; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script, "bash", "kerascnn", *words],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_commands_options_choices_and_files(tmp_path: Path) -> None:
    assert {"train", "export", "predict", "doctor"} <= set(completed(tmp_path, ""))
    assert completed(tmp_path, "pr") == ["predict"]
    assert completed(tmp_path, "predict", "--fo") == ["--format"]
    assert completed(tmp_path, "predict", "--format", "") == ["table", "json", "csv"]
    assert {"auto", "cpu", "openvino"} <= set(completed(tmp_path, "serve", "--provider", ""))
    assert "files" in completed(tmp_path, "predict", "")
    assert "files" in completed(tmp_path, "predict", "a.onnx", "")
    assert "files" in completed(tmp_path, "predict", "a.onnx", "--resume", "")
    assert "files" in completed(tmp_path, "train", "")


def test_networks_and_their_blocks(tmp_path: Path) -> None:
    assert completed(tmp_path, "train", "--model", "cnn") == ["cnn", "cnn4"]
    assert completed(tmp_path, "summary", "lenet5_") == ["lenet5_modern"]
    scopes = completed(tmp_path, "train", "--model", "cnn4", "--trainable", "")
    assert {"all", "head", "block4", "from:block2"} <= set(scopes)
    listed = completed(tmp_path, "summary", "cnn", "--trainable", "head,h")
    assert listed == ["head,hidden"]


def described(monkeypatch, lang: str, *words: str) -> dict[str, str]:
    """Give what zsh would offer for the last word, with its descriptions."""
    monkeypatch.setenv("KERASCNN_LANG", lang)
    complete = ZshComplete(main, {}, "kerascnn", "_KERASCNN_COMPLETE")
    items = complete.get_completions([*words[:-1]], words[-1])
    _, *lines = "\n".join(["", *map(complete.format_completion, items)]).split("\n")
    assert len(lines) == 3 * len(items)  # zsh reads three lines for each
    return dict(zip(lines[1::3], lines[2::3], strict=True))


def test_descriptions_are_those_of_help_in_its_language(monkeypatch) -> None:
    assert described(monkeypatch, "en", "pred")["predict"].startswith("Classify pictures with")
    korean = described(monkeypatch, "ko", "")
    assert {"train", "serve", "weights"} <= set(korean)
    korean |= described(monkeypatch, "ko", "weights", "") | described(monkeypatch, "ko", "-")
    korean |= described(monkeypatch, "en", "train", "--lang", "ko", "--")
    assert {"fetch", "--epochs"} <= set(korean)
    english = [name for name, said in korean.items() if not re.search("[가-힣]", said)]
    assert not english
    assert "[기본값: " in korean["--lang"]
    assert described(monkeypatch, "xx", "--l")["--lang"].startswith("Language of help")


@pytest.mark.both
def test_completing_loads_nothing_heavy() -> None:
    """A shell waits for it at every press of the key."""
    code = (
        "import sys\nfrom kerascnn.cli import main\n"
        "try:\n    main(prog_name='kerascnn')\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'numpy', 'PIL', 'onnxruntime', 'keras', 'rich'} & set(sys.modules)\n"
        "print('heavy:', *heavy)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "_KERASCNN_COMPLETE": "bash_complete"}
        | {"COMP_WORDS": "kerascnn ", "COMP_CWORD": "1"},
    )
    assert "plain,predict" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy:"
