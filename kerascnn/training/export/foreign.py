"""Export of a Keras model that was made elsewhere.

Knows: the order of the steps. The file is verified against the model itself, with its own softmax,
before anything was cut off or added. Does not know: how a file is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from keras import Model, layers

from kerascnn import images
from kerascnn.card import ModelCard, Precision
from kerascnn.dataset import load_dataset
from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.inference.model_file.signature import answers_of
from kerascnn.language import sentence
from kerascnn.training.data.labeled import labeled_pack
from kerascnn.training.export import Export, calibration, write_proven
from kerascnn.training.export.precision.reduce import MAX_DROP, Pictures, PrecisionRequest
from kerascnn.training.export.target import check_replaceable, target_file
from kerascnn.training.export.verify import compare
from kerascnn.training.foreign.loading import LoadedModel, load_foreign
from kerascnn.training.foreign.logits import core_of, meaning_of
from kerascnn.training.foreign.opening import answers
from kerascnn.training.run.provenance import versions, weights_sha256

_ARITHMETIC = {
    *("subtract", "truedivide", "divide", "multiply", "add", "truediv", "sub", "mul"),
    *("realdiv", "bias_add", "biasadd", "__operators__"),
}
"""Arithmetic of Keras 3, and TensorFlow's functions in files of Keras 2, in lower case."""

BUILT_IN = "fashion-mini (each made of three gray ones)"
"""Name of the pictures to compare on by default: real ones, with real colors."""


def export_foreign(
    path: str | Path,
    foreign: ForeignModel,
    out: str | Path | None = None,
    verify: str | Path | None = None,
    progress: Callable[[str], object] | None = None,
    precision: Precision = "float32",
    calibrate: str | Path | None = None,
    max_drop: float = MAX_DROP,
    overwrite: bool = True,
) -> Export:
    """Export a ``.keras`` or ``.h5`` classifier made elsewhere, and verify its predictions.

    Args:
        foreign: Class names, image size, normalization and resize rule.
        out: The file to write; None: ``exported/NAME.onnx``, NAME being the model file's.
        verify: Data to compare on; None: pictures made from the built-in ones. If the model knows
            their labels, its top-1 accuracy on them is recorded in the card.
        precision: ``float32``, ``float16`` or ``int8``; the loss of accuracy is measured on the
            pictures to compare on, relative to the model's own predictions if they have no labels.
        calibrate: Data to calibrate int8 on.
        max_drop: Percentage points of top-1 accuracy that lower precision may cost, 0 to 100.

    Raises:
        ModelFileError: The model contains code, cannot be loaded or converted, or is no classifier
            of pictures.
        ConfigError: Information about the model is missing or contradicts it, or the file holds
            another model and ``overwrite`` is False.
        DataError: There are no pictures to compare on.
        ParityError: The file's predictions differ, or lower precision costs more than
            ``max_drop``; no file is written.
    """
    tell = progress or (lambda _step: None)
    path = Path(path)
    foreign.check_class_count(path)
    target = target_file(out, path.stem)
    tell(sentence("inspecting and loading the model"))
    loaded = load_foreign(path, foreign)
    card = _card(path, foreign, loaded)
    check_replaceable(target, card, overwrite)
    tell(sentence("reading pictures to compare on"))
    pictures, data, labels = _pictures(card, verify)
    values = answers(loaded, pictures, card.normalization, path)
    meaning = meaning_of(loaded, values, len(card.classes), str(path), foreign.outputs)
    expected = answers_of(values, meaning, len(card.classes))[1]
    if labels is not None:
        card = replace(card, metrics={"top1": float((expected.argmax(1) == labels).mean())})
    core = core_of(loaded, meaning, len(card.classes))
    measure = partial(compare, expected=expected, card=card, pictures=pictures, data=data)
    measured = Pictures(data, pictures, expected.argmax(1) if labels is None else labels)

    def ranged() -> Pictures | None:
        return calibration(load_dataset(calibrate), card) if calibrate else None

    wanted = PrecisionRequest(precision, ranged, max_drop, measured, tell)
    return write_proven(target, core, card, measure, wanted)


def _card(path: Path, foreign: ForeignModel, loaded: LoadedModel) -> ModelCard:
    if not _normalizes(loaded.model):
        foreign.warn_if_unnormalized(path.name)
    card = foreign.card(path.stem, loaded.model.name, loaded.shape, loaded.channels)
    made = {**versions(), "trained_with": loaded.written_by}
    return replace(card, versions=made, weights_sha256=weights_sha256(loaded.model))


def _normalizes(model: Model) -> bool:
    """Return whether a model normalizes its pixels itself, in one of its first layers.

    That is a layer for it, or arithmetic before the first layer with weights, as
    ``preprocess_input`` produces it.
    """
    own = (layers.Rescaling, layers.Normalization)
    inner = list(model._flatten_layers())
    if any(isinstance(layer, own) for layer in inner):
        return True
    return any(_starts_with_arithmetic(part) for part in inner if isinstance(part, Model))


def _starts_with_arithmetic(model: Model) -> bool:
    for operation in getattr(model, "operations", ()):
        if getattr(operation, "weights", None):
            return False
        name = str(getattr(operation, "function", type(operation).__name__))
        if name.rpartition(".")[2].lower() in _ARITHMETIC:
            return True
    return False


def _pictures(
    card: ModelCard, verify: str | Path | None
) -> tuple[images.UInt8Array, str, npt.NDArray[np.int64] | None]:
    """Return pictures at the model's size, their name, and their labels if the model knows them."""
    if verify is None:
        return _composites(card), BUILT_IN, None
    dataset = load_dataset(verify, known=card.classes)
    known = set(dataset.classes) <= set(card.classes)
    # Pictures of other classes still serve the comparison.
    name, packed = labeled_pack(dataset, card if known else replace(card, classes=dataset.classes))
    called = f"{dataset.title} ({name})"
    return packed.images, called, packed.labels if known else None


def _composites(card: ModelCard) -> images.UInt8Array:
    """Compose color pictures from gray ones, which would not reveal swapped channels."""
    clothes = load_dataset("fashion-mini").splits["test"].pictures
    count = len(clothes) // 3
    rule: images.ResizeRule = "squash" if card.image_width is None else images.Resizing()
    rows = []
    for first in range(count):
        planes = [clothes[first + part * count][..., 0] for part in range(3)]
        rows.append(images.size_picture(np.stack(planes, axis=-1), card.shape, rule))
    return np.stack(rows)
