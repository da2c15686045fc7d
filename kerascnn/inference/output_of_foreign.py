"""Finds the output of a foreign graph that holds the predictions, by running the graph.

Knows: that declared shapes may be incomplete, that a graph may accept only one picture at a time
even if it declares otherwise, and that an output may lack the batch axis. Does not know inputs, or
how the meaning of numbers is decided (:mod:`kerascnn.inference.model_file.output_meaning`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.inference.model_file.output_meaning import decide, without_classes
from kerascnn.inference.model_file.output_origin import find_origin
from kerascnn.inference.model_file.output_scale import QUANTIZED, output_scale
from kerascnn.inference.model_file.signature import TYPES, Scale, Signature, answers_of, rows_of
from kerascnn.inference.probes import probe_pictures
from kerascnn.inference.runtime.session import run_session
from kerascnn.metrics.calibration import softmax

_ROUNDED = 1e-6
"""Probability below which rounding is too coarse to estimate the temperature of a softmax."""

SAME = 1e-3
"""Difference of probabilities up to which two outputs count as equal."""

_UNFIT = (
    "Give `labels` FILE with the names of its classes, one per line, in the order of its outputs."
)

_BACKGROUND = (
    "TensorFlow networks with one extra class often have `background` as the first: add it as the "
    "first line."
)

Rows = dict[str, npt.NDArray[np.float32]]


def candidates(
    path: str | Path, values: Sequence[Any], foreign: ForeignModel
) -> dict[str, Scale | None]:
    """Find the outputs that may hold one number per class, by their declared shapes.

    Returns:
        At least one name, each with its scale if the output is quantized.

    Raises:
        ConfigError: The output that the user named does not exist.
        ModelFileError: No output fits.
    """
    wanted = _allowed_widths(len(foreign.classes))
    if foreign.output is not None:
        values = [value for value in values if value.name == foreign.output] or _unknown_output(
            path, values, foreign.output
        )
    fitting = [value for value in values if _may_fit(value.shape, wanted)]
    found: dict[str, Scale | None] = {
        value.name: None for value in fitting if value.type in TYPES and value.type not in QUANTIZED
    }
    quantized = [value for value in fitting if value.type in QUANTIZED]
    if not found and quantized:
        found = _scaled(path, quantized)
    maps = [value.name for value in values if str(value.type).startswith("seq(map(")]
    found = found or dict.fromkeys(maps)
    if not found:
        raise _no_output_fits(path, values, len(foreign.classes))
    return found


def _scaled(path: str | Path, quantized: Sequence[Any]) -> dict[str, Scale | None]:
    found = {value.name: output_scale(path, value.name) for value in quantized}
    if None in found.values():
        raise ModelFileError(
            f"{path}: outputs {shown(quantized)}: quantized numbers, without a scale in the graph. "
            "Expected float: end the graph in DequantizeLinear and export it again."
        )
    return found


def _no_output_fits(path: str | Path, values: Sequence[Any], classes: int) -> ModelFileError:
    """Explain why no output fits: predictions reduced to labels, its type, or its shape."""
    if any(value.type == "tensor(string)" for value in values):
        return ModelFileError(
            f"{path}: outputs {shown(values)}: only names. Expected an output of numbers: name "
            "another (`output` NAME), or end the graph in the operator before."
        )
    lost = next(filter(None, (without_classes(find_origin(path, one.name)) for one in values)), "")
    if lost:
        return ModelFileError(f"{path}: {lost}")
    what = (
        f"{path}: gives {shown(values) or 'nothing'}; expected one number for each of the "
        f"{classes:,} classes named. "
    )
    if all(value.type not in {*TYPES, *QUANTIZED} for value in values):
        return ModelFileError(f"{what}Export it again with float, float16 or double.")
    if any(sum(side != 1 for side in value.shape[1:]) > 1 for value in values):
        return ModelFileError(
            f"{what}It looks like a model for object detection or segmentation; kerascnn "
            "classifies whole pictures."
        )
    if any(classes + 1 in value.shape for value in values):
        return ModelFileError(f"{what}{_BACKGROUND}")
    return ModelFileError(f"{what}{_UNFIT}")


def try_outputs(path: str | Path, session: Any, signature: Signature) -> tuple[Signature, Rows]:
    """Run probe pictures, one at a time if the graph does not accept several.

    Returns:
        The signature, with a batch of one if needed, and the rows of each output that has one
        number per class.

    Raises:
        ModelFileError: It does not run, or no output has one number per class.
    """
    if signature.batch is not None:
        return signature, _fitting(path, session, signature)
    single = replace(signature, batch=1)
    try:
        return signature, _fitting(path, session, signature)
    except _NotRowsError as error:
        if error.one_for_all:
            raise
        return single, _fitting(path, session, single)
    except ModelFileError as error:
        try:
            return single, _fitting(path, session, single)
        except ModelFileError:
            raise error from None


def choose_output(
    path: str | Path, signature: Signature, rows: Rows, foreign: ForeignModel
) -> Signature:
    """Choose the output that holds the predictions, and decide what its numbers mean.

    Raises:
        ConfigError: Several outputs fit and differ, or the meaning of the numbers is ambiguous.
        ModelFileError: A softmax over a single number.
    """
    chosen = list(_decided(path, signature, rows, foreign))
    first = chosen[0][1]
    if all(np.abs(answer - first).max() <= SAME for _, answer in chosen[1:]):
        return chosen[0][0]
    sure = [(one, answer) for one, answer in chosen if one.meaning == "probabilities"]
    if len(sure) == 1 and all(
        one.meaning == "logits" and _are_logits_of(sure[0][1], rows[one.outputs[0]])
        for one, _ in chosen
        if one is not sure[0][0]
    ):
        return sure[0][0]
    raise ConfigError(
        f"{path}: has several outputs of {len(foreign.classes):,} numbers ({', '.join(rows)}), "
        "whose values differ. Name the one with the predictions: `output` NAME."
    )


def _decided(
    path: str | Path, signature: Signature, rows: Rows, foreign: ForeignModel
) -> Iterator[tuple[Signature, npt.NDArray[np.float32]]]:
    """Yield each output whose numbers belong to classes, with its meaning and probabilities."""
    origins = {name: find_origin(path, name) for name in rows}
    named = {name: v for name, v in rows.items() if not without_classes(origins[name], v)}
    for name, values in (named or rows).items():
        # A uniform picture may give 0/0 where real ones do not.
        finite = values[np.isfinite(values).all(axis=1)]
        meaning = decide(origins[name], finite, str(path), foreign.outputs)
        answer = answers_of(values, meaning, len(foreign.classes))[1]
        yield replace(signature, outputs=(name,), meaning=meaning), answer


def _are_logits_of(probabilities: npt.NDArray[np.float32], logits: npt.NDArray[np.float32]) -> bool:
    """Return whether probabilities are the softmax of logits at some temperature.

    A calibrated model may output both; its predictions are the probabilities.
    """
    sound = np.isfinite(logits).all(axis=1) & np.isfinite(probabilities).all(axis=1)
    known, raw = probabilities[sound].astype(np.float64), logits[sound]
    seen = known > _ROUNDED
    logs = _centered(np.log(np.maximum(known, _ROUNDED)), seen)
    spread = _centered(raw.astype(np.float64), seen)
    factor = float((spread * logs).sum() / max((spread**2).sum(), _ROUNDED))
    if factor <= 0:
        return False
    return bool(np.abs(softmax(raw, 1 / factor) - known).max() <= SAME)


def _centered(
    values: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Subtract from each row the mean of its ``seen`` values; set the others to 0."""
    counts = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    means = (values * seen).sum(axis=1, keepdims=True) / counts
    return np.asarray((values - means) * seen, np.float64)


