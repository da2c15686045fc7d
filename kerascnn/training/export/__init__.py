"""Export: from a run folder to the one ``.onnx`` file.

Knows: the order of things: convert, compose, probe, verify, write. Does not know the details
of any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import onnx

from kerascnn.card import ModelCard, Parity, Precision
from kerascnn.dataset import load_dataset
from kerascnn.errors import DataError, ModelFileError
from kerascnn.files import writing
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.evaluation import match_labels
from kerascnn.inference.probes import make_probes, probe_pictures
from kerascnn.training.evaluation import run_data
from kerascnn.training.export.compose import compose as compose_file
from kerascnn.training.export.compose import with_card
from kerascnn.training.export.core import core_model
from kerascnn.training.export.precision import MAX_DROP, Pictures, reduce_file
from kerascnn.training.export.precision.reduce import CALIBRATION
from kerascnn.training.export.verify import measure_parity
from kerascnn.training.feeding import Pack, pack
from kerascnn.training.provenance import versions
from kerascnn.training.run import Run, open_run

EXPORTED = Path("exported")


@dataclass(frozen=True)
class Export:
    """What an export wrote.

    Attributes:
        path: Of the ``.onnx`` file.
        bytes: Its size.
        parity: How it was compared with the Keras model.
        card: What it says about itself.
    """

    path: Path
    bytes: int
    parity: Parity
    card: ModelCard


def export_onnx(
    run: Run | str | Path,
    out: str | Path | None = None,
    verify: str | Path | None = None,
    progress: Callable[[str], object] | None = None,
    precision: Precision = "float32",
    calibrate: str | Path | None = None,
    max_drop: float = MAX_DROP,
) -> Export:
    """Export a trained model as one ONNX file, and prove that it answers the same.

    A file of lower precision is made from one of float32 that was proven; what it costs is
    measured on the same pictures.

    Args:
        run: A run, or its folder.
        out: The file to write; None: ``exported/NAME.onnx``, NAME being the run's.
        verify: Data to compare on; None: the run's own (test split, else validation).
        progress: Called with a word on each step.
        precision: ``float32``, ``float16`` or ``int8``.
        calibrate: Data to measure the ranges of int8 on; None: the run's own training pictures.
        max_drop: Points of top-1 that lower precision may cost, 0 to 100.

    Returns:
        What was written.

    Raises:
        ModelFileError: No such run, or a network that cannot be converted.
        DataError: No data to compare on.
        ParityError: The graph answers differently, or lower precision costs more than
            ``max_drop``; no file is left.
    """
    tell = progress or (lambda _step: None)
    run = run if isinstance(run, Run) else open_run(run)
    target = Path(out) if out else EXPORTED / f"{run.card.name}.onnx"
    if target.suffix != ".onnx":
        raise ModelFileError(f"{target}: expected a name that ends in .onnx.")
    card = replace(run.card, versions={**versions(), "trained_with": _trained_with(run.card)})
    tell("loading the model")
    core = run.load_model()
    tell("reading pictures to compare on")
    data, pictures = verification_pictures(run, card, verify)
    tell("converting")
    network = core_model(core)
    model = compose_file(network, card)
    with writing(target) as temporary:
        tell(f"comparing on {len(pictures):,} pictures")
        card = _proven(temporary, model, core, card, pictures, data)
        if precision != "float32":
            measured = Pictures(data, pictures.images, pictures.labels)
            ranged = _calibration(run, card, calibrate) if precision == "int8" else None
            card = reduce_file(
                temporary, network, card, precision, ranged, measured, max_drop, tell
            )
        size = temporary.stat().st_size
    if card.parity is None:
        raise ModelFileError(f"{target}: was not compared.")
    return Export(target, size, card.parity, card)


def _proven(
    file: Path,
    model: onnx.ModelProto,
    core: keras.Model,
    card: ModelCard,
    pictures: Pack,
    data: str,
) -> ModelCard:
    onnx.save(with_card(model, card), file)
    parity = measure_parity(file, core, card, pictures, data)
    probes = probe_pictures(card.image_size)
    answers = Classifier(file, "cpu").run(probes)[1]
    card = replace(card, parity=parity, probes=make_probes(probes, answers))
    onnx.save(with_card(model, card), file)
    # The last thing done to the file is to load it as production will, probes and all.
    Classifier(file, "cpu")
    return card


def verification_pictures(run: Run, card: ModelCard, verify: str | Path | None) -> tuple[str, Pack]:
    """Choose and size the real pictures that the file is compared on.

    Args:
        run: For its data, if ``verify`` is None.
        card: For sizing and class names.
        verify: A data set, or None.

    Returns:
        What to call them, and the pictures; labels in the order of the card's classes.

    Raises:
        DataError: None can be read.
    """
    dataset = load_dataset(verify) if verify else run_data(run)
    name, split = dataset.choose()
    split = replace(split, labels=match_labels(dataset, split, card.classes))
    pictures = pack(split, card.image_size, card.resize)
    if not len(pictures):
        raise DataError(
            f"{dataset.name}: no picture can be read, and without pictures nothing is proven. "
            "Give some with --verify DATA."
        )
    return f"{Path(dataset.name).name} ({name})", pictures


def _calibration(run: Run, card: ModelCard, data: str | Path | None) -> Pictures:
    """Take some pictures of every part of a data set, the training pictures if it has them."""
    dataset = load_dataset(data) if data else run_data(run)
    name, split = dataset.choose("train" if "train" in dataset.splits else None)
    split = replace(split, labels=match_labels(dataset, split, card.classes))
    count = min(len(split), 2 * CALIBRATION)
    chosen = np.sort(np.random.default_rng(0).permutation(len(split))[:count])
    packed = pack(split.take(chosen), card.image_size, card.resize)
    if not len(packed):
        raise DataError(f"{dataset.name}: no picture to calibrate on can be read.")
    return Pictures(f"{Path(dataset.name).name} ({name})", packed.images, packed.labels)


def _trained_with(card: ModelCard) -> str:
    backend = card.versions.get("backend", "")
    return f"keras {card.versions.get('keras', '')} on {backend} {card.versions.get(backend, '')}"


__all__ = ["EXPORTED", "Export", "export_onnx", "verification_pictures"]
