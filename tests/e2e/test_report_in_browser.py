"""The report in a real browser: nothing asked for, nothing complained about, all of it visible."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kerascnn.cli import main

# A browser that does not start is not ours to mend: two more tries, counted in the summary.
pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]


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
    training.fit(training.TrainConfig(data=str(root / "pictures"), out=str(root / "run"), epochs=2))
    return root / "run"


@pytest.mark.parametrize("width", [1280, 400])
def test_report_is_whole_at_every_width(hostile_run, width, measure_page):
    seen = measure_page(hostile_run / "report.html", width)
    assert seen["console"] == []
    assert seen["requests"] == []
    assert seen["outside"] == []
    assert seen["width"] <= width
    assert seen["broken"] == 0
    assert seen["images"] > 3
    assert seen["scripts"] == 0
    assert seen["styled"] == "0px"  # the page's own style is not blocked by its policy
    assert "Learning curves" in seen["headings"]
    assert "Details" in seen["headings"]
    assert not seen["broken_words"]


@pytest.mark.parametrize("width", [1280, 400])
def test_the_report_of_an_exported_file_is_whole_too(hostile_run, tmp_path, width, measure_page):
    from kerascnn import training

    pictures = str(hostile_run.parent / "pictures")
    training.export_onnx(hostile_run, tmp_path / "m.onnx", verify=pictures)
    page = tmp_path / "report.html"
    result = CliRunner().invoke(
        main, ["report", str(tmp_path / "m.onnx"), pictures, "--out", str(page)]
    )
    assert result.exit_code == 0, result.output
    seen = measure_page(page, width)
    assert (seen["console"], seen["requests"], seen["outside"]) == ([], [], [])
    assert (seen["broken"], seen["scripts"]) == (0, 0)
    assert "고양이와 강아지" in seen["text"]
    assert "Calibration: reliability diagram" in seen["headings"]
    assert "Learning curves" not in seen["headings"]
    korean = tmp_path / "korean.html"
    words = ["report", str(tmp_path / "m.onnx"), pictures, "--out", str(korean), "--lang", "ko"]
    assert CliRunner().invoke(main, words).exit_code == 0
    seen = measure_page(korean, width)
    assert seen["outside"] == []
    assert [cell for cell in seen["broken_words"] if len(cell.split()) == 1] == []


def test_hostile_and_korean_names_are_shown(hostile_run, measure_page):
    text = measure_page(hostile_run / "report.html", 1280)["text"]
    assert "<script>document.title=1" in text
    assert "고양이와 강아지" in text
    assert '"><img src=x onerror=alert(2)>' in text


def test_figures_follow_light_and_dark(hostile_run, measure_page):
    light = measure_page(
        hostile_run / "report.html", 1280, "--blink-settings=preferredColorScheme=1"
    )["ink"]
    dark = measure_page(
        hostile_run / "report.html", 1280, "--blink-settings=preferredColorScheme=0"
    )["ink"]
    assert light == "rgb(29, 36, 48)"
    assert dark == "rgb(230, 233, 238)"
