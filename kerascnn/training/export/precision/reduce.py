"""Reduction of a verified float32 file to lower precision, and its loss of accuracy.

Knows: the order of the steps: reduce, compare on pictures with labels, refuse or record. Does not
know: how a network is quantized.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from kerascnn.card import ModelCard, Parity, Precision, Reduction
from kerascnn.errors import ConfigError, ParityError, ProviderError
from kerascnn.inference.benchmark.timing import compare_speed
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.probes import make_probes, probe_pictures
from kerascnn.inference.runtime.tuned_settings import machine
from kerascnn.language import count, sentence
from kerascnn.leftovers import temporary_folder
from kerascnn.training.export.compose import compose, with_card
from kerascnn.training.export.graph import in_order
from kerascnn.training.export.precision.quantize import layers, normalize
from kerascnn.training.export.precision.search import search
from kerascnn.training.export.verify import probabilities_of

MAX_DROP = 0.5
"""Default limit on the loss of top-1 accuracy, in percentage points."""

CALIBRATION = 256
"""Number of calibration pictures; as many others choose between the methods, so many that a single
changed prediction (0.4 points) costs less than :data:`MAX_DROP`."""


@dataclass(frozen=True)
class Pictures:
    """Real pictures with labels.

    Attributes:
        images: uint8 ``[pictures, size, size, 3]``, RGB.
        labels: int64 ``[pictures]``, in the order of the card's classes.
    """

    data: str
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class PrecisionRequest:
    """The requested precision, and how it is proven.

    Attributes:
        precision: ``float32``, ``float16`` or ``int8``.
        ranged: Returns the pictures to calibrate int8 on; None: there are none.
        max_drop: Percentage points of top-1 accuracy that it may cost, 0 to 100.
        verify: Pictures on which that loss is measured.
        tell: Called with a description of each step.
    """

    precision: Precision
    ranged: Callable[[], Pictures | None]
    max_drop: float
    verify: Pictures
    tell: Callable[[str], object]


def reduce_file(
    file: Path, core: onnx.ModelProto, card: ModelCard, request: PrecisionRequest
) -> ModelCard:
    """Replace a verified float32 file by one of lower precision, if that is good enough.

    Returns:
        The card of the new file, with its loss of accuracy, size and speed.

    Raises:
        ConfigError: ``int8`` without pictures to calibrate on.
        ParityError: The loss is more than ``max_drop``.
    """
    verify, tell = request.verify, request.tell
    with temporary_folder() as folder:
        before, after = folder / "float32.onnx", folder / f"{request.precision}.onnx"
        before.write_bytes(file.read_bytes())
        if request.precision == "int8":
            small, cost = _int8(folder, core, card, request)
        else:
            small, cost = _to_float16(core), Reduction("float16")
        tell(sentence("comparing on {pictures}", pictures=count(len(verify.labels), "picture")))
        card = replace(card, precision=request.precision, probes=(), parity=None)
        model = compose(small, card)
        onnx.save(with_card(model, card), after)
        card = _with_cost(before, after, replace(card, reduction=cost), verify)
        _refuse(card, request.max_drop)
        tell(sentence("measuring the speed"))
        card = _with_speed(before, after, card)
        onnx.save(with_card(model, card), file)
    Classifier(file, "cpu")
    return card


def _int8(
    folder: Path, core: onnx.ModelProto, card: ModelCard, request: PrecisionRequest
) -> tuple[onnx.ModelProto, Reduction]:
    calibration = request.ranged()
    if calibration is None:
        raise ConfigError("int8 needs real pictures to measure ranges on: `calibrate` DATA.")
    # Every other picture calibrates; the rest choose between the methods.
    ranged, chosen = (_every_other(calibration, start) for start in (0, 1))
    chosen = chosen if len(chosen.labels) else ranged
    pixels = normalize(ranged.images, card.normalization)

    def answer(network: onnx.ModelProto, count: int) -> npt.NDArray[np.float32]:
        path = folder / "candidate.onnx"
        plain = replace(card, probes=(), parity=None)
        onnx.save(with_card(compose(network, plain), plain), path)
        with Classifier(path, "cpu") as classifier:
            return probabilities_of(classifier, chosen.images[:count])

    best = search(core, pixels, chosen.labels, answer, request.max_drop / 100, request.tell)
    cost = Reduction(best.method, best.kept, calibration.data, len(calibration.labels))
    return best.model, cost


def _to_float16(core: onnx.ModelProto) -> onnx.ModelProto:
    """Convert the weights and arithmetic of a network.

    Args:
        core: Network from ``pixels`` to ``logits``, float32.

    Returns:
        The network in float16, except its last layer, its input and its output.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    names = [node.name for node in core.graph.node]
    last = names[names.index(layers(core)[-1]) :]
    half = convert_float_to_float16(
        copy.deepcopy(core), keep_io_types=True, node_block_list=last, force_fp16_initializers=False
    )
    return _without_last_casts(in_order(half))


