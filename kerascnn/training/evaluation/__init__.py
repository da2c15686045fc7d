"""Evaluation of a trained Keras model.

Knows: how a run's own data and splits are restored. Does not know: how scores are computed.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerascnn.dataset import Dataset, load_dataset
from kerascnn.dataset.check.leakage import Leaks, find_leaks
from kerascnn.errors import DataError
from kerascnn.inference.learned import LearnedPictures
from kerascnn.inference.prediction import bounded, finite_rows, not_finite_error
from kerascnn.language import sentence
from kerascnn.metrics.classification import Evaluation, evaluate_predictions
from kerascnn.metrics.outputs import Predictions, measured
from kerascnn.training.callbacks import Callback
from kerascnn.training.data.labeled import labeled_pack
from kerascnn.training.data.splits import run_dataset
from kerascnn.training.networks.from_pixels import PREDICT_BATCH, from_pixels, predict_logits
from kerascnn.training.run.folder import Run, open_run

log = logging.getLogger(__name__)

INCLUDES = sentence(
    "reading, decoding and resizing in threads, then Keras with its compilation, in batches of up "
    "to {batch}",
    batch=PREDICT_BATCH,
)
"""What the measured speed of a run includes."""


def evaluate_run(
    run: Run | str | Path,
    data: str | Path | None = None,
    split: str | None = None,
    progress: Callback | None = None,
    leaks: bool = False,
) -> Evaluation:
    """Evaluate the network of a run.

    Args:
        run: A run, its folder, or the ``model.keras`` inside it.
        data: Data as for :func:`kerascnn.dataset.load_dataset`; None: the run's own data, split as
            in training.
        split: ``train``, ``val``, ``test``, ``all``; None: test, else val, else all.
        progress: Callback for progress.
        leaks: Whether to look for duplicates and near-duplicates of the pictures among the training
            pictures.

    Raises:
        ModelFileError: There is no such run.
        DataError: There is no usable data, or it has classes that the model does not know.
    """
    run = run if isinstance(run, Run) else open_run(run)
    dataset = load_dataset(data, known=run.card.classes) if data else run_data(run)
    answers = predict_run(run, dataset, split, progress)
    found = _leaks(run, dataset, answers.split, own=not data) if leaks else None
    return evaluate_predictions(answers, found)


def _leaks(run: Run, dataset: Dataset, judged: str, own: bool) -> Leaks | None:
    if own or len(dataset.splits) > 1:
        return find_leaks(dataset, judged)
    try:
        learned = run_data(run)
    except DataError as error:
        log.warning("not checked for training pictures: %s", error)
        return None
    return find_leaks(dataset, judged, learned)


def predict_run(
    run: Run | str | Path,
    data: str | Path | Dataset | None = None,
    split: str | None = None,
    progress: Callback | None = None,
) -> Predictions:
    """Predict a data set with the network of a run; arguments as in :func:`evaluate_run`.

    Raises:
        ModelFileError: There is no such run.
        DataError: There is no usable data, or it has classes that the model does not know.
    """
    run = run if isinstance(run, Run) else open_run(run)
    card, listener = run.card, progress or Callback()
    if not isinstance(data, Dataset):
        data = load_dataset(data, known=card.classes) if data else run_data(run)
    model = from_pixels(run.load_model(card), card.normalization)
    start = time.perf_counter()
    # Without a cache: the measured speed includes reading and decoding.
    name, pictures = labeled_pack(data, card, split, progress=listener.on_read)
    between = time.perf_counter()
    logits = bounded(predict_logits(model, pictures.images))
    end = time.perf_counter()
    learned = LearnedPictures(card)
    learned.look_at(pictures.images)
    learned.warn(data, name)
    finite, lost = _finite(logits, pictures.names, data.name, name)
    return Predictions(
        logits=logits[finite],
        labels=pictures.labels[finite],
        classes=card.classes,
        names=tuple(pictures.names[i] for i in np.flatnonzero(finite)),
        temperature=card.temperature,
        split=name,
        skipped=(*pictures.skipped, *lost),
        speed=measured(len(pictures), end - start, end - between, INCLUDES),
    )


def _finite(
    logits: npt.NDArray[np.float32], names: tuple[str, ...], data: str, split: str
) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Return which pictures have finite outputs, and errors for the others, as warnings too."""
    finite = finite_rows(logits, logits)
    lost = [str(not_finite_error(names[i])) for i in np.flatnonzero(~finite)]
    for reason in lost:
        log.warning("left out: %s", reason)
    if not finite.any():
        raise DataError(
            f"{data}: the network's output is not finite for any picture of "
            f"split {split}. {lost[0]}"
        )
    return finite, lost


def run_data(run: Run) -> Dataset:
    """Load the data that a run was trained on, with the same validation split.

    Raises:
        DataError: It no longer exists.
    """
    config = run.located(run.config)
    try:
        return run_dataset(config)
    except DataError as error:
        raise DataError(
            f"{error} The run in {run.folder} was trained on it; give other data instead: "
            "DATA, or for export `verify`."
        ) from error
