"""The release script: it refuses what would be wrong, and its dry run leaves nothing behind."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")


def release(*words: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", ROOT / "scripts/release", *words],
        env=os.environ | {"PYTHON": python},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("words", [(), ("1.0",), ("v1.0.0",), ("--dry-run",)])
def test_a_version_is_three_numbers(words: tuple[str, ...]) -> None:
    done = release(*words)
    assert done.returncode == 2
    assert "expected three numbers" in done.stderr


def test_the_packages_that_build_it_are_named() -> None:
    done = release("9.9.9", "--dry-run", python="false")
    assert done.returncode == 2
    assert "pip install 'kerascnn[release]'" in done.stderr


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git checkout")
@pytest.mark.skipif(
    not (find_spec("build") and find_spec("twine")), reason="needs the extra release"
)
def test_a_dry_run_builds_checks_and_tags_and_changes_nothing() -> None:
    def state() -> str:
        commands = (["status", "--porcelain"], ["tag"], ["rev-parse", "HEAD"])
        return "".join(
            subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout
            for words in commands
        )

    before = state()
    done = release("9.9.9", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "## 9.9.9 (" in done.stdout
    assert done.stdout.count("PASSED") == 2
    assert "kerascnn-9.9.9-py3-none-any.whl" in done.stdout
    assert "tag: v9.9.9" in done.stdout
    assert "Release 9.9.9" in done.stdout
    assert state() == before
