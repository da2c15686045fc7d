"""``kerascnn card``: parse, one call, print."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, print_json
from kerascnn.cli.shared import on_this_machine
from kerascnn.printable import printable

if TYPE_CHECKING:
    from kerascnn.card import ModelCard, Normalization
    from kerascnn.inference.model_file.description import Description, TensorInfo

_SHOWN = 200
"""Classes and kinds of operators that are listed."""

_LONGEST = 5000
"""Letters of one line that are shown; --json has all."""


@click.command("card", cls=Command)
@click.argument("file", callback=on_this_machine)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(file: str, as_json: bool) -> None:
    """Show the metadata of FILE, an .onnx file made by kerascnn or by anything else.

    For a file that `kerascnn export` wrote: classes, how pictures are resized and normalized, where
    it comes from, how it was compared with the trained model, and what was measured. For any:
    inputs, outputs, operators, versions and metadata. The model is not run, and no Keras is needed.

    \b
    kerascnn card exported/flowers.onnx
    kerascnn card other.onnx --json
    """
    from kerascnn.inference.model_file.description import describe

    description = describe(file)
    if as_json:
        print_json(description.to_dict())
        return
    for name, text in _lines(description):
        click.echo(f"{printable(name):<20}  {_short(printable(text))}")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text):,} letters)"


def _lines(found: Description) -> Iterator[tuple[str, str]]:
    yield "file", f"{found.path}: {found.bytes:,} bytes"
    if found.card:
        yield "made by", "kerascnn export"
        yield from _of_card(found.card)
    else:
        yield "made by", f"{found.producer or 'it does not say'}; not kerascnn export, so no card"
        yield from _of_foreign(found)
    yield from _of_graph(found)


def _of_card(card: ModelCard) -> Iterator[tuple[str, str]]:
    yield "name", card.name
    yield "network", card.network
    yield f"classes ({len(card.classes):,})", _listed(card.classes)
    yield from _of_pictures(card)
    yield "temperature", f"{card.temperature:g}"
    yield "precision", card.precision
    yield from _of_proof(card)
    for title, values in (
        ("metrics", card.metrics),
        ("data", card.data),
        ("versions", card.versions),
    ):
        yield from ((title if not n else "", f"{k} {_value(v)}")
                    for n, (k, v) in enumerate(values.items()))  # fmt: skip
    yield "weights (SHA-256)", card.weights_sha256 or "not in the card"
    yield "probes", f"{len(card.probes)} pictures that every provider is checked on"


def _of_pictures(card: ModelCard) -> Iterator[tuple[str, str]]:
    from kerascnn.inference.model_file.foreign_notices import sizing_words

    yield "pictures", sizing_words(card)
    yield "normalization", _normalization(card.normalization)


def _normalization(rule: Normalization) -> str:
    mean, std = (", ".join(f"{one:g}" for one in values) for values in (rule.mean, rule.std))
    return f"(pixel - mean) / std, pixels 0 to 255: mean {mean}; std {std}; {rule.channel_order}"


def _of_proof(card: ModelCard) -> Iterator[tuple[str, str]]:
    parity, cost = card.parity, card.reduction
    if parity is None:
        yield "compared", "never, with no trained model"
    else:
        yield (
            "compared",
            (
                f"with the trained model on {parity.images:,} pictures of {parity.data}: "
                f"{parity.top1_mismatches:,} top-1 predictions differ, probabilities within "
                f"{parity.max_abs_diff:.1g}"
            ),
        )
    if cost is not None:
        yield "reduced", (
            f"by {cost.method}: top-1 {cost.top1_before:.2%} before, {cost.top1_after:.2%} after; "
            f"{cost.bytes_before:,} bytes before, {cost.bytes_after:,} after; "
            f"{len(cost.kept)} layers kept in float32; ranges measured on "
            f"{cost.calibration_images:,} pictures of {cost.calibration or 'no data'}; speed "
            + (_listed([f"{times:.2f} times ({name})" for name, times in cost.speedup.items()])
               or "not measured")
        )  # fmt: skip


def _of_foreign(found: Description) -> Iterator[tuple[str, str]]:
    from kerascnn.inference.model_file.labels import from_metadata

    told = from_metadata(found.metadata)
    if told is None:
        yield "classes", "it does not say; --labels FILE does"
        return
    yield f"classes ({len(told.classes):,})", _listed(told.classes)
    if told.shape and told.sizing:
        yield from _of_pictures(told.card("model", "made elsewhere", told.shape))


def _of_graph(found: Description) -> Iterator[tuple[str, str]]:
    for title, ends in (("input", found.inputs), ("output", found.outputs)):
        yield from ((title, _tensor_info(end)) for end in ends)
    operators = [f"{count} {kind}" for kind, count in found.operators.items()]
    yield "operators", _listed(operators) or "none"
    yield "weights", f"{found.weights:,} numbers"
    yield "opset", ", ".join(f"{domain} {version}" for domain, version in found.opsets.items())
    yield "format", f"ONNX IR {found.ir_version}; producer: {found.producer or 'not said'}"
    if found.graph:
        yield "graph", found.graph
    if found.model_version:
        yield "model version", str(found.model_version)
    if found.doc:
        yield "text", found.doc
    yield from ((f"metadata {key}", text) for key, text in found.metadata.items())


def _tensor_info(tensor: TensorInfo) -> str:
    shape = ", ".join("?" if side is None else str(side) for side in tensor.shape)
    return f"{tensor.name}: {tensor.type} [{shape}]"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = f", … ({len(names) - _SHOWN:,} more: --json)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