def shown(values: Sequence[Any]) -> str:
    """Describe inputs or outputs as onnxruntime does."""
    return ", ".join(f"{value.name} {value.type} {list(value.shape)}" for value in values)


class _NotRowsError(ModelFileError):
    """The output does not have one row per picture."""

    def __init__(self, message: str, one_for_all: bool) -> None:
        super().__init__(message)
        self.one_for_all = one_for_all


def _allowed_widths(classes: int) -> tuple[int, ...]:
    return (classes, 1) if classes == 2 else (classes,)


def _unknown_output(path: str | Path, values: Sequence[Any], name: str) -> list[Any]:
    raise ConfigError(
        f"{path}: has no output {name!r}. It has: {', '.join(value.name for value in values)}."
    )


def _may_fit(shape: Sequence[Any] | None, wanted: tuple[int, ...]) -> bool:
    """Return whether a shape, with or without a batch axis, may hold one row per picture."""
    if not shape:
        return True
    wide = [side for side in shape if side != 1]
    for sides in (shape[1:], wide[1:], wide):
        counts = [side for side in sides if side != 1] or [1]
        if len(counts) == 1 and (counts[0] in wanted or not isinstance(counts[0], int)):
            return True
    return False


def _fitting(path: str | Path, session: Any, signature: Signature) -> Rows:
    """Run probe pictures; keep the outputs that have one number per class."""
    classes = len(signature.card.classes)
    pictures = _pictures(signature.card.shape)
    parts: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in signature.outputs}
    misfit: ModelFileError | None = None
    for portion, count in signature.portions(pictures):
        outputs = run_session(path, session, signature.outputs, signature.feed(portion))
        for name, output in zip(signature.outputs, outputs, strict=True):
            array = signature.real(name, output)
            rows = rows_of(array, len(portion))
            if rows is not None and 1 < len(rows) == rows.shape[1]:
                other = run_session(path, session, (name,), signature.feed(portion[::-1]))[0]
                rows = None if _has_classes_first(rows, signature.real(name, other)) else rows
            if rows is None or rows.shape[1] not in _allowed_widths(classes):
                misfit = misfit or _wrong_output(path, name, array, len(portion), classes)
                parts.pop(name, None)
            elif name in parts:
                parts[name].append(rows[:count])
    if misfit and not parts:
        raise misfit
    return {name: np.concatenate(rows) for name, rows in parts.items()}


