"""How objects show themselves in a notebook: complete, and with every name as text."""

import logging
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import kerascnn
from kerascnn import fonts, notebook, plots
from kerascnn.inference import Classifier
from kerascnn.inference.prediction import Prediction, Ranked
from kerascnn.language import use_language
from kerascnn.metrics.classification import Evaluation, evaluate_predictions
from kerascnn.metrics.outputs import Predictions
from kerascnn.report.png_figures import importances_png

HOSTILE = "<script>alert(1)</script> & \"'\x1b[2J"


class Parsed(HTMLParser):
    """Text, and names of elements; every element has to be closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.open = "", set(), []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert not any(name.startswith("on") for name, _ in attrs)
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def shown(thing: object) -> Parsed:
    return Parsed(thing._repr_html_())  # type: ignore[attr-defined]


def answers(classes: tuple[str, ...], pictures: int = 60) -> Predictions:
    random = np.random.default_rng(0)
    labels = random.integers(0, len(classes), pictures)
    logits = random.normal(size=(pictures, len(classes))).astype("f")
    logits[np.arange(pictures), labels] += 2
    return Predictions(logits, labels, classes)


def evaluated(classes: tuple[str, ...]) -> Evaluation:
    return evaluate_predictions(answers(classes))


def test_names_are_text_wherever_they_come_from() -> None:
    pieces = (
        notebook.card(HOSTILE, {HOSTILE: HOSTILE}), notebook.bars([(HOSTILE, 0.5)]),
        notebook.table((HOSTILE, "b"), [(HOSTILE, HOSTILE)]),
        notebook.matrix((HOSTILE, "b"), ((1, 2), (3, 4)), HOSTILE),
    )  # fmt: skip
    for piece in pieces:
        page = Parsed(piece)
        assert "script" not in page.tags
        assert "<script>alert(1)</script>" in page.text
        assert "\x1b" not in piece


def test_a_prediction_is_a_bar_chart() -> None:
    page = shown(Prediction("cat", 0.75, (Ranked("cat", 0.75), Ranked(HOSTILE, 0.25))))
    assert "75.0%" in page.text
    assert "25.0%" in page.text
    assert "script" not in page.tags


def test_an_evaluation_is_a_confusion_matrix_or_the_commonest_confusions() -> None:
    few, many = evaluated(("cat", "dog", HOSTILE)), evaluated(tuple(f"c{i}" for i in range(60)))
    page = shown(few)
    for row in few.confusion:
        for count in row:
            assert not count or f"{count:,}" in page.text
    assert page.text.count("dog") == 2
    assert f"{few.top1:.2%}" in page.text
    assert "true ↓" not in shown(many).text
    assert "predicted" in shown(many).text


def test_a_classifier_shows_its_card(exported: Path) -> None:
    page = shown(Classifier(exported, "cpu"))
    assert "pad to 32 x 32 pixels" in page.text
    assert "cpu, exact" in page.text


def test_cards_are_korean_where_korean_is_spoken(exported: Path) -> None:
    classifier = Classifier(exported, "cpu")
    card = classifier.card
    names = "|".join(map(re.escape, (card.name, card.network, *card.classes)))
    for thing in (classifier, evaluated(("개", "말")), evaluated(tuple(map(str, range(60))))):
        with use_language("ko"):
            text = re.sub(f"{names}|cpu|exact|pad|top-\\d|F1", "", shown(thing).text)
        assert re.search("[가-힣]", text)
        assert not re.search("[A-Za-z]{2}", text)


def test_frames_of_classes_and_of_pictures() -> None:
    pandas = pytest.importorskip("pandas")
    given = answers(("cat", "dog"))
    evaluation = evaluate_predictions(given)
    classes = evaluation.to_frame()
    assert isinstance(classes, pandas.DataFrame)
    assert list(classes["label"]) == ["cat", "dog"]
    assert classes["support"].sum() == evaluation.images
    pictures = evaluation.to_frame(given)
    assert len(pictures) == evaluation.images
    assert pictures["right"].mean() == pytest.approx(evaluation.top1)
    assert ((pictures["truth"] == pictures["answer"]) == pictures["right"]).all()


def test_a_model_that_confuses_nothing_shows_no_empty_table() -> None:
    classes = tuple(f"c{i}" for i in range(60))
    perfect = Predictions(10 * np.eye(60, dtype="f"), np.arange(60), classes)
    assert "table" not in shown(evaluate_predictions(perfect)).tags


def test_without_pandas_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(kerascnn.KerascnnError, match=r"kerascnn\[notebook\]"):
        evaluated(("a", "b")).to_frame()


def test_a_confusion_matrix_is_drawn_with_every_name_and_count() -> None:
    from matplotlib.figure import Figure

    evaluation = evaluated(("cat", "price $", "개"))
    figure = evaluation.plot_confusion()
    assert isinstance(figure, Figure)
    axes = figure.axes[0]
    assert [one.get_text() for one in axes.get_yticklabels()] == ["cat", r"price \$", "개"]
    drawn = sorted(int(one.get_text()) for one in axes.texts)
    assert drawn == sorted(count for row in evaluation.confusion for count in row if count)
    assert evaluated(("cat", "dog")).plot_confusion()._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert not evaluated(tuple(f"c{i}" for i in range(60))).plot_confusion().axes[0].texts


def test_figures_are_korean_where_korean_is_spoken() -> None:
    if not set(fonts.font_families()) & set(fonts._HANGUL):
        pytest.skip("no font with Hangul is installed")
    with use_language("ko"):
        curves = plots.plot_curves([(2.0, 2.1), (1.0, 1.5)], [(0.2, 0.2), (0.6, 0.5)])
        matrix = evaluated(("개", "price $")).plot_confusion()
        importances = importances_png({"learning_rate": 0.9, "batch_size": 0.1})
    left, right = curves.axes
    assert [left.get_xlabel(), left.get_ylabel()] == ["에포크", "손실(내트)"]
    assert [right.get_xlabel(), right.get_ylabel()] == ["에포크", "정확도(%)"]
    assert [one.get_text() for one in right.get_legend().get_texts()] == ["학습", "검증"]
    assert [matrix.axes[0].get_xlabel(), matrix.axes[0].get_ylabel()] == ["예측", "실제"]
    # matplotlib warns of each letter that it draws as a box, and warnings are errors here. The
    # language that is spoken when a notebook shows a figure is not asked for.
    assert all(one._repr_png_().startswith(b"\x89PNG") for one in (curves, matrix))
    assert importances != importances_png({"learning_rate": 0.9, "batch_size": 0.1})


def test_without_a_korean_font_figures_are_english(monkeypatch, caplog) -> None:
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    monkeypatch.setattr(fonts, "_HANGUL", ())
    with use_language("ko"):
        matrix = evaluated(("cat", "dog")).plot_confusion()
    assert [matrix.axes[0].get_xlabel(), matrix.axes[0].get_ylabel()] == ["predicted", "true"]
    assert "no Korean font" in caplog.text


@pytest.mark.parametrize("classes", [2, 12])
def test_a_confusion_matrix_has_room_for_long_names(classes: int) -> None:
    if not set(fonts.font_families()) & set(fonts._HANGUL):
        pytest.skip("needs a font with Hangul, such as those of fonts-noto-cjk")
    evaluation = evaluated(tuple(f"냉장고의 문이 열린 {i} 상태입니다" for i in range(classes)))
    figure = evaluation.plot_confusion()
    figure.draw_without_rendering()
    axes = figure.axes[0]
    bounds = figure.get_tightbbox()
    assert bounds.x0 >= 0 and bounds.y0 >= 0 and bounds.x1 <= figure.get_figwidth()
    assert axes.get_window_extent().width / figure.dpi >= 0.4 * classes
