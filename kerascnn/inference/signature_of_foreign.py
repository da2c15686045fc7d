"""Finds the signature of a foreign graph by inspecting and running it.

Knows: what onnxruntime reports about a graph's input, and that running the graph settles the rest.
Does not know how pictures are read, or which output holds the predictions
(:mod:`kerascnn.inference.output_of_foreign`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.images import Shape
from kerascnn.inference.checked_session import run_network
from kerascnn.inference.model_file.external_data import files_beside
from kerascnn.inference.model_file.first_operators import normalizes_pixels, quantizes_by_batch
from kerascnn.inference.model_file.foreign import (
    MADE_ELSEWHERE,
    OTHER_CHANNELS,
    ForeignModel,
    declared_pixels,
    size_missing,
)
from kerascnn.inference.model_file.labels import from_metadata, unread_listing
from kerascnn.inference.model_file.labels_beside import declared_beside, said_beside
from kerascnn.inference.model_file.metadata import find_card, read_card, read_metadata
from kerascnn.inference.model_file.preprocessor import from_preprocessor
from kerascnn.inference.model_file.signature import (
    INPUT_TYPES,
    Layout,
    Signature,
    own_signature,
    takes_integers,
)
from kerascnn.inference.output_of_foreign import (
    SAME,
    Rows,
    candidates,
    choose_output,
    shown,
    try_outputs,
)
from kerascnn.inference.probes import probe_pictures
from kerascnn.inference.runtime.session import open_session


def open_signature(path: str | Path, foreign: ForeignModel | None = None) -> Signature:
    """Find the signature of a file, whichever program made it.

    Raises:
        ModelFileError: No such file, neither a card nor ``foreign``, or a graph that does not
            classify single pictures.
        ConfigError: ``foreign`` is given for a file with a card, or is incomplete.
    """
    card = find_card(path)
    if card is not None and foreign is not None:
        raise ConfigError(
            f"{path}: kerascnn exported it, so it carries its class names and preprocessing. "
            "Leave out `labels` and its options."
        )
    about = _completed(path, foreign) if card is None else None
    if about is not None:
        return _foreign_signature(path, about)
    return own_signature(card or read_card(path), files_beside(path))


def _completed(path: str | Path, foreign: ForeignModel | None) -> ForeignModel | None:
    """Complete the user's description of a file without a card from its metadata, or beside it."""
    metadata = read_metadata(path)
    task = metadata.get("task", "classify")
    if task != "classify" and metadata.get("author") == "Ultralytics":
        raise ModelFileError(
            f"{path}: a model for another task, according to its metadata ({task}); kerascnn "
            "classifies whole pictures."
        )
    named = bool(foreign and foreign.classes)
    declared = from_metadata(metadata) or (None if named else declared_beside(path))
    if declared or named:
        completed = (foreign or ForeignModel()).completed_from(declared or ForeignModel())
        completed.check_class_count(path)
        return completed
    unread, found = unread_listing(metadata), said_beside(path)
    if unread or foreign or found:
        raise ConfigError(
            f"{path}: `labels` FILE is missing: its class names, one per line, in the order of its "
            f"outputs.{unread}{found}"
        )
    return None


def _foreign_signature(path: str | Path, foreign: ForeignModel) -> Signature:
    weights = files_beside(path)
    session = open_session(path, weights=weights)
    prepared = from_preprocessor(path)
    itself = any(
        takes_integers(value.type) or normalizes_pixels(path, value.name)
        for value in session.get_inputs()[:1]
    )
    if itself:
        prepared = replace(prepared, normalization=None)
    if prepared.normalization is None:
        prepared = replace(prepared, normalization=declared_pixels(read_metadata(path)))
    if foreign.image_size is None and not _may_take(session, prepared.shape):
        prepared = replace(prepared, image_size=None)  # the graph's own size decides
    foreign = foreign.completed_from(prepared)
    signature = choose_output(path, *_running(path, session, foreign), foreign)
    _check_steady(path, session, signature)
    if not itself:
        foreign.warn_if_unnormalized(Path(path).name)
    return replace(signature, normalizes=itself, weights=weights)


