"""What the tests in a real browser share: Chromium, and a page that measures another."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--allow-file-access-from-files", "--enable-logging=stderr", "--virtual-time-budget=5000",
    "--dump-dom",
)  # fmt: skip

# The pages themselves run no script, so another holds one in a frame and measures it.
_MEASURE = """<!doctype html><meta charset="utf-8">
<iframe id="frame" src="{page}" style="border:0;width:{width}px;height:900px"></iframe>
<pre id="measured"></pre>
<script>
addEventListener("load", () => {{
  const frame = document.getElementById("frame"), page = frame.contentDocument;
  const outside = [...page.querySelectorAll("body *")].filter(element => {{
    const box = element.getBoundingClientRect();
    return box.width && !element.closest(".scroll") && (box.right > {width} + 1 || box.left < -1);
  }});
  const seen = element => element.getBoundingClientRect().height > 0;
  const drawn = page.querySelector("svg text");
  document.getElementById("measured").textContent = JSON.stringify({{
    width: page.documentElement.scrollWidth,
    outside: outside.map(element => element.outerHTML.slice(0, 200)),
    requests: frame.contentWindow.performance.getEntriesByType("resource")
      .map(entry => entry.name).filter(name => !name.startsWith("data:")),
    scripts: page.scripts.length,
    broken: [...page.images].filter(image => !image.naturalWidth).length,
    images: page.images.length,
    broken_words: [...page.querySelectorAll("details td, details th")]
      .filter(cell => cell.getClientRects().length && cell.offsetHeight > 45)
      .map(cell => cell.textContent),
    headings: [...page.querySelectorAll("h2")].filter(seen).map(h => h.textContent),
    styled: getComputedStyle(page.body).marginTop,
    text: page.body.innerText,
    ink: drawn && getComputedStyle(drawn).fill,
  }});
}});
</script>"""


@pytest.fixture(scope="session")
def measure_page() -> Callable[..., dict]:
    """Show a page at a width in pixels, and give what the browser made of it and said of it."""
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")

    def measure(page: Path, width: int, *flags: str) -> dict:
        frame = page.with_name("frame.html")
        frame.write_text(_MEASURE.format(page=page.name, width=width), encoding="utf-8")
        profile = f"--user-data-dir={page.parent / 'profile'}"
        done = subprocess.run(
            [chromium, *_FLAGS, *flags, profile, frame.as_uri()],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        measured = re.search(r'<pre id="measured">(.*?)</pre>', done.stdout, re.DOTALL)
        assert measured, done.stderr
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return {"console": console, **json.loads(html.unescape(measured[1]))}

    return measure