def _without_last_casts(half: onnx.ModelProto) -> onnx.ModelProto:
    """Make the last layer output float32 ``logits`` directly, without a cast from float16.

    If another node reads such an output as well, onnxruntime 1.32 removes the casts on the CPU and
    leaves the output under another name.
    """
    graph, name = half.graph, "logits"
    while (node := next(one for one in graph.node if name in one.output)).op_type == "Cast":
        name = node.input[0]
        graph.node.remove(node)
    node.output[list(node.output).index(name)] = "logits"
    return half


def _every_other(pictures: Pictures, start: int) -> Pictures:
    return replace(pictures, images=pictures.images[start::2], labels=pictures.labels[start::2])


def _with_cost(before: Path, after: Path, card: ModelCard, verify: Pictures) -> ModelCard:
    answers = []
    for path in (before, after):
        with Classifier(path, "cpu") as classifier:
            answers.append(probabilities_of(classifier, verify.images))
            pictures = probe_pictures(card.shape)
            probed = classifier.run(pictures)[1]
    first, second = (found.argmax(1) for found in answers)
    changed = int((first != second).sum())
    # The float32 file has the Keras model's top-1 predictions on these very pictures: what differs
    # from one differs from the other.
    parity = Parity(len(first), float(np.abs(answers[0] - answers[1]).max()), changed, verify.data)
    reduction = replace(
        card.reduction or Reduction(card.precision),
        top1_before=float((first == verify.labels).mean()),
        top1_after=float((second == verify.labels).mean()),
        bytes_before=before.stat().st_size,
        bytes_after=after.stat().st_size,
    )
    probes = make_probes(pictures, probed)
    return replace(card, parity=parity, reduction=reduction, probes=probes)


def _refuse(card: ModelCard, max_drop: float) -> None:
    cost, parity = card.reduction, card.parity
    if cost is None or parity is None or cost.dropped <= max_drop:
        return
    raise ParityError(
        f"{card.name}: in {card.precision}, its top-1 accuracy is {cost.top1_after:.2%} on "
        f"{parity.images:,} pictures of {parity.data}, in float32 {cost.top1_before:.2%}: a loss "
        f"of {cost.dropped:.2f} points (allowed: {max_drop:g}). No file was written. Raise "
        "`max_drop`, give more pictures with `calibrate`, or keep float32."
    )


def _with_speed(before: Path, after: Path, card: ModelCard) -> ModelCard:
    if card.reduction is None:
        return card
    speedup = {}
    for provider in ("cpu", "openvino"):
        try:
            speedup[provider] = compare_speed(before, after, provider)
        except ProviderError:
            continue  # not installed: nothing to measure
    reduction = replace(card.reduction, speedup=speedup, machine=machine()["processor"])
    return replace(card, reduction=reduction)
