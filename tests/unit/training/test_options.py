"""Class weights, label smoothing, patience, validation data."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn import training
from kerascnn.dataset import load_dataset
from kerascnn.errors import ConfigError, DataError
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.splits import run_dataset
from kerascnn.training.trainer.loss import Loss, balanced_weights

LOGITS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
LABELS = np.asarray([0, 0, 0, 0, 0, 1, 1, 2])


def loss_of(smoothing: float = 0.0, weights: np.ndarray | None = None) -> float:
    loss, right = Loss(3, smoothing, weights)(LOGITS, LABELS)
    assert float(right) == (LOGITS.argmax(1) == LABELS).sum()
    return float(loss)


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    np.testing.assert_allclose(balanced_weights(LABELS, 3), [8 / 15, 8 / 6, 8 / 3], rtol=1e-6)
    assert balanced_weights(LABELS, 3)[LABELS].mean() == pytest.approx(1)


def test_class_weights_weigh_the_loss() -> None:
    weights = balanced_weights(LABELS, 3)
    each = -log_probabilities(LOGITS)[np.arange(8), LABELS]
    assert loss_of(weights=weights) == pytest.approx((each * weights[LABELS]).mean(), abs=1e-6)


def test_label_smoothing_spreads_the_labels() -> None:
    targets = 0.7 * np.eye(3)[LABELS] + 0.3 / 3
    expected = -(targets * log_probabilities(LOGITS)).sum(1).mean()
    assert loss_of(smoothing=0.3) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_patience_ends_each_phase_and_then_the_run(tmp_path: Path) -> None:
    # At this rate nothing moves, so no epoch is better than the first.
    run = training.fit(
        TrainConfig(
            out=str(tmp_path / "r"), phase=("head:9", "hidden,head:9"), learning_rate=1e-12,
            patience=2, image_size=10, batch_size=512,
        )
    )  # fmt: skip
    # Three epochs, then two, or three if the second phase's sums round to a better loss.
    assert len(run.history) in (5, 6)
    assert run.is_finished


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """``all/`` with a class folder for each of three classes, ``val/`` with two of them."""
    train = load_dataset("fashion-mini").splits["train"]
    for split, labels in (("all", (0, 1, 2)), ("val", (0, 2))):
        for label in labels:
            folder = tmp_path / split / f"c{label}"
            folder.mkdir(parents=True)
            for index in np.flatnonzero(train.labels == label)[:6]:
                Image.fromarray(train.pictures[int(index)]).save(folder / f"{index}.png")
    return tmp_path


def test_val_may_be_a_folder(folders: Path) -> None:
    dataset = run_dataset(TrainConfig(data=str(folders / "all"), val=str(folders / "val")))
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 18, "val": 12}
    assert np.bincount(dataset.splits["val"].labels).tolist() == [6, 0, 6]


def test_val_may_be_a_share(folders: Path) -> None:
    dataset = run_dataset(TrainConfig(data=str(folders / "all"), val="0.5"))
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 9, "val": 9}


def test_a_validation_class_that_is_not_learned_is_refused(folders: Path) -> None:
    with pytest.raises(DataError, match="'c1'"):
        run_dataset(TrainConfig(data=str(folders / "val"), val=str(folders / "all")))


@pytest.mark.parametrize(
    "options",
    [{"val": 1.5}, {"val": "0"}, {"patience": 0}, {"label_smoothing": 1.0}, {"class_weights": "x"}],
)
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        TrainConfig(**options)  # type: ignore[arg-type]