def _may_take(session: Any, size: Shape | None) -> bool:
    """Return whether the graph's declared input allows a size."""
    shape = list(session.get_inputs()[0].shape) if session.get_inputs() else []
    if size is None or len(shape) not in (3, 4):
        return True
    return any(_allows(sides, size) for _layout, _count, sides in _layouts(shape, for_color=False))


def _allows(sides: tuple[Any, Any], size: Shape) -> bool:
    pairs = zip(sides, size, strict=True)
    return all(not isinstance(side, int) or side in (wish, 0) or side < 0 for side, wish in pairs)


def _running(path: str | Path, session: Any, foreign: ForeignModel) -> tuple[Signature, Rows]:
    """Find the only interpretation of the inputs with which the graph runs, and its outputs."""
    failures: list[ModelFileError] = []
    tried: list[tuple[Signature, Rows]] = []
    for signature in _candidates(path, session, foreign):
        try:
            tried.append(try_outputs(path, session, signature))
        except ModelFileError as error:
            failures.append(error)
    if not tried:
        raise failures[0]
    if len(tried) > 1:
        raise ModelFileError(
            f"{path}: takes {shown(session.get_inputs())} and runs whether channels come first "
            "or last, so the layout is ambiguous. Export it again with fixed channels."
        )
    return tried[0]


def _check_steady(path: str | Path, session: Any, signature: Signature) -> None:
    """Refuse a graph whose output for a picture is random or depends on the rest of the batch."""
    pictures = probe_pictures(signature.card.shape)
    alike = not quantizes_by_batch(path)  # else small differences are legitimate
    copies = np.stack([pictures[0]] * len(pictures)) if alike else pictures
    first, again, alone = (
        run_network(session, signature, batch)[1] for batch in (pictures, pictures, copies)
    )
    gaps = np.abs([again - first, alone - (first[0] if alike else first)])
    gap = float(np.nan_to_num(gaps).max())
    if gap > SAME:
        raise ModelFileError(
            f"{path}: the probabilities of one picture differ by {gap:.2g} from run to run: it "
            "draws at random or takes statistics of the batch, as Dropout and BatchNormalization "
            "do in training. Export it again for inference: in PyTorch after model.eval()."
        )


def _candidates(path: str | Path, session: Any, foreign: ForeignModel) -> Iterator[Signature]:
    """Yield every signature that fits the declared inputs and outputs, to be tried."""
    inputs = session.get_inputs()
    _check_input(path, inputs, foreign)
    shape, dtype = list(inputs[0].shape), str(inputs[0].type)
    outputs = candidates(path, session.get_outputs(), foreign)
    batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None
    found = False
    for layout, channels, sides in _layouts(shape, foreign.for_color):
        size = _size(path, sides, foreign.shape)
        if size is None:
            continue
        found = True
        pinned = _pinned(shape, sides, size)
        card = foreign.card(Path(path).stem, MADE_ELSEWHERE, size, channels)
        yield Signature(
            card, inputs[0].name, tuple(outputs), layout, dtype, channels, "logits", batch, pinned,
            scales={name: scale for name, scale in outputs.items() if scale},
        )  # fmt: skip
    if not found:
        raise _wrong_input(path, inputs, foreign)


def _check_input(path: str | Path, inputs: Any, foreign: ForeignModel) -> None:
    """Refuse a graph that does not take a batch of pictures, or not with this normalization."""
    if len(inputs) != 1 or not _may_be_pictures(inputs[0].type, len(inputs[0].shape)):
        raise ModelFileError(
            f"{path}: takes {shown(inputs) or 'nothing'}; expected one input of pictures, uint8, "
            "int32, int64 or float, [batch, height, width, channels] or [batch, channels, height, "
            "width]. "
            f"{_other_use(inputs)}".rstrip()
        )
    shape, dtype = list(inputs[0].shape), str(inputs[0].type)
    if len(shape) == 3 and (shape[0] == 3 or shape[2] == 3):
        raise ModelFileError(
            f"{path}: takes {shown(inputs)}, one picture without a batch axis. Export it again "
            "with one: [batch, height, width, channels] or [batch, channels, height, width]."
        )
    own = foreign.normalize not in (None, "none") or foreign.normalization is not None
    if takes_integers(dtype) and own:
        raise ConfigError(
            f"{path}: takes pixels as {dtype[7:-1]}, so it normalizes them itself; `normalize` "
            f"{foreign.normalize}, `mean` and `std` cannot be applied before. Set `normalize` "
            "none."
        )


