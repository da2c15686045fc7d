"""The page of a data check in a real browser: whole at every width, silent, nothing fetched."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from kerascnn.dataset import load_dataset
from kerascnn.dataset.check import check_data
from kerascnn.report.checking import write_check_page

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
<iframe id="frame" src="check.html" style="border:0;width:{width}px;height:900px"></iframe>
<pre id="measured"></pre>
<script>
addEventListener("load", () => {{
  const frame = document.getElementById("frame"), page = frame.contentDocument;
  const outside = [...page.querySelectorAll("body *")].filter(element => {{
    const box = element.getBoundingClientRect();
    return box.width && !element.closest(".scroll") && (box.right > {width} + 1 || box.left < -1);
  }});
  document.getElementById("measured").textContent = JSON.stringify({{
    outside: outside.map(element => element.outerHTML.slice(0, 200)),
    requests: frame.contentWindow.performance.getEntriesByType("resource")
      .map(entry => entry.name).filter(name => !name.startsWith("data:")),
    scripts: page.scripts.length,
    broken: [...page.images].filter(image => !image.naturalWidth).length,
    images: page.images.length,
    headings: [...page.querySelectorAll("h2")].map(h => h.textContent),
    styled: getComputedStyle(page.body).marginTop,
    text: page.body.innerText,
  }});
}});
</script>"""

HOSTILE = "<script>document.title=1<\u2215script>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page")
    split = load_dataset("fashion-mini").splits["train"]
    for label, name in enumerate((HOSTILE, "고양이와 강아지")):
        folder = root / "pictures" / name
        folder.mkdir(parents=True)
        for index in (split.labels == label).nonzero()[0][:25]:
            Image.fromarray(split.pictures[int(index)]).save(folder / f"{'long' * 20}{index}.png")
    first = sorted((root / "pictures" / HOSTILE).iterdir())[0]
    (root / "pictures" / "고양이와 강아지" / "wrong.png").write_bytes(first.read_bytes())
    (root / "pictures" / HOSTILE / "broken.png").write_bytes(b"")
    Image.new("RGB", (400, 20)).save(root / "pictures" / HOSTILE / "wide.png")
    dataset = load_dataset(root / "pictures")
    write_check_page(root / "check.html", check_data(dataset), dataset)
    return root


@pytest.mark.parametrize("width", [1280, 400])
def test_page_is_whole_at_every_width(page: Path, width: int) -> None:
    (page / "frame.html").write_text(MEASURE.format(width=width), encoding="utf-8")
    profile = f"--user-data-dir={page / 'profile'}"
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, profile, (page / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="measured">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    seen = json.loads(html.unescape(found[1]))
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert (seen["requests"], seen["outside"], seen["broken"], seen["scripts"]) == ([], [], 0, 0)
    assert seen["images"] == 4
    assert seen["styled"] == "0px"
    assert {"Cannot be read", "The same picture in two classes", "Worth a look"} <= set(
        seen["headings"]
    )
    assert HOSTILE in seen["text"]
    assert "고양이와 강아지" in seen["text"]
