"""The path of an exported file, and what it may replace.

Knows: file names, and the cards in files. Does not know: how a file is made.
"""

from __future__ import annotations

from pathlib import Path

from kerascnn.card import ModelCard
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference.model_file.metadata import find_card

EXPORTED = Path("exported")
"""Default folder of exported files."""


def target_file(out: str | Path | None, name: str) -> Path:
    """Return the path of the file to write.

    Raises:
        ModelFileError: The name does not end in ``.onnx``.
    """
    target = Path(out) if out else EXPORTED / f"{name}.onnx"
    if target.suffix != ".onnx":
        raise ModelFileError(f"{target}: expected a name that ends in .onnx.")
    return target


def check_replaceable(target: Path, card: ModelCard, overwrite: bool) -> None:
    """Check that a file does not exist, or is an earlier export of the same weights.

    Raises:
        ConfigError: The file holds something else, and may not be replaced.
    """
    if overwrite or not target.exists():
        return
    try:
        there = find_card(target)
    except ModelFileError:
        there = None
    if there is None or there.weights_sha256 != card.weights_sha256:
        what = "a file of unknown origin" if there is None else "another model"
        raise ConfigError(
            f"{target}: holds {what} already. Replace it (`overwrite`), or choose another file "
            "with `out`."
        )
