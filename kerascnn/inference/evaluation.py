"""Evaluates an exported file on a data set, without Keras.

Knows: how a data set's labels are matched to a model's. Does not know how scores are computed
(:mod:`kerascnn.metrics`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerascnn.dataset import BUILTIN, Dataset, Split, load_dataset
from kerascnn.dataset.check.leakage import find_leaks
from kerascnn.dataset.pictures import sized_reader
from kerascnn.errors import ConfigError, DataError
from kerascnn.inference.classifier import BATCH_SIZE, Classifier
from kerascnn.inference.learned import LearnedPictures
from kerascnn.language import Sentence, sentence
from kerascnn.metrics.classification import Evaluation, evaluate_predictions
from kerascnn.metrics.outputs import Predictions, measured

log = logging.getLogger(__name__)


def evaluate_file(
    model: str | Path | Classifier,
    data: str | Path | Dataset | None = None,
    split: str | None = None,
    progress: Callable[[int, int], object] | None = None,
    leaks: bool = False,
) -> Evaluation:
    """Evaluate an exported file.

    Args:
        model: The ``.onnx`` file, or a classifier.
        data: A data set, or what :func:`kerascnn.dataset.load_dataset` takes; None: the data set
            that the model was trained on, if it is built in.
        split: ``train``, ``val``, ``test``, ``all``; None: test, else val, else all.
        progress: Called with the number of pictures done and the total.
        leaks: Also look for duplicates and near-duplicates in the other splits, which reads all
            pictures of the data set.

    Raises:
        ConfigError: No data given, and the training data is not built in.
        DataError: No usable data, or classes that the model does not have.
    """
    classifier = model if isinstance(model, Classifier) else Classifier(model)
    dataset = data_for(classifier, data)
    answers = predict_file(classifier, dataset, split, progress)
    return evaluate_predictions(answers, find_leaks(dataset, answers.split) if leaks else None)


def predict_file(
    model: str | Path | Classifier,
    data: str | Path | Dataset | None = None,
    split: str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Predictions:
    """Predict a data set with an exported file; arguments and errors: :func:`evaluate_file`.

    Raises:
        ConfigError: No data given, and the training data is not built in.
        DataError: No usable data, or classes that the model does not have.
    """
    classifier = model if isinstance(model, Classifier) else Classifier(model)
    dataset = data_for(classifier, data)
    name, chosen = dataset.choose(split, classifier.classes)
    learned = LearnedPictures(classifier.card)
    start = time.perf_counter()
    done = _run(classifier, chosen, learned, progress)
    seconds = time.perf_counter() - start
    learned.warn(dataset, name)
    if not done.kept:
        first = f" The first: {done.skipped[0]}" if done.skipped else ""
        raise DataError(f"{dataset.name}: no picture of split {name} could be classified.{first}")
    return Predictions(
        logits=np.concatenate(done.logits),
        labels=chosen.labels[done.kept],
        classes=classifier.classes,
        names=tuple(chosen.pictures.name(index) for index in done.kept),
        temperature=classifier.card.temperature,
        split=name,
        skipped=tuple(done.skipped),
        speed=measured(len(done.kept), seconds, done.seconds, _includes(classifier)),
    )


def _includes(classifier: Classifier) -> Sentence:
    return sentence(
        "reading, decoding and resizing in threads, and the network in batches of {batch} on "
        "provider {provider}",
        batch=BATCH_SIZE,
        provider=classifier.provider,
    )


def data_for(classifier: Classifier, data: str | Path | Dataset | None) -> Dataset:
    """Load the data to evaluate a classifier on.

    Raises:
        ConfigError: No data given, and the training data is not built in.
        DataError: No usable data.
    """
    if isinstance(data, Dataset):
        return data
    return load_dataset(data or _built_in(classifier), known=classifier.classes)


def _built_in(classifier: Classifier) -> str:
    name = str(classifier.card.data.get("name", ""))
    if not name:
        raise ConfigError(
            f"{classifier.card.name}: the file does not say which pictures it was trained on. "
            "Give the DATA to evaluate on."
        )
    if name not in BUILTIN:
        raise ConfigError(
            f"{classifier.card.name}: trained on {name}, which is not part of the file. "
            "Give the DATA to evaluate on."
        )
    return name


@dataclass
class _Run:
    """Predictions so far."""

    logits: list[npt.NDArray[np.float32]] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0
    """Time spent running the network."""


def _run(
    classifier: Classifier,
    split: Split,
    learned: LearnedPictures,
    progress: Callable[[int, int], object] | None,
) -> _Run:
    card, pictures, done, seen = classifier.card, split.pictures, _Run(), 0
    read = learned.looking(sized_reader(pictures, card.shape, card.resize_rule))
    # Only full batches: the last digits of an output may depend on the batch size.
    for outputs in classifier.run_batches(
        lambda index: (pictures.name(index), read(index)),
        range(len(split)),
        BATCH_SIZE,
        lambda _: 3 * card.shape[0] * card.shape[1],
        timeout=None,
    ):
        places = range(len(outputs.logits) + len(outputs.errors))
        done.logits.append(outputs.logits)
        done.seconds += outputs.seconds
        done.kept += [seen + place for place in places if place not in outputs.errors]
        for _, error in sorted(outputs.errors.items()):
            log.warning("left out: %s", error)
            done.skipped.append(str(error))
        seen += len(places)
        if progress:
            progress(seen, len(split))
    return done
