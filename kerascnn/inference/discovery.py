"""Finding out how a graph that was made elsewhere wants its pictures and what it answers.

Knows: what onnxruntime says about a graph's ends, and that what the ends leave open shows when
the graph is run. Does not know how pictures are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.images import Shape
from kerascnn.inference.contract import (
    TYPES,
    Contract,
    Layout,
    Meaning,
    looks_like_probabilities,
    own_contract,
)
from kerascnn.inference.first_operators import normalizes_pixels
from kerascnn.inference.foreign import Foreign
from kerascnn.inference.graph import last_operator
from kerascnn.inference.metadata import find_card, read_card
from kerascnn.inference.probes import probe_pictures
from kerascnn.inference.session import open_session, run_session

_BY_OPERATOR: dict[str, Meaning] = {
    "Softmax": "probabilities",
    "LogSoftmax": "logits",
    "Sigmoid": "sigmoids",
    "Gemm": "logits",
    "MatMul": "logits",
    "Add": "logits",
    "Conv": "logits",
}


def open_contract(path: str | Path, foreign: Foreign | None = None) -> Contract:
    """Find out how to ask a file, whoever made it.

    Args:
        path: Of the ``.onnx`` file.
        foreign: What its user says about it, if it was made elsewhere.

    Returns:
        The contract.

    Raises:
        ModelFileError: No such file, no card and nothing said, or a graph that is no classifier
            of single pictures.
        ConfigError: Something is said about a file that speaks for itself, or is missing.
    """
    if foreign is None:
        return own_contract(read_card(path))
    if find_card(path) is not None:
        raise ConfigError(
            f"{path}: kerascnn exported it, so it carries its class names and preprocessing. "
            "Leave out --labels and what goes with it."
        )
    return _foreign_contract(path, foreign)


def _foreign_contract(path: str | Path, foreign: Foreign) -> Contract:
    session = open_session(path)
    contracts = list(_readings(path, session, foreign))
    failures: list[ModelFileError] = []
    answered: list[tuple[Contract, npt.NDArray[np.float32]]] = []
    for contract in contracts:
        try:
            answered.append((contract, _answers(path, session, contract)))
        except ModelFileError as error:
            failures.append(error)
    if not answered:
        raise failures[0]
    if len(answered) > 1:
        raise ModelFileError(
            f"{path}: takes {_shown(session.get_inputs())} and runs whether channels come first "
            "or last, so which is right cannot be told. Export it again with fixed channels."
        )
    contract, values = answered[0]
    meaning = _meaning(path, contract, values)
    itself = TYPES[contract.dtype] == np.uint8 or normalizes_pixels(path, contract.input)
    if not itself:
        foreign.warn_if_unsaid(Path(path).name)
    return replace(contract, meaning=meaning, normalizes=itself)


def _readings(path: str | Path, session: Any, foreign: Foreign) -> Iterator[Contract]:
    """Give every contract that fits the ends; what fits is then tried."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in TYPES or len(inputs[0].shape) not in (3, 4):
        raise ModelFileError(
            f"{path}: takes {_shown(inputs)}; expected one input of pictures, uint8 or float, "
            "[batch, height, width, channels] or [batch, channels, height, width]."
        )
    shape, dtype = list(inputs[0].shape), str(inputs[0].type)
    own = foreign.normalize not in (None, "none") or foreign.normalization is not None
    if dtype == "tensor(uint8)" and own:
        raise ConfigError(
            f"{path}: takes pixels as uint8, so it normalises them itself, and neither --normalize "
            f"{foreign.normalize} nor --mean and --std can be done before. Say --normalize none."
        )
    output = _output(path, session, len(foreign.classes))
    batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None
    found = False
    for layout, channels, sides in _layouts(shape):
        size = _size(path, sides, foreign.shape)
        if size is None:
            continue
        found = True
        pinned = {
            side: pixels for side, pixels in zip(sides, size, strict=True) if isinstance(side, str)
        }
        card = foreign.card(Path(path).stem, "made elsewhere", size, channels)
        yield Contract(
            card, inputs[0].name, (output,), layout, dtype, channels, "logits", batch, pinned
        )
    if not found:
        raise _unfit(path, inputs, foreign)


