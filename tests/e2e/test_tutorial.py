"""The tutorials and the Korean README: every command runs, and shows what is printed there."""

import importlib.machinery
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generator():
    """The script that runs the tutorials, as a module."""
    loader = importlib.machinery.SourceFileLoader(
        "make_tutorial", str(ROOT / "scripts/make_tutorial")
    )
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("make_tutorial", loader)
    )
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_tutorials_commands_print_and_draw_what_they_show():
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/make_tutorial")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_tutorials_have_the_same_commands_and_show_every_figure(generator):
    one, other = ([body for kind, body in generator.blocks(page)] for page in generator.TUTORIALS)
    assert one == other
    assert len(one) > 15
    english, korean = (page.read_text(encoding="utf-8") for page in generator.TUTORIALS)
    shown, korean_shown = (re.findall(r"\]\((tutorial/\S+)\)", text) for text in (english, korean))
    assert shown == [name.replace(".ko.", ".") for name in korean_shown]
    assert [name for name in shown if ".ko." in name] == []
    for name in generator.figures():
        assert (generator.FIGURES / name).is_file()
    kept = {path.name for path in generator.FIGURES.iterdir()}
    assert kept == {*generator.figures(), *generator.GIVEN}


@pytest.mark.parametrize(
    ("shown", "found", "same"),
    [
        ("a 1\nb 2", "a 1\nb 2", True),
        ("a 100\nb 2", "a 90\nb 2", True),
        ("a 100", "a 50", False),
        ("a 88.0%", "a 79.5%", True),
        ("a 88.0%", "a 65.0%", False),
        ("a\n…\nz", "a\nb\nc\nz", True),
        ("a\n…\nz", "a\nb\nc", False),
        ("a\n…", "a", True),
        ("a", "a\nb", False),
        ("가방 1", "바지 1", False),
    ],
)
def test_what_counts_as_the_same_output(generator, shown, found, same):
    assert generator.same_output(shown, found) is same


@pytest.mark.parametrize("page", ["README.ko.md", "docs/tutorial.md", "docs/tutorial.ko.md"])
def test_links_lead_somewhere(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert (path.parent / link).exists(), link
