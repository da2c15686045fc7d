"""Export: from a run folder to the one ``.onnx`` file.

Knows: the order of the steps: convert, compose, probe, verify, write. Does not know: the details of
any.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import onnx

from kerascnn.card import ModelCard, Parity, Precision
from kerascnn.dataset import Dataset, load_dataset
from kerascnn.errors import ModelFileError, ProviderError
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.probes import make_probes, probe_pictures
from kerascnn.language import count, sentence
from kerascnn.leftovers import exclusive_atomic_write
from kerascnn.training.data.cache import open_cache
from kerascnn.training.data.labeled import labeled_pack
from kerascnn.training.data.pack import Pack
from kerascnn.training.evaluation import run_data
from kerascnn.training.export.compose import compose as compose_file
from kerascnn.training.export.compose import with_card
from kerascnn.training.export.core import core_model
from kerascnn.training.export.precision.reduce import (
    CALIBRATION,
    MAX_DROP,
    Pictures,
    PrecisionRequest,
    reduce_file,
)
from kerascnn.training.export.target import check_replaceable, target_file
from kerascnn.training.export.verify import measure_parity
from kerascnn.training.run.folder import Run, open_run
from kerascnn.training.run.provenance import versions
from kerascnn.training.trackers import track_export

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Export:
    """An exported file.

    Attributes:
        bytes: Its size.
        parity: The comparison with the Keras model.
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
    overwrite: bool = True,
) -> Export:
    """Export a trained model as one ONNX file, and verify that its predictions are the same.

    A file of lower precision is made from a verified float32 file; the loss of accuracy is
    measured on the same pictures.

    Args:
        run: A run, or its folder; if it has trained a second network on all pictures, that one is
            exported.
        out: The file to write; None: ``exported/NAME.onnx``, NAME being the run's.
        verify: Data to compare on; None: the run's own (test split, else validation).
        progress: Called with a description of each step.
        precision: ``float32``, ``float16`` or ``int8``.
        calibrate: Data to calibrate int8 on; None: the run's own training pictures.
        max_drop: Percentage points of top-1 accuracy that lower precision may cost, 0 to 100.
        overwrite: Whether a file of another model may be replaced.

    Raises:
        ConfigError: The file holds another model, and ``overwrite`` is False.
        ModelFileError: There is no such run, or its network cannot be converted.
        DataError: There is no data to compare on.
        ParityError: The file's predictions differ, or lower precision costs more than
            ``max_drop``; no file is written.
    """
    tell = progress or (lambda _step: None)
    run = run if isinstance(run, Run) else open_run(run)
    source = run.exported
    _warn_if_first(run, source)
    card = source.card
    target = target_file(out, card.name)
    check_replaceable(target, card, overwrite)
    card = replace(card, versions=_versions(card))
    tell(sentence("loading the model"))
    core = source.load_model(card)
    tell(sentence("reading pictures to compare on"))
    data, pictures = verification_pictures(run, card, verify)
    parity = partial(measure_parity, core=core, card=card, pictures=pictures, data=data)
    measured = Pictures(data, pictures.images, pictures.labels)

    def ranged() -> Pictures:
        return calibration(load_dataset(calibrate) if calibrate else run_data(run), card)

    request = PrecisionRequest(precision, ranged, max_drop, measured, tell)
    done = write_proven(target, core, card, parity, request)
    track_export(run.folder, done.path, done.card)
    return done


def _warn_if_first(run: Run, source: Run) -> None:
    if source == run and run.second.config_path.exists() and not run.is_finished:
        log.warning(
            "%s: its second training, on all pictures, is not finished; the first network is "
            "exported. Finish it: kerascnn train --out %s --resume",
            run.folder, run.folder,
        )  # fmt: skip


def write_proven(
    target: Path,
    core: keras.Model,
    card: ModelCard,
    measure: Callable[[Path], Parity],
    request: PrecisionRequest,
) -> Export:
    """Convert a network, and write a verified file, of lower precision if requested.

    Args:
        core: Network from normalized pixels to logits.
        measure: Compares a file with the Keras model.

    Raises:
        ParityError: Its predictions differ, or lower precision costs more; no file is left.
    """
    tell, pictures = request.tell, count(len(request.verify.images), "picture")
    tell(sentence("converting"))
    network = core_model(core)
    model = compose_file(network, card)
    with exclusive_atomic_write(target) as temporary:
        tell(sentence("comparing on {pictures}", pictures=pictures))
        card = proven(temporary, model, card, measure)
        if request.precision != "float32":
            card = reduce_file(temporary, network, card, request)
        size = temporary.stat().st_size
    if card.parity is None:
        raise ModelFileError(f"{target}: was not compared.")
    return Export(target, size, card.parity, card)


def proven(
    file: Path, model: onnx.ModelProto, card: ModelCard, measure: Callable[[Path], Parity]
) -> ModelCard:
    """Write a file, verify its predictions, and record the result in its card.

    Raises:
        ParityError: Its predictions differ.
    """
    onnx.save(with_card(model, card), file)
    try:
        parity = measure(file)
    except (ModelFileError, ProviderError) as error:
        reason = str(error).replace(f"{file}: ", "")
        raise ModelFileError(
            f"{card.name}: was converted to ONNX, but cannot be run: {reason} Build it from other "
            "layers."
        ) from error
    probes = probe_pictures(card.shape)
    answers = Classifier(file, "cpu").run(probes)[1]
    card = replace(card, parity=parity, probes=make_probes(probes, answers))
    onnx.save(with_card(model, card), file)
    # Finally load the file as production will, including its probes.
    Classifier(file, "cpu")
    return card


def verification_pictures(run: Run, card: ModelCard, verify: str | Path | None) -> tuple[str, Pack]:
    """Choose and resize real pictures to compare the file on, labeled by the card's classes.

    Raises:
        DataError: No picture can be read.
    """
    dataset = load_dataset(verify, known=card.classes) if verify else run_data(run)
    cache = open_cache(run.config.cache)
    name, pictures = labeled_pack(dataset, card, cache=cache)
    if card.data.get("refit") and not verify and name == "val":
        name = "val, learned"
    return f"{dataset.title} ({name})", pictures


def calibration(dataset: Dataset, card: ModelCard) -> Pictures:
    """Choose pictures to calibrate int8 on, from the training split if there is one.

    Raises:
        DataError: No picture can be read, or one is of a class that the model does not know.
    """
    split = "train" if "train" in dataset.splits else None
    name, packed = labeled_pack(dataset, card, split, most=2 * CALIBRATION)
    return Pictures(f"{dataset.title} ({name})", packed.images, packed.labels)


def _versions(card: ModelCard) -> dict[str, str]:
    """Return the versions of this export, and those of the training."""
    trained = card.versions
    backend = trained.get("backend", "")
    by = f"keras {trained.get('keras', '')} on {backend} {trained.get(backend, '')}"
    kept = {"weights": trained["weights"]} if "weights" in trained else {}
    return {**versions(), "trained_with": by, **kept}
