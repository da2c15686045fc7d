"""The report in a real browser: nothing asked for, nothing complained about, all of it visible.

The page itself runs no script, so a second page holds it in a frame and measures it.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from kerascnn.cli import main

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--allow-file-access-from-files", "--enable-logging=stderr", "--virtual-time-budget=5000",
    "--dump-dom",
)  # fmt: skip

MEASURE = """<!doctype html><meta charset="utf-8">
<iframe id="frame" src="report.html" style="border:0;width:{width}px;height:900px"></iframe>
<pre id="measured"></pre>
<script>
addEventListener("load", () => {{
  const frame = document.getElementById("frame"), page = frame.contentDocument;
  const outside = [...page.querySelectorAll("body *")].filter(element => {{
    const box = element.getBoundingClientRect();
    return box.width && !element.closest(".scroll") && (box.right > {width} + 1 || box.left < -1);
  }});
  const seen = element => element.getBoundingClientRect().height > 0;
  document.getElementById("measured").textContent = JSON.stringify({{
    width: page.documentElement.scrollWidth,
    outside: outside.map(element => element.outerHTML.slice(0, 200)),
    requests: frame.contentWindow.performance.getEntriesByType("resource")
      .map(entry => entry.name).filter(name => !name.startsWith("data:")),
    scripts: page.scripts.length,
    broken: [...page.images].filter(image => !image.naturalWidth).length,
    images: page.images.length,
    headings: [...page.querySelectorAll("h2")].filter(seen).map(h => h.textContent),
    styled: getComputedStyle(page.body).marginTop,
    text: page.body.innerText,
    ink: getComputedStyle(page.querySelector("svg text")).fill,
  }});
}});
</script>"""


def measure(folder: Path, width: int, *flags: str) -> dict:
    """Show ``folder/report.html`` at a width, and give what the browser made of it."""
    frame = folder / "frame.html"
    frame.write_text(MEASURE.format(width=width), encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", frame.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    measured = re.search(r'<pre id="measured">(.*?)</pre>', done.stdout, re.DOTALL)
    assert measured, done.stderr
    import html

    return {"console": console, **json.loads(html.unescape(measured[1]))}


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory) -> Path:
    """A run on real pictures in folders whose names try to be more than names."""
    from PIL import Image

    from kerascnn import training
    from kerascnn.dataset import load_dataset

    root = tmp_path_factory.mktemp("hostile")
    split = load_dataset("fashion-mini").splits["train"]
    names = (
        "<script>document.title=1<\u2215script>",
        "고양이와 강아지",
        '"><img src=x onerror=alert(2)>',
    )
    for label, name in enumerate(names):
        folder = root / "pictures" / name
        folder.mkdir(parents=True)
        for index in (split.labels == label).nonzero()[0][:40]:
            Image.fromarray(split.pictures[int(index)]).save(folder / f"<i>{index}.png")
    training.fit(training.TrainConfig(data=str(root / "pictures"), out=str(root / "run"), epochs=1))
    return root / "run"


@pytest.mark.parametrize("width", [1280, 400])
def test_report_is_whole_at_every_width(hostile_run, width):
    seen = measure(hostile_run, width)
    assert seen["console"] == []
    assert seen["requests"] == []
    assert seen["outside"] == []
    assert seen["width"] <= width
    assert seen["broken"] == 0
    assert seen["images"] > 3
    assert seen["scripts"] == 0
    assert seen["styled"] == "0px"  # the page's own style is not blocked by its policy
    assert "How it learned" in seen["headings"]
    assert "Details" in seen["headings"]


@pytest.mark.parametrize("width", [1280, 400])
def test_the_report_of_an_exported_file_is_whole_too(hostile_run, tmp_path, width):
    from kerascnn import training

    pictures = str(hostile_run.parent / "pictures")
    training.export_onnx(hostile_run, tmp_path / "m.onnx", verify=pictures)
    page = tmp_path / "report.html"
    result = CliRunner().invoke(
        main, ["report", str(tmp_path / "m.onnx"), pictures, "--out", str(page)]
    )
    assert result.exit_code == 0, result.output
    seen = measure(tmp_path, width)
    assert (seen["console"], seen["requests"], seen["outside"]) == ([], [], [])
    assert (seen["broken"], seen["scripts"]) == (0, 0)
    assert "고양이와 강아지" in seen["text"]
    assert "How sure it is, and how often it is right" in seen["headings"]
    assert "How it learned" not in seen["headings"]


def test_hostile_and_korean_names_are_shown(hostile_run):
    text = measure(hostile_run, 1280)["text"]
    assert "<script>document.title=1" in text
    assert "고양이와 강아지" in text
    assert '"><img src=x onerror=alert(2)>' in text


def test_figures_follow_light_and_dark(hostile_run):
    light = measure(hostile_run, 1280, "--blink-settings=preferredColorScheme=1")["ink"]
    dark = measure(hostile_run, 1280, "--blink-settings=preferredColorScheme=0")["ink"]
    assert light == "rgb(29, 36, 48)"
    assert dark == "rgb(230, 233, 238)"
