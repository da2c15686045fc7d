"""The page as text: escaping, completeness, what is left out."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from kerascnn.card import ModelCard
from kerascnn.metrics.classification import evaluate_predictions
from kerascnn.metrics.epoch import EpochRecord
from kerascnn.metrics.outputs import Predictions
from kerascnn.printable import printable
from kerascnn.report.card_facts import calibration_facts
from kerascnn.report.content import Sample
from kerascnn.report.page import render_page
from kerascnn.report.verdict import judge


class Outline(HTMLParser):
    """Collects tags, attributes and visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(self.text)


@pytest.fixture(scope="module")
def page(content):
    """The page of the content as it is; drawing its figures takes a while."""
    return render_page(content())


def test_class_names_are_shown_and_not_run(content, page):
    outline = Outline(page)
    assert "script" not in outline.tags
    assert not [name for name, _ in outline.attributes if name.startswith("on")]
    for name in content().classes:
        assert name in outline.words
    assert "<b>flowers</b>" in outline.words
    assert "<i>fast</i>" in outline.words


def test_what_a_terminal_obeys_is_escaped(content):
    page = render_page(content(("\x1b[31mred", "\u202eback", "\x9b1m")))
    assert printable(page, keep="\n\t") == page


def test_page_refers_to_nothing_outside(page):
    outline = Outline(page)
    addresses = [value for name, value in outline.attributes if name in ("src", "href")]
    assert addresses
    assert all(value.startswith(("data:", "#")) for value in addresses)
    assert "link" in outline.tags  # the empty icon: without it a browser asks for one
    assert not re.search(r"url\((?!#)", page)


def test_policy_forbids_everything_but_our_own_style_and_pictures(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert " style=" not in page


def test_figures_have_text_not_glyph_paths_and_share_no_id(page):
    assert page.count("<svg") >= 3
    assert page.count("<text") > 10
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page))
    assert used <= set(ids)


def test_figures_take_the_colors_of_the_page(page):
    figures = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert "var(--ink)" in figures
    assert "var(--first)" in figures
    assert not re.search(r"#0000\d\d", figures)
    assert "#000000" not in figures


def test_verdict_names_the_kept_epoch_and_the_interval(page):
    words = Outline(page).words
    assert "34 of 40 validation pictures are classified correctly (85.0%)." in words
    assert "The weights of epoch 2 of 3 are kept" in words
    assert "based on 40 pictures only" in words
    assert "70.9%" in words  # Wilson's lower end of 34 right of 40


def test_phases_are_marked_on_every_curve_if_there_are_several(content, page):
    for name in ("Loss", "Accuracy", "Learning rate"):
        figure = re.search(rf"<h3>{name}</h3><svg.*?</svg>", page, re.DOTALL)[0]
        assert {">head<", ">all<"} <= set(re.findall(r">[a-z]+<", figure))
    alone = render_page(content(phase_spans=content().phase_spans[:1]))
    assert "Dotted lines" not in alone
    assert ">head<" not in re.search(r"<h3>Loss</h3><svg.*?</svg>", alone, re.DOTALL)[0]


def test_a_long_history_is_thinned_around_its_best_epoch(content):
    epochs = tuple(
        EpochRecord(number, 0.1, 1.0, 0.5, 0.9, 0.55, 900.0, 2.0) for number in range(1, 60_002)
    )
    page = render_page(content(epochs=epochs, best_epoch=7))
    assert page.count("<use ") < 5_000
    assert "<b>60001</b>" in page
    loss = re.search(r"<h3>Loss</h3><svg.*?</svg>", page, re.DOTALL)[0]
    assert ">kept</text>" in loss


def test_the_reliability_diagram_has_a_bar_for_every_bin(content, page):
    made = content()
    figure = re.search(
        r"<svg[^>]*Reliability diagram: accuracy by confidence.*?</svg>", page, re.DOTALL
    )[0]
    bars = re.findall(r'fill="var\(--first\)"', figure)
    assert len(bars) == len(made.evaluation.reliability.bins) > 1
    assert f"{made.evaluation.reliability.ece:.1%}" in page


def test_a_model_that_is_too_sure_of_itself_is_told(content):
    labels = np.arange(300) % 2
    answers = np.where(np.arange(300) % 3 == 0, 1 - labels, labels)
    logits = np.eye(2, dtype=np.float32)[answers] * 8
    evaluation = evaluate_predictions(Predictions(logits, labels, ("a", "b"), split="test"))
    remarks = judge(content(evaluation=evaluation, epochs=())).remarks
    assert any("overconfident" in remark and "67%" in remark for remark in remarks)


