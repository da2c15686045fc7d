"""What a user runs, with what kerascnn would find on Windows (as_on_windows.py)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from kerascnn.dataset import load_dataset

SCRIPT = Path(__file__).with_name("as_on_windows.py")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads what is open from /proc")


def on_windows(*words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, SCRIPT, *words], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert "not cached" not in done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    split = load_dataset("fashion-mini").splits["test"]
    for index in range(40):
        path = tmp_path / "my pictures" / ("one" if index % 2 else "이") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(split.pictures[index]).save(path)
    return path.parent.parent


@pytest.mark.slow
def test_from_pictures_to_scores(folder: Path, tmp_path: Path, monkeypatch) -> None:
    """Packs are cached, locks are removed, and processes are spawned."""
    monkeypatch.setenv("KERASCNN_CACHE", str(tmp_path / "cache"))
    on_windows("train", folder, "--epochs", "1", "--model", "cnn", "--out", "my run")
    assert [len(path.name) for path in Path("cache/packs").iterdir()] == [64, 64]
    assert not list(Path("my run").rglob("*.lock"))
    said = on_windows("export", "my run", "--onnx", "--out", "out/my file.onnx")
    assert 'kerascnn predict "out/my file.onnx"' in said
    assert [path.name for path in Path("out").iterdir()] == ["my file.onnx"]
    on_windows("score", "out/my file.onnx", folder, "--workers", "2", "--out", "scored")
    summary = json.loads(Path("scored/_summary.json").read_text(encoding="utf-8"))
    assert (summary["complete"], summary["scored"]) == (True, 40), summary
