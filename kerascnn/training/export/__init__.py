"""Export: from a run folder to the one ``.onnx`` file.

Knows: the order of things: convert, compose, probe, verify, write. Does not know the details
of any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import onnx

from kerascnn.card import ModelCard, Parity
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
) -> Export:
    """Export a trained model as one ONNX file, and prove that it answers the same.

    Args:
        run: A run, or its folder.
        out: The file to write; None: ``exported/NAME.onnx``, NAME being the run's.
        verify: Data to compare on; None: the run's own (test split, else validation).
        progress: Called with a word on each step.

    Returns:
        What was written.

    Raises:
        ModelFileError: No such run, or a network that cannot be converted.
        DataError: No data to compare on.
        ParityError: The graph answers differently; no file is left.
    """
    tell = progress or (lambda _step: None)
    run = run if isinstance(run, Run) else open_run(run)
    target = target_file(out, run.card.name)
    card = replace(run.card, versions={**versions(), "trained_with": _trained_with(run.card)})
    tell("loading the model")
    core = run.load_model()
    tell("reading pictures to compare on")
    data, pictures = verification_pictures(run, card, verify)
    tell("converting")
    model = compose_file(core_model(core), card)
    with writing(target) as temporary:
        tell(f"comparing on {len(pictures):,} pictures")
        parity = partial(measure_parity, core=core, card=card, pictures=pictures, data=data)
        card = proven(temporary, model, card, parity)
        size = temporary.stat().st_size
    if card.parity is None:
        raise ModelFileError(f"{target}: was not compared.")
    return Export(target, size, card.parity, card)


def target_file(out: str | Path | None, name: str) -> Path:
    """Decide where a file is written.

    Args:
        out: What the user named, or None.
        name: Of the model.

    Returns:
        ``out``, or ``exported/NAME.onnx``.

    Raises:
        ModelFileError: A name that does not end in ``.onnx``.
    """
    target = Path(out) if out else EXPORTED / f"{name}.onnx"
    if target.suffix != ".onnx":
        raise ModelFileError(f"{target}: expected a name that ends in .onnx.")
    return target


def proven(
    file: Path, model: onnx.ModelProto, card: ModelCard, measure: Callable[[Path], Parity]
) -> ModelCard:
    """Write a file, prove that it answers rightly, and note that in its card.

    Args:
        file: Where to write.
        model: Preprocessing, network and answers.
        card: Of the model.
        measure: Compares the file with the Keras model.

    Returns:
        The card that the file carries, with parity and probes.

    Raises:
        ParityError: It answers differently.
    """
    onnx.save(with_card(model, card), file)
    parity = measure(file)
    probes = probe_pictures(card.image_size)
    answers = Classifier(file).run(probes)[1]
    card = replace(card, parity=parity, probes=make_probes(probes, answers))
    onnx.save(with_card(model, card), file)
    # The last thing done to the file is to load it as production will, probes and all.
    Classifier(file)
    return card


def verification_pictures(run: Run, card: ModelCard, verify: str | Path | None) -> tuple[str, Pack]:
    """Choose and size the real pictures that the file is compared on.

    Args:
        run: For its data, if ``verify`` is None.
        card: For sizing and class names.
        verify: A data set, or None.

    Returns:
        What to call them, and the pictures.

    Raises:
        DataError: None can be read.
    """
    dataset = load_dataset(verify) if verify else run_data(run)
    name, split = dataset.choose()
    match_labels(dataset, split, card.classes)
    pictures = pack(split, card.image_size, card.resize)
    if not len(pictures):
        raise DataError(
            f"{dataset.name}: no picture can be read, and without pictures nothing is proven. "
            "Give some with --verify DATA."
        )
    return f"{Path(dataset.name).name} ({name})", pictures


def _trained_with(card: ModelCard) -> str:
    backend = card.versions.get("backend", "")
    return f"keras {card.versions.get('keras', '')} on {backend} {card.versions.get(backend, '')}"


__all__ = ["EXPORTED", "Export", "export_onnx", "proven", "target_file", "verification_pictures"]
