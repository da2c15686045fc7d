"""The wheel, in an empty environment and outside the repository."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = shutil.which(
    "uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(UV is None, reason="needs uv"),
]


@pytest.fixture(params=["highest", "lowest-direct"])
def installed(tmp_path, request) -> Callable[[str], Callable[..., str]]:
    """Install the wheel with some extras; give what runs ``python`` there.

    With the newest of what it needs, and with the oldest that its metadata promises.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }

    def run(*command) -> str:
        done = subprocess.run(
            list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(extras: str) -> Callable[..., str]:
        python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
        run(UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", ROOT)
        [wheel] = (tmp_path / "dist").glob("*.whl")
        run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "env")
        resolution = ("--resolution", request.param)
        run(UV, "pip", "install", "--quiet", *resolution, "--python", python, f"{wheel}[{extras}]")
        return lambda *words: run(python, *words)

    return install


def test_an_exported_file_is_evaluated_and_predicts_with_the_wheel_alone(
    tmp_path, installed, exported
):
    python = installed("cpu,report")
    assert str(tmp_path) in python("-c", "import kerascnn; print(kerascnn.__file__)")
    assert "top-1" in python("-m", "kerascnn", "evaluate", exported, "fashion-mini")
    words = ("report", exported, "fashion-mini", "-o", "page.html", "--lang", "ko")
    assert python("-m", "kerascnn", *words).startswith("page.html")
    assert 'lang="ko"' in (tmp_path / "page.html").read_text("utf-8")


def test_the_commands_of_quickstart_run_outside_the_repository(tmp_path, installed, picture):
    """As scripts/quickstart has them, with one epoch."""
    quickstart = (ROOT / "scripts/quickstart").read_text("utf-8")
    python = installed("train")
    for words in (
        ["train", "fashion-mini", "--epochs", "1", "--out", "runs/quickstart"],
        ["export", "runs/quickstart", "--onnx", "--out", "exported/quickstart.onnx"],
        ["predict", "exported/quickstart.onnx", picture, "--top-k", "2"],
        ["evaluate", "exported/quickstart.onnx"],
    ):
        assert f"kerascnn {words[0]}" in quickstart
        assert python("-m", "kerascnn", *words)
    assert (tmp_path / "runs/quickstart/report.html").is_file()


@pytest.fixture
def picture(tmp_path) -> Path:
    from PIL import Image

    Image.new("RGB", (28, 28), "gray").save(tmp_path / "p.png")
    return tmp_path / "p.png"
