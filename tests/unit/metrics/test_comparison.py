"""Two models on the same pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerascnn.errors import DataError
from kerascnn.inference.evaluation import predict_file
from kerascnn.metrics.comparison import compare_predictions
from kerascnn.metrics.outputs import Predictions
from kerascnn.metrics.significance import mcnemar_exact


@pytest.fixture(scope="module")
def answers(exported: Path) -> Predictions:
    return predict_file(exported, "fashion-mini")


@pytest.fixture(scope="module")
def worse(answers) -> Predictions:
    """The same model with a bias towards shirts."""
    bias = np.eye(10, dtype=np.float32)[answers.classes.index("Shirt")] * 2
    return replace(answers, logits=answers.logits + bias)


def test_a_model_equals_itself(answers):
    found = compare_predictions(answers, answers, "a", "b")
    assert (found.changed, found.p_value, found.largest_difference) == ((), 1.0, 0.0)
    assert found.both_right + found.both_wrong == found.images == 500
    assert found.a_top1 == found.b_top1 == answers.right.mean()


def test_counts_test_and_changed_answers(answers, worse):
    found = compare_predictions(answers, worse, "a.onnx", "b.onnx")
    first, second = answers.logits.argmax(1), worse.logits.argmax(1)
    right, also = first == answers.labels, second == answers.labels
    assert found.only_a_right == (right & ~also).sum() > 0
    assert found.only_b_right == (also & ~right).sum()
    assert found.p_value == mcnemar_exact(found.only_a_right, found.only_b_right)
    total = found.both_right + found.only_a_right + found.only_b_right + found.both_wrong
    assert total == found.images
    assert len(found.changed) == (first != second).sum()
    for one in found.changed:
        index = answers.names.index(one.path)
        assert one.a == answers.classes[first[index]]
        assert one.b == "Shirt" == answers.classes[second[index]]
        assert one.truth == answers.classes[answers.labels[index]]
        assert one.b_probability == worse.probabilities[index].max()
    document = found.to_dict()
    assert (document["a"], document["b"]) == ("a.onnx", "b.onnx")
    assert document["changed"][0]["path"] == found.changed[0].path


def test_classes_in_another_order_are_the_same_answers(answers):
    turned = Predictions(
        logits=answers.logits[:, ::-1],
        labels=9 - answers.labels,
        classes=answers.classes[::-1],
        names=answers.names,
        temperature=answers.temperature,
    )
    found = compare_predictions(answers, turned, "a", "b")
    assert (len(found.changed), found.p_value, found.a_top1) == (0, 1.0, found.b_top1)
    assert found.largest_difference < 1e-12


def test_what_cannot_be_compared_is_refused(answers):
    renamed = replace(answers, classes=("Tee", *answers.classes[1:]))
    with pytest.raises(DataError, match=r"only one has .*'Tee'"):
        compare_predictions(answers, renamed, "a", "b")
    with pytest.raises(DataError, match="evaluated on different pictures"):
        compare_predictions(answers, replace(answers, names=answers.names[::-1]), "a", "b")
