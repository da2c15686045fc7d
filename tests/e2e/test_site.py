"""The documentation as a site: every page is in it, every command, and nothing leads nowhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_every_page_is_in_the_navigation():
    listed = set(re.findall(r"[\w.-]+\.md$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert listed == {*pages, "commands.md"}


def test_the_page_of_commands_shows_every_command():
    script = "import docs_hooks; print(docs_hooks.commands_page())"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "scripts")))}
    page = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout
    from kerascnn.cli import COMMANDS

    for name in COMMANDS:
        assert f"## kerascnn {name}" in page
    assert "## kerascnn data check\n" in page


@pytest.mark.full
def test_the_site_is_built_without_a_warning_and_can_be_searched(tmp_path):
    pytest.importorskip("material", reason="needs the extra docs")
    pytest.importorskip("mkdocstrings", reason="needs the extra docs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "search/search_index.json").read_text("utf-8"))["docs"]
    assert any("confusion matrix" in page["text"] for page in found)
    assert any("set_trainable" in page["title"] for page in found)
    home = (tmp_path / "index.html").read_text("utf-8")
    looks = re.findall(r'data-md-color-media="([^"]*)" data-md-color-scheme="(\w+)"', home)
    assert [scheme for _, scheme in looks] == ["default", "default", "slate"]
    assert looks[0][0] == "(prefers-color-scheme)"  # as the system, until a reader chooses
    assert home.count('<label class="md-header__button') >= 3
