"""The verification that the exported file's predictions equal the Keras model's.

Knows: what is compared, and the tolerance. Does not know: how the file was made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.card import ModelCard, Parity
from kerascnn.errors import ParityError
from kerascnn.inference.classifier import Classifier
from kerascnn.metrics.calibration import softmax
from kerascnn.training.data.pack import Pack
from kerascnn.training.networks.from_pixels import from_pixels, predict_logits

MAX_ABS_DIFF = 1e-4
"""Maximum difference of any probability, in float32 on the CPU."""

BATCH = 128
"""Pictures per run; only memory depends on it."""


def probabilities_of(
    classifier: Classifier, pictures: images.UInt8Array
) -> npt.NDArray[np.float32]:
    """Run a file on pictures of its input size, in batches."""
    starts = range(0, len(pictures), BATCH)
    return np.concatenate([classifier.run(pictures[at : at + BATCH])[1] for at in starts])


def measure_parity(
    file: Path, core: keras.Model, card: ModelCard, pictures: Pack, data: str
) -> Parity:
    """Compare an exported file with the Keras model, through the classifier that will serve it.

    Raises:
        ParityError: A top-1 prediction changed, or a probability differs by more than 1e-4.
    """
    keras_logits = predict_logits(from_pixels(core, card.normalization), pictures.images)
    expected = softmax(keras_logits, card.temperature)
    return compare(file, expected, card, pictures.images, data)


def compare(
    file: Path,
    expected: npt.NDArray[np.floating[Any]],
    card: ModelCard,
    pictures: images.UInt8Array,
    data: str,
) -> Parity:
    """Compare an exported file with the probabilities that a Keras model gave.

    Raises:
        ParityError: A top-1 prediction changed, or a probability differs by more than 1e-4.
    """
    found = probabilities_of(Classifier(file, "cpu"), pictures)
    parity = Parity(
        images=len(pictures),
        max_abs_diff=float(np.abs(expected - found).max()),
        top1_mismatches=int((expected.argmax(1) != found.argmax(1)).sum()),
        data=data,
    )
    if parity.top1_mismatches or not parity.max_abs_diff <= MAX_ABS_DIFF:
        raise ParityError(
            f"{card.name}: the exported graph does not reproduce the Keras model: on "
            f"{parity.images:,} pictures of {data}, {parity.top1_mismatches} top-1 predictions "
            f"differ (allowed: none) and the largest difference of a probability is "
            f"{parity.max_abs_diff:.2g} (allowed: {MAX_ABS_DIFF:g}). No file was written. "
            "Please report this with the model."
        )
    return parity