def _has_classes_first(rows: npt.NDArray[np.float32], of_turned: npt.NDArray[np.float32]) -> bool:
    """Return whether the columns of a square output, not its rows, follow the reversed pictures."""
    turned = of_turned.reshape(rows.shape)
    by_row, by_column = (
        np.abs(np.nan_to_num(back - rows)).max() for back in (turned[::-1], turned[:, ::-1])
    )
    return bool(by_column < by_row)


def _pictures(size: images.Shape) -> images.UInt8Array:
    """Return the probe pictures, and black, white, red, green and blue ones, which differ most."""
    colors = np.asarray([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.uint8) * 255
    flat = np.broadcast_to(colors[:, None, None], (len(colors), *size, 3))
    return np.concatenate([probe_pictures(size), flat])


def _wrong_output(
    path: str | Path, name: str, output: npt.NDArray[np.float32], count: int, classes: int
) -> ModelFileError:
    rows = rows_of(output, count)
    origin = find_origin(path, name)
    if lost := without_classes(origin) or without_classes(origin, rows):
        return ModelFileError(f"{path}: {lost}")
    if rows is not None and rows.shape[1] not in _allowed_widths(classes):
        unfit = _BACKGROUND if rows.shape[1] == classes + 1 else _UNFIT
        return ModelFileError(
            f"{path}: outputs {rows.shape[1]:,} numbers per picture, but {classes:,} classes are "
            f"named. {unfit}"
        )
    return _NotRowsError(
        f"{path}: {name} has the shape {list(output.shape)} for {count} pictures; expected one row "
        f"of {classes:,} numbers for each. It mixes pictures: export it again with an axis for "
        "them, or for one picture at a time.",
        one_for_all=output.size < count or output.size == classes,
    )