def _layouts(shape: list[Any]) -> Iterator[tuple[Layout, int, tuple[Any, Any]]]:
    """Read a shape in every way it can be read, fixed channels before open ones."""
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
            yield from ((layout, count, sides) for count in (3, 1))


def _size(path: str | Path, sides: tuple[Any, Any], said: Shape | None) -> Shape | None:
    """Give height and width: fixed ones as they are, open ones as they were said."""
    fixed = [int(side) if isinstance(side, int) and side > 0 else None for side in sides]
    if said and any(side not in (None, wish) for side, wish in zip(fixed, said, strict=True)):
        return None
    if None not in fixed:
        return fixed[0], fixed[1]  # type: ignore[return-value]
    if said is None:
        raise ConfigError(
            f"{path}: takes pictures of any size, so --image-size is missing: height and width in "
            "pixels that it was trained with, 224 or 48x192."
        )
    if len({side for side in sides if isinstance(side, str)}) == 1 and sides[0] == sides[1]:
        return said if said[0] == said[1] else None  # one name for both: they must be equal
    return said


def _unfit(path: str | Path, inputs: Any, foreign: Foreign) -> ModelFileError:
    size = foreign.shape
    wanted = f"{size[0]} x {size[1]}" if size else "any"
    return ModelFileError(
        f"{path}: takes {_shown(inputs)}; expected {wanted} pictures with 3 or 1 channels. "
        + ("Is --image-size right?" if size else "Other shapes cannot be fed.")
    )


def _output(path: str | Path, session: Any, classes: int) -> str:
    """Choose the output with one number a class, the first of several."""
    outputs = session.get_outputs()
    wanted = (classes, 1) if classes == 2 else (classes,)
    for value in outputs:
        counts = [side for side in value.shape[1:] if side != 1] or [1]
        fits = len(counts) == 1 and (counts[0] in wanted or not isinstance(counts[0], int))
        if fits and value.type in TYPES and value.type != "tensor(uint8)":
            return str(value.name)
    raise ModelFileError(
        f"{path}: gives {_shown(outputs)}; expected one number for each of the {classes:,} classes "
        "in --labels. Give the labels of this very model, one a line, in the order of its outputs."
    )


def _answers(path: str | Path, session: Any, contract: Contract) -> npt.NDArray[np.float32]:
    """Run the probe pictures, and black and white ones; give float32 [pictures, numbers]."""
    size = contract.card.shape
    black = np.zeros((1, *size, 3), np.uint8)
    pictures = np.concatenate([probe_pictures(size), black, ~black])
    rows = []
    for portion, count in contract.portions(pictures):
        output = run_session(path, session, contract.outputs, contract.feed(portion))[0]
        rows.append(np.asarray(output, np.float32)[:count].reshape(count, -1))
    values = np.concatenate(rows)
    classes = len(contract.card.classes)
    if values.shape[1] != classes and (values.shape[1], classes) != (1, 2):
        raise ModelFileError(
            f"{path}: gives {values.shape[1]:,} numbers a picture, and --labels has {classes:,} "
            "names. Give the labels of this very model, in the order of its outputs."
        )
    return values


def _meaning(path: str | Path, contract: Contract, values: npt.NDArray[np.float32]) -> Meaning:
    """Decide by the last operator; where that says nothing, by the values."""
    operator = last_operator(path, contract.outputs[0])
    if operator == "Softmax" and values.shape[1] == 1:
        raise ModelFileError(f"{path}: ends in a softmax of one number, which is always 1.")
    if operator in _BY_OPERATOR:
        return _BY_OPERATOR[operator]
    return "probabilities" if looks_like_probabilities(values) else "logits"


def _shown(values: Any) -> str:
    return ", ".join(f"{value.name} {value.type} {list(value.shape)}" for value in values)