def _may_be_pictures(dtype: str, axes: int) -> bool:
    """Return whether an input may be pictures; integers without a channel axis may be words."""
    if dtype in ("tensor(int32)", "tensor(int64)"):
        return axes == 4
    return dtype in INPUT_TYPES and axes in (3, 4)


def _other_use(inputs: Any) -> str:
    """Say what kind of model takes other inputs; nothing if that is not known."""
    first, *others = inputs or [None]
    if first is None:
        return ""
    if len(first.shape) == 4 and others and all(one.name.endswith(":0") for one in others):
        return (
            "The others are constants that the exporter left out, as Keras' model.export does with "
            "Normalization or preprocess_input in the model. Export it with tf2onnx: "
            "tf2onnx.convert.from_keras(model, output_path='model.onnx')."
        )
    if first.type in ("tensor(int64)", "tensor(int32)"):
        return "It looks like a model for text; for pictures, export it again with a channel axis."
    if first.type == "tensor(string)":
        return "It decodes pictures or text itself; export the part after that."
    if others:
        return "A model that takes pictures and something else cannot be used."
    if len(first.shape) == 2:
        return (
            "It takes rows of numbers, as models of tables, sound or flattened pictures do. If "
            "they are pixels, export it again with a Reshape from pictures."
        )
    return "It looks like a model for video or volumes." if len(first.shape) == 5 else ""


def _layouts(shape: list[Any], for_color: bool) -> Iterator[tuple[Layout, int, tuple[Any, Any]]]:
    """Yield every layout that fits a shape; fixed channels take precedence over dynamic ones."""
    if len(shape) == 3:
        yield "NHW", 1, (shape[1], shape[2])
        return
    ways: list[tuple[Layout, Any, tuple[Any, Any]]] = [
        ("NHWC", shape[3], (shape[1], shape[2])),
        ("NCHW", shape[1], (shape[2], shape[3])),
    ]
    fixed = [way for way in ways if way[1] in (1, 3)]
    for layout, channels, sides in fixed or ways:
        if channels in (1, 3):
            yield layout, channels, sides
        elif not isinstance(channels, int):
            yield from ((layout, count, sides) for count in ((3,) if for_color else (3, 1)))


def _size(path: str | Path, sides: tuple[Any, Any], said: Shape | None) -> Shape | None:
    """Return height and width: those of the graph if fixed, else those that the user gave."""
    fixed = [int(side) if isinstance(side, int) and side > 0 else None for side in sides]
    if said and not _allows(sides, said):
        return None
    if None not in fixed:
        return fixed[0], fixed[1]  # type: ignore[return-value]
    if said is None:
        raise size_missing(path)
    return said


def _pinned(shape: list[Any], sides: tuple[Any, Any], size: Shape) -> dict[str, int]:
    """Return the sizes of named axes; a name of several axes, such as ?, may stand for any size."""
    pairs = zip(sides, size, strict=True)
    return {name: one for name, one in pairs if isinstance(name, str) and shape.count(name) == 1}


def _wrong_input(path: str | Path, inputs: Any, foreign: ForeignModel) -> ModelFileError:
    if not any(_layouts(list(inputs[0].shape), foreign.for_color)):
        return ModelFileError(
            f"{path}: takes {shown(inputs)}; expected pictures with 3 or 1 channels. "
            f"{OTHER_CHANNELS}"
        )
    size = foreign.shape
    wanted = f"{size[0]} x {size[1]}" if size else "any"
    return ModelFileError(
        f"{path}: takes {shown(inputs)}; expected {wanted} pictures with 3 or 1 channels. "
        + ("Is `image_size` right?" if size else "Other shapes cannot be fed.")
    )
