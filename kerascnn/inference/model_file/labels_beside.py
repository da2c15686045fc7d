"""Finds class names in files beside a model.

Knows: which files hold them, and when such a file must belong to the model. Does not know graphs.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from kerascnn.errors import ONCE, DataError, ModelFileError
from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.inference.model_file.labels import read_labels
from kerascnn.inference.model_file.preprocessor import MODEL, beside, content
from kerascnn.printable import first_few

log = logging.getLogger(__name__)

_LISTS = (
    "labels.txt", "labels.json", "label.txt", "classes.txt", "classes.json", "class_names.txt",
    "class_names.json", "class_indices.json", "names.txt", "signature.json",
)  # fmt: skip
"""Files that hold class names by custom; the last is of Lobe."""


def names_beside(path: str | Path) -> tuple[Path, tuple[str, ...]] | None:
    """Read the class names from a file beside a model, if one surely belongs to it.

    It is the ``config.json`` that transformers or timm saved, or a list of names (``labels.txt``
    and the like) if all of these agree and the folder has no other model of the same format.

    Returns:
        The file and its names; None if there is none.

    Raises:
        ModelFileError: The model gives each picture several classes, or a quantity.
    """
    config = _config_beside(path)
    files = [config] if config else _lists_beside(path)
    found: dict[tuple[str, ...], Path] = {}
    for file in files:
        with suppress(DataError):
            found.setdefault(read_labels(file), file)
    if len(found) != 1 or not (config or _is_alone(Path(path))):
        return None
    names, file = next(iter(found.items()))
    return file, names


def declared_beside(path: str | Path) -> ForeignModel | None:
    """Return the names of :func:`names_beside`, with a notice where they are from."""
    found = names_beside(path)
    if found is None:
        return None
    log.warning("%s: sets the class names; `labels` overrides them.", found[0], extra=ONCE)
    return ForeignModel(found[1])


def said_beside(path: str | Path) -> str:
    """Name the files that may hold the names, for the end of a message; empty if there are none."""
    found = _lists_beside(path)
    return f" It may be in the same folder: {first_few(found)}." if found else ""


def _lists_beside(path: str | Path) -> list[Path]:
    folder = Path(path).absolute().parent
    return [folder / name for name in _LISTS if (folder / name).is_file()]


def _config_beside(path: str | Path) -> Path | None:
    """Find the ``config.json`` of transformers or timm with class names."""
    file = beside(path, MODEL)
    config = content(file)
    if file is None or not {"id2label", "label_names"} & config.keys():
        return None
    problem = config.get("problem_type")
    if problem in ("multi_label_classification", "regression"):
        raise ModelFileError(
            f"{path}: its config.json has `problem_type` {problem}; expected one class for each "
            "picture. To use it nevertheless, give `labels` FILE."
        )
    return file


def _is_alone(path: Path) -> bool:
    alike = (
        file.suffix.lower() == path.suffix.lower() for file in path.absolute().parent.iterdir()
    )
    return sum(alike) == 1
