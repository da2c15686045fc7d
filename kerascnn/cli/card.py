"""``kerascnn card``: parse, one call, print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, padded, print_json
from kerascnn.cli.shared import download_models, speedups
from kerascnn.errors import ModelFileError
from kerascnn.language import count, tr
from kerascnn.printable import printable

if TYPE_CHECKING:
    from kerascnn.card import ModelCard, Normalization, Reduction
    from kerascnn.inference.model_file.description import Description, TensorInfo

_MAX_LISTED = 200
"""Maximum classes or operators to list."""

_MAX_CHARACTERS = 5000
"""Maximum characters of a line; --json has all."""


@click.command("card", cls=Command)
@click.argument("file", callback=download_models)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(file: str, as_json: bool) -> None:
    """Show the metadata of FILE, an .onnx file made by kerascnn or any other program.

    For a file that `kerascnn export` wrote: classes, how pictures are resized and normalized, where
    it comes from, how it was compared with the trained model, and what was measured. For any
    file: inputs, outputs, operators, versions and metadata. The model is not run, and Keras is not
    needed.

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
        click.echo(f"{padded(printable(name), 20)}  {_short(printable(text))}")


def _short(text: str) -> str:
    if len(text) <= _MAX_CHARACTERS:
        return text
    return f"{text[:_MAX_CHARACTERS]} … ({tr(count(len(text), 'character'))})"


def _lines(found: Description) -> Iterator[tuple[str, str]]:
    yield tr("file"), f"{found.path}: {tr(count(found.bytes, 'byte'))}"
    if found.card:
        yield tr("made by"), "kerascnn export"
        yield from _card_lines(found.card)
    else:
        producer = found.producer or tr("not stated")
        yield tr("made by"), tr("{producer}; not kerascnn export, so no card", producer=producer)
        yield from _foreign_lines(found)
    yield from _graph_lines(found)


def _card_lines(card: ModelCard) -> Iterator[tuple[str, str]]:
    yield tr("name"), card.name
    yield tr("network"), card.network
    yield _heading(card.classes), _listed(card.classes)
    yield from _preprocessing_lines(card)
    yield tr("temperature"), f"{card.temperature:g}"
    yield tr("Precision").lower(), card.precision
    yield from _verification_lines(card)
    for title, values in (
        ("metrics", card.metrics),
        ("data", card.data),
        ("versions", card.versions),
    ):
        yield from ((tr(title) if not n else "", f"{k} {_value(v)}")
                    for n, (k, v) in enumerate(values.items()))  # fmt: skip
    yield tr("weights (SHA-256)"), card.weights_sha256 or tr("not in the card")
    probes = count(len(card.probes), "picture")
    yield tr("probes"), tr("{pictures} that every provider is checked on", pictures=probes)


def _preprocessing_lines(card: ModelCard) -> Iterator[tuple[str, str]]:
    from kerascnn.inference.model_file.foreign_notices import sizing_words

    yield tr("pictures"), tr(sizing_words(card))
    yield tr("normalization"), _normalization(card.normalization)


def _normalization(rule: Normalization) -> str:
    mean, std = (", ".join(f"{one:g}" for one in values) for values in (rule.mean, rule.std))
    return tr(
        "(pixel - mean) / std, pixels 0 to 255: mean {mean}; std {std}; {order}",
        mean=mean,
        std=std,
        order=rule.channel_order,
    )


def _verification_lines(card: ModelCard) -> Iterator[tuple[str, str]]:
    parity, cost = card.parity, card.reduction
    if parity is None:
        yield tr("compared"), tr("not compared with a trained model")
    else:
        yield (
            tr("compared"),
            tr(
                "with the trained model on {pictures} of {data}: {count} top-1 predictions differ, "
                "probabilities within {difference}",
                pictures=count(parity.images, "picture"),
                data=parity.data,
                count=f"{parity.top1_mismatches:,}",
                difference=f"{parity.max_abs_diff:.1g}",
            ),
        )
    if cost is not None:
        yield tr("reduced precision"), _cost(cost)


def _cost(cost: Reduction) -> str:
    return tr(
        "by {method}: top-1 {top1_before} before, {top1_after} after; {before} before, {after} "
        "after; {layers} kept in float32; ranges measured on {pictures} of {data}; speed {speed}",
        method=cost.method,
        top1_before=f"{cost.top1_before:.2%}",
        top1_after=f"{cost.top1_after:.2%}",
        before=count(cost.bytes_before, "byte"),
        after=f"{cost.bytes_after:,}",
        layers=count(len(cost.kept), "layer"),
        pictures=count(cost.calibration_images, "picture"),
        data=cost.calibration or tr("no data"),
        speed=_listed(speedups(cost)) or tr("not measured"),
    )


def _foreign_lines(found: Description) -> Iterator[tuple[str, str]]:
    from kerascnn.inference.model_file.foreign import ForeignModel
    from kerascnn.inference.model_file.labels import from_metadata
    from kerascnn.inference.model_file.labels_beside import names_beside

    declared, where = from_metadata(found.metadata), ""
    if declared is None:
        with suppress(ModelFileError):  # it answers with several classes
            if beside := names_beside(found.path):
                declared, where = ForeignModel(beside[1]), f", {beside[0].name}"
    if declared is None:
        yield tr("classes"), tr("not stated; give them by --labels FILE")
        return
    yield _heading(declared.classes) + where, _listed(declared.classes)
    if declared.shape and declared.sizing:
        yield from _preprocessing_lines(declared.card("model", "made elsewhere", declared.shape))


def _graph_lines(found: Description) -> Iterator[tuple[str, str]]:
    for title, ends in (("input", found.inputs), ("output", found.outputs)):
        yield from ((tr(title), _tensor_info(end)) for end in ends)
    operators = [f"{count} {kind}" for kind, count in found.operators.items()]
    yield tr("operators"), _listed(operators) or tr("none")
    yield tr("weights"), tr(count(found.weights, "number"))
    yield "opset", ", ".join(f"{domain} {version}" for domain, version in found.opsets.items())
    producer = tr("producer: {name}", name=found.producer or tr("not stated"))
    yield tr("format"), f"ONNX IR {found.ir_version}; {producer}"
    if found.graph:
        yield tr("graph"), found.graph
    if found.model_version:
        yield tr("model version"), str(found.model_version)
    if found.doc:
        yield tr("text"), found.doc
    yield from ((tr("metadata {key}", key=key), text) for key, text in found.metadata.items())


def _tensor_info(tensor: TensorInfo) -> str:
    shape = ", ".join("?" if side is None else str(side) for side in tensor.shape)
    return f"{tensor.name}: {tensor.type} [{shape}]"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(names[:_MAX_LISTED])
    if len(names) <= _MAX_LISTED:
        return shown
    return shown + tr(", … ({count} more: --json)", count=f"{len(names) - _MAX_LISTED:,}")


def _heading(classes: tuple[str, ...]) -> str:
    return f"{tr('classes')} ({len(classes):,})"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):  # hashes of pictures
        return tr(count(len(value), "picture"))
    return str(value)
