"""The clients in other languages answer as Classifier does, from raw pixels alone."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kerascnn import Classifier

EXAMPLES = Path(__file__).parents[2] / "examples"
SIZES = [(height, width) for height in (7, 24, 31, 32, 33, 48, 60, 75, 96, 120)
         for width in (9, 28, 31, 32, 40, 50, 64, 77, 100, 128)]  # fmt: skip
PICTURES = 200


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Real photographs of a hundred sizes, two of each; PNG keeps every value."""
    from skimage import data

    folder, paths = tmp_path_factory.mktemp("photographs"), []
    for name, source in (("coffee", data.coffee()), ("astronaut", data.astronaut())):
        original = Image.fromarray(source)
        for height, width in SIZES:
            paths.append(str(folder / f"{name}-{width}x{height}.png"))
            original.resize((width, height)).save(paths[-1])
    assert len(paths) == PICTURES
    return paths


@pytest.fixture(scope="module")
def expected(exported: Path, pictures: list[str]) -> list[tuple[str, float]]:
    answers = Classifier(exported, "cpu").predict(pictures)
    return [(answer.label, answer.probability) for answer in answers]


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in a folder of its own, with its packages."""
    if not shutil.which("npm"):
        pytest.skip("needs Node and npm")
    folder = tmp_path_factory.mktemp("javascript") / "example"
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(EXAMPLES / "javascript", folder, ignore=ignored)
    # The post-install script would fetch CUDA's libraries.
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm cannot install the packages here: {done.stderr[-300:]}")
    return folder


def check(printed: str, pictures: list[str], expected: list[tuple[str, float]]) -> None:
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [row["path"] for row in rows] == pictures
    assert [row["label"] for row in rows] == [label for label, _ in expected]
    found = [row["probability"] for row in rows]
    np.testing.assert_allclose(found, [value for _, value in expected], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("engine", [[], ["--wasm"]], ids=["onnxruntime-node", "onnxruntime-web"])
def test_javascript(engine, javascript, exported, pictures, expected) -> None:
    command = ["node", "classify.mjs", *engine, str(exported), *pictures]
    done = subprocess.run(command, cwd=javascript, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check(done.stdout, pictures, expected)


@pytest.mark.slow
def test_javascript_takes_raw_bytes_and_says_what_is_wrong(javascript, exported, pictures) -> None:
    with Image.open(pictures[0]) as image:
        (javascript / "a.rgb").write_bytes(image.convert("RGB").tobytes())
        size = f"{image.width}x{image.height}"
    names = [pictures[0], f"a.rgb:{size}", "a.rgb:3x3", "none.png"]
    done = subprocess.run(
        ["node", "classify.mjs", str(exported), *names],
        cwd=javascript, capture_output=True, text=True,
    )  # fmt: skip
    same, raw, wrong, missing = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 3
    assert (raw["label"], raw["probability"]) == (same["label"], same["probability"])
    assert "expected 3 x 3 x 3" in wrong["error"]
    assert "no such file" in missing["error"]


class _Files(http.server.SimpleHTTPRequestHandler):
    """The plain server of files that the page asks for, silent."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def page(javascript: Path) -> Iterator[Any]:
    """The example's page in a real browser, served as ``python3 -m http.server`` would."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs the extra dev")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(flag)
    handler = partial(_Files, directory=str(javascript))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with webdriver.Chrome(options, webdriver.ChromeService(driver)) as one:
            one.get(f"http://127.0.0.1:{server.server_port}/index.html")
            yield one
        server.shutdown()


def answered(page: Any, field: str, file: str) -> str:
    """Choose a file on the page, and give what it then says."""
    from selenium.webdriver.support.wait import WebDriverWait

    page.execute_script("document.getElementById('answer').textContent = ''")
    page.find_element("id", field).send_keys(file)
    said: str = WebDriverWait(page, 30).until(lambda page: page.find_element("id", "answer").text)
    return said


@pytest.mark.slow
@pytest.mark.flaky(reruns=2)
def test_page_with_onnxruntime_web(page, exported, pictures, expected, tmp_path) -> None:
    classes = Classifier(exported, "cpu").classes
    assert answered(page, "model", str(exported)) == f"{len(classes)} classes. Choose a picture."
    for path, (label, probability) in list(zip(pictures, expected, strict=True))[::10]:
        assert answered(page, "picture", path) == f"{label} ({100 * probability:.1f} %)", path

    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(pictures[0]).read_bytes()[:60])
    assert answered(page, "picture", str(broken)).startswith("Error: ")
    assert answered(page, "model", str(broken)).startswith("Error: not an ONNX file")


def test_plain_onnxruntime_in_python(exported, pictures, expected) -> None:
    some = slice(None, None, 10)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "python" / "classify.py"), str(exported), *pictures[some]],
        capture_output=True, text=True,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check(done.stdout, pictures[some], expected[some])


def test_cpp(exported, pictures, expected, tmp_path) -> None:
    """Where onnxruntime for C++ is unpacked, with ORT_HOME naming it.

    Its headers may be older than its library; that is in onnxruntime-node's package too.
    """
    home = os.environ.get("ORT_HOME")
    compiler = shutil.which("c++")
    if not home or not compiler:
        pytest.skip("needs a C++ compiler, and ORT_HOME naming onnxruntime's include/ and lib/")
    lib = f"{home}/lib"
    subprocess.run(
        [compiler, "-std=c++17", f"-I{home}/include", str(EXAMPLES / "cpp" / "classify.cpp"),
         f"-L{lib}", "-lonnxruntime", f"-Wl,-rpath,{lib}", "-o", "classify"],
        check=True,
    )  # fmt: skip
    for path, (label, probability) in list(zip(pictures, expected, strict=True))[::20]:
        with Image.open(path) as image:
            Path("a.rgb").write_bytes(image.convert("RGB").tobytes())
            size = [str(image.width), str(image.height)]
        done = subprocess.run(
            ["./classify", str(exported), "a.rgb", *size],
            capture_output=True,
            text=True,
        )
        found, value = done.stdout.rstrip("\n").split("\t")
        assert (found, float(value)) == (label, pytest.approx(probability, abs=1e-4))
