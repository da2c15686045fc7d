"""`kerascnn report` on a run and on an exported file."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn.cli import main
from kerascnn.dataset import load_dataset
from kerascnn.inference import Classifier, evaluate_file
from kerascnn.inference.occlusion import heat_of
from kerascnn.report.data_url import data_url
from kerascnn.report.heat import overlay

pytestmark = pytest.mark.slow


def run(*words: object, code: int = 0):
    result = CliRunner().invoke(main, ["report", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


def clothes(folder: Path, count: int = 60) -> Path:
    """Write the first built-in test pictures as files in class folders with Korean names."""
    names = ["티셔츠", "바지", "스웨터", "원피스", "코트", "샌들", "셔츠", "운동화", "가방", "부츠"]
    split = load_dataset("fashion-mini").splits["test"]
    for index in range(count):
        place = folder / names[split.labels[index]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(split.pictures[index]).save(place / f"{index}.png")
    return folder


def test_of_a_run_on_its_test_pictures(trained, tmp_path):
    page = tmp_path / "page.html"
    assert "page.html" in run(trained, "--out", page).stdout
    text = page.read_text(encoding="utf-8")
    assert "test pictures evaluated" in text
    assert "Learning curves" in text
    assert text.count('alt="heat map for ') == 12
    assert "Grad-CAM" in text


def test_of_an_exported_file(exported, tmp_path):
    found = evaluate_file(exported, "fashion-mini")
    run(exported, "fashion-mini", "--out", "page.html")
    text = Path("page.html").read_text(encoding="utf-8")
    assert f"{found.top1:.1%}" in text
    assert f"kerascnn report {exported} fashion-mini --split test" in text
    classifier = Classifier(exported)
    worst = found.mistakes[0]
    # The picture shown as the worst mistake is that picture, and its heat that of its answer.
    picture = (
        load_dataset("fashion-mini")
        .splits["test"]
        .pictures[int(re.search(r"\[(\d+)\]", worst.path)[1])]
    )
    from kerascnn.images import size_picture

    sized = size_picture(picture, 32, classifier.card.resize)
    heat = heat_of(classifier, sized, classifier.classes.index(worst.answer))
    assert data_url(sized) in text
    assert data_url(overlay(sized, heat)) in text


def test_an_exported_file_needs_data_with_classes_that_it_knows(exported, tmp_path):
    assert "Give DATA" in run(exported, code=2).stderr
    other = clothes(tmp_path / "clothes")
    assert "the model has no class" in run(exported, other, code=1).stderr
    assert not list(tmp_path.glob("*.html"))