def test_the_class_told_apart_worst_is_marked_and_named(content, page):
    made = content()
    curves = made.evaluation.curves
    worst = min(curves, key=lambda one: one.average_precision)
    words = Outline(page).words
    assert f"Orange: {worst.label}" in words
    assert "Precision and recall" in words


def test_heat_lies_beside_every_mistake(content, page):
    made = content()
    assert page.count('alt="heat map for ') == len(made.mistakes)
    assert "Grad-CAM" in page
    cold = [replace(one, heat=None) for one in made.mistakes]
    assert 'alt="heat map for ' not in render_page(content(mistakes=tuple(cold), method=""))


def test_augmented_pictures_stand_beside_the_original(page):
    assert ", augmented&#34;" not in page
    assert len(re.findall(r'alt="[^"]*, augmented"', page)) == 1
    assert "augmented at random" in page


def test_mistakes_come_surest_first_with_both_classes(content, page):
    mistakes = content().mistakes
    assert len(mistakes) == 6
    surest = [mistake.wrong.probability for mistake in mistakes]
    assert surest == sorted(surest, reverse=True)
    words = Outline(page).words
    assert mistakes[0].wrong.path in words


def test_the_confusion_matrix_names_the_classes_on_both_axes(content):
    page = render_page(content(classes=("ant", "bee", "cat")))
    (matrix,) = re.findall(r'<table class="confusion">.*?</table>', page, re.S)
    for name in ("ant", "bee", "cat"):
        assert f'<th scope="col" title="{name}"><span>{name}</span></th>' in matrix
        assert f'<th scope="row">{name}</th>' in matrix


def test_many_classes_give_the_commonest_confusions_instead_of_a_matrix(content, page):
    classes = tuple(f"class {number}" for number in range(30))
    many = render_page(content(classes=classes))
    assert 'class="confusion"' not in many
    assert "<h2>Most frequent confusions</h2>" in many
    assert "<h2>Confusion matrix</h2>" not in many
    assert "One line per class, for the 25 with the lowest average precision" in many
    assert 'class="confusion"' in page
    assert "with the lowest average precision" not in page


def test_one_epoch_is_a_table_and_no_curve(content, page):
    once = render_page(content(epochs=content().epochs[:1], best_epoch=1, phase_spans=()))
    assert "Learning curves" not in once
    (table,) = re.findall(r"<h2>The only epoch</h2>.*?</table>", once, re.S)
    assert re.findall(r">([\d.%]+)<", table) == ["1.000", "50.0%", "0.900", "55.0%"]
    assert "The only epoch" not in page


def test_it_is_said_if_not_every_class_has_a_training_picture_in_the_page(content):
    picture = content().samples[0].picture
    samples = tuple(Sample(picture, label) for label in ("ant", "bee", "cat"))
    classes = ("ant", "bee", "cat", "dog")
    assert "The first 3 classes are shown." in render_page(
        content(classes=classes, samples=samples)
    )
    whole = render_page(content(classes=classes[:3], samples=samples))
    assert "classes are shown" not in whole


def test_frozen_layers_look_frozen(page):
    assert '<li class="partly"><b>block1</b>' in page
    assert '<li class="learns"><b>head</b>' in page
    assert "532 frozen" in page


def test_what_is_not_known_is_left_out(content, page):
    bare = render_page(
        content(
            epochs=(), best_epoch=None, layers=(), mistakes=(), samples=(), balance={}, facts={},
            commands=(),
        )
    )  # fmt: skip
    for heading in (
        "Learning curves",
        "The network",
        "Most confident mistakes",
        "How to reproduce it",
    ):
        assert heading not in bare
        assert heading in page


def test_same_content_gives_the_same_page(content, page):
    assert render_page(content()) == page


def test_pictures_in_the_page_are_the_pictures_given(content, page):
    import base64
    import io

    from PIL import Image

    made = content()
    address = re.search(r'<img src="data:image/png;base64,([^"]+)"', page)[1]
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(address))))
    assert (decoded == made.mistakes[0].picture).all()


def test_calibration_is_told_where_there_was_one():
    card = ModelCard("m", "cnn", ("a", "b"), 32, "pad", temperature=1.25)
    assert calibration_facts(card) == {}
    measured = replace(card, metrics={"val_ece_uncalibrated": 0.081, "val_ece": 0.024})
    assert list(calibration_facts(measured).values()) == ["1.250", "8.1%", "2.4%"]


def test_a_temperature_that_was_not_fitted_is_not_said_to_be():
    measured = {"val_ece_uncalibrated": 0.081, "val_ece": 0.081}
    facts = calibration_facts(ModelCard("m", "cnn", ("a", "b"), 32, "pad", metrics=measured))
    assert facts == {"temperature": "1, not fitted", "validation error (ECE)": "8.1%"}
