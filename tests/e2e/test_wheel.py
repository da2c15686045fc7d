"""The wheel, in an empty environment and outside the repository, without Keras."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = shutil.which(
    "uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.skipif(UV is None, reason="needs uv")
def test_an_exported_file_is_evaluated_and_predicts_with_the_wheel_alone(tmp_path, exported):
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }

    def run(*command):
        done = subprocess.run(
            list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

        assert done.returncode == 0, done.stderr
        return done.stdout

    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", ROOT)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "env")
    run(UV, "pip", "install", "--quiet", "--python", python, f"{wheel}[cpu,report]")
    assert str(tmp_path) in run(python, "-c", "import kerascnn; print(kerascnn.__file__)")
    assert "top-1" in run(python, "-m", "kerascnn", "evaluate", exported, "fashion-mini")
    page = run(
        python,
        "-m",
        "kerascnn",
        "report",
        exported,
        "fashion-mini",
        "-o",
        "page.html",
        "--lang",
        "ko",
    )
    assert page.startswith("page.html")
    assert 'lang="ko"' in (tmp_path / "page.html").read_text("utf-8")
