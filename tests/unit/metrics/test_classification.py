"""Every number of an evaluation against scikit-learn's, on real answers to real pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn.dataset import load_dataset
from kerascnn.inference.evaluation import predict_file
from kerascnn.metrics.classification import evaluate_predictions
from kerascnn.metrics.curves import POINTS, class_curves
from kerascnn.metrics.outputs import Predictions
from kerascnn.metrics.significance import wilson_interval

sklearn = pytest.importorskip("sklearn.metrics")


@pytest.fixture(scope="module")
def answers(exported: Path) -> Predictions:
    return predict_file(exported, "fashion-mini")


def test_scores_of_classes_are_those_of_scikit_learn(answers):
    evaluation = evaluate_predictions(answers)
    first = answers.logits.argmax(1)
    theirs = sklearn.precision_recall_fscore_support(answers.labels, first)
    ours = [(s.precision, s.recall, s.f1, s.support) for s in evaluation.per_class]
    np.testing.assert_allclose(np.array(ours).T, theirs, rtol=1e-12)
    assert evaluation.top1 == pytest.approx(sklearn.accuracy_score(answers.labels, first))
    assert evaluation.top5 == pytest.approx(
        sklearn.top_k_accuracy_score(answers.labels, answers.logits, k=5)
    )
    assert evaluation.macro_f1 == pytest.approx(
        sklearn.f1_score(answers.labels, first, average="macro")
    )
    assert evaluation.confusion == tuple(
        map(tuple, sklearn.confusion_matrix(answers.labels, first).tolist())
    )
    assert evaluation.reliability.nll == pytest.approx(
        sklearn.log_loss(answers.labels, answers.probabilities)
    )


def test_balanced_accuracy_counts_only_classes_with_pictures(answers):
    """Trousers are easy, shirts hard: all of the easy ones, and few of the hard."""
    kept = np.concatenate(
        [np.flatnonzero(answers.labels == 1), np.flatnonzero(answers.labels == 6)[:20]]
    )
    some = Predictions(answers.logits[kept], answers.labels[kept], answers.classes)
    evaluation = evaluate_predictions(some)
    with pytest.warns(UserWarning, match="not in y_true"):
        theirs = sklearn.balanced_accuracy_score(some.labels, some.top1)
    assert evaluation.balanced_accuracy == pytest.approx(theirs)
    assert evaluation.balanced_accuracy < evaluation.top1
    absent = evaluation.per_class[0]
    assert (absent.support, absent.recall, absent.roc_auc) == (0, 0.0, None)
    assert absent.average_precision is None


def test_areas_are_those_of_scikit_learn(answers):
    evaluation = evaluate_predictions(answers)
    for number, score in enumerate(evaluation.per_class):
        truth, scores = answers.labels == number, answers.probabilities[:, number]
        assert score.roc_auc == pytest.approx(sklearn.roc_auc_score(truth, scores), abs=1e-12)
        assert score.average_precision == pytest.approx(
            sklearn.average_precision_score(truth, scores), abs=1e-12
        )


def test_ties_are_one_step_whatever_the_order():
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1])
    truth = np.array([True, True, False, True, False, False])
    for order in (np.arange(6), np.arange(6)[::-1]):
        found = class_curves("a", scores[order], truth[order])
        assert found.auc == pytest.approx(sklearn.roc_auc_score(truth, scores))
        assert found.average_precision == pytest.approx(
            sklearn.average_precision_score(truth, scores)
        )
        assert found.recall == pytest.approx((0, 1 / 3, 1, 1))
        assert found.precision == pytest.approx((1, 1, 3 / 5, 1 / 2))


def test_thinned_curves_lie_on_the_whole_ones(answers):
    evaluation = evaluate_predictions(answers)
    for number, curves in enumerate(evaluation.curves):
        truth, scores = answers.labels == number, answers.probabilities[:, number]
        false, true, _ = sklearn.roc_curve(truth, scores, drop_intermediate=False)
        ours = list(zip(curves.false_positive_rate, curves.true_positive_rate, strict=True))
        assert 2 <= len(ours) <= POINTS + 1
        assert (ours[0], ours[-1]) == ((0, 0), (1, 1))
        whole = {(round(x, 9), round(y, 9)) for x, y in zip(false, true, strict=True)}
        assert {(round(x, 9), round(y, 9)) for x, y in ours} <= whole
        # The area under what is left is still the area.
        left = np.trapezoid(curves.true_positive_rate, curves.false_positive_rate)
        assert left == pytest.approx(curves.auc, abs=0.01)


def test_the_most_confident_mistakes_come_first_and_are_named(answers):
    evaluation = evaluate_predictions(answers)
    mistakes = evaluation.mistakes
    assert len(mistakes) == 20
    assert [m.probability for m in mistakes] == sorted(
        (m.probability for m in mistakes), reverse=True
    )
    wrong = answers.top1 != answers.labels
    assert mistakes[0].probability == answers.probabilities.max(1)[wrong].max()
    for mistake in mistakes:
        index = answers.names.index(mistake.path)
        assert index == mistake.index
        assert mistake.truth == answers.classes[answers.labels[index]] != mistake.answer
        assert mistake.truth_probability < mistake.probability


def test_intervals_and_speed_are_part_of_the_json(answers):
    document = evaluate_predictions(answers).to_dict()
    right = round(document["top1"] * document["images"])
    interval = wilson_interval(right, document["images"])
    assert document["top1_interval"] == [interval.low, interval.high]
    assert interval.low < document["top1"] < interval.high
    speed = document["speed"]
    assert speed["images_per_second"] == pytest.approx(document["images"] / speed["seconds"])
    assert speed["network_images_per_second"] > speed["images_per_second"]
    assert "decoding" in speed["includes"]
    assert "curves" not in document
    assert len(evaluate_predictions(answers).to_dict(curves=True)["curves"]) == 10


def test_broken_pictures_are_left_out_and_names_still_fit(exported, tmp_path):
    dataset = load_dataset("fashion-mini")
    split = dataset.splits["test"]
    for index in np.flatnonzero(split.labels)[:20]:
        folder = tmp_path / "data" / dataset.classes[split.labels[index]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(split.pictures[int(index)]).save(folder / f"{index:03}.png")
    whole = predict_file(exported, tmp_path / "data")
    broken = sorted((tmp_path / "data").rglob("*.png"))[3]
    broken.write_bytes(b"no picture")
    found = predict_file(exported, tmp_path / "data")
    gone = broken.relative_to(tmp_path / "data").as_posix()
    assert len(found.skipped) == 1
    assert str(broken) in found.skipped[0]
    assert found.names == tuple(name for name in whole.names if name != gone)
    kept = [name != gone for name in whole.names]
    assert np.array_equal(found.top1, whole.top1[kept])
    assert evaluate_predictions(found).images == 19
