"""Evaluating a trained Keras model.

Knows: how a run's own data and splits are found again. Does not know how scores are computed.
"""

from __future__ import annotations

from pathlib import Path

from kerascnn.dataset import Dataset, load_dataset
from kerascnn.errors import DataError
from kerascnn.inference.evaluation import match_labels
from kerascnn.inference.metrics import Evaluation, evaluate_logits
from kerascnn.training.data import run_dataset
from kerascnn.training.feeding import pack
from kerascnn.training.preprocessing import from_pixels, predict_logits
from kerascnn.training.progress import Progress
from kerascnn.training.run import Run, open_run


def evaluate_run(
    run: Run | str | Path,
    data: str | Path | None = None,
    split: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate the network of a run.

    Args:
        run: A run, its folder, or the ``model.keras`` inside it.
        data: What :func:`kerascnn.dataset.load_dataset` takes; None: the run's own data, split
            as it was in training.
        split: ``train``, ``val``, ``test``, ``all``; None: test, else val, else all.
        progress: Who listens.

    Returns:
        The evaluation.

    Raises:
        ModelFileError: No such run.
        DataError: No usable data, or classes that the model does not know.
    """
    run = run if isinstance(run, Run) else open_run(run)
    card, listener = run.card, progress or Progress()
    dataset = load_dataset(data) if data else run_data(run)
    name, chosen = dataset.choose(split)
    labels = match_labels(dataset, chosen, card.classes)
    pictures = pack(
        type(chosen)(chosen.pictures, labels),
        card.image_size,
        card.resize,
        progress=lambda done: listener.reading(name, done, len(chosen)),
    )
    if not len(pictures):
        raise DataError(f"{dataset.name}: no picture of split {name} can be read.")
    model = from_pixels(run.load_model(), card.normalization)
    logits = predict_logits(model, pictures.images)
    return evaluate_logits(logits, pictures.labels, card.classes, name, pictures.skipped)


def run_data(run: Run) -> Dataset:
    """Load the data that a run was trained on, with the same validation split.

    Args:
        run: With its configuration.

    Returns:
        The data set.

    Raises:
        DataError: It is not there any more.
    """
    config = run.config
    try:
        return run_dataset(config)
    except DataError as error:
        raise DataError(
            f"{error} The run in {run.folder} was trained on it; give other data instead."
        ) from error
