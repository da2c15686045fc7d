"""The options that describe a foreign model.

Knows: Click. Does not know how the description is used.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from kerascnn import resizing
from kerascnn.cli.base import add_options
from kerascnn.cli.declared_options import converted_option
from kerascnn.cli.shown_errors import as_options
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.language import tr
from kerascnn.options import options_of
from kerascnn.resizing import PRESETS, Resizing, choose

if TYPE_CHECKING:
    from kerascnn.card import ModelCard


class Numbers(click.ParamType):  # type: ignore[type-arg] # older versions take none
    """One number for all channels, or three: ``R,G,B``."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        """Parse the numbers."""
        try:
            numbers = tuple(float(one) for one in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
            self.fail(f"{value!r}; expected one number, or three: R,G,B.", param, ctx)
        return numbers


def _declared(name: str) -> Any:
    configuration = ForeignModel if name in options_of(ForeignModel) else Resizing
    return converted_option(configuration, name, default=None)


_OPTIONS = {
    "labels": click.option(
        "--labels", metavar="FILE", help="Class names, one per line, in the order of the outputs."
    ),
    "image_size": _declared("image_size"),
    "like": click.option(
        "--like",
        type=click.Choice(list(PRESETS)),
        help="Resize and normalize as this library does by default; the options below override "
        "parts of it.",
    ),
    "normalize": _declared("normalize"),
    "mean": click.option(
        "--mean",
        type=Numbers(),
        metavar="R,G,B",
        help="Channel means, instead of --normalize, for pixels from 0 to 1 (0 to 255 if any "
        "number here or in --std is above 1, unless --normalize unit or none says otherwise).",
    ),
    "std": click.option(
        "--std",
        type=Numbers(),
        metavar="R,G,B",
        help="Standard deviations, on the scale of --mean.",
    ),
    **{name: _declared(name) for name in options_of(Resizing)},
    "outputs": _declared("outputs"),
    "output": _declared("output"),
}
foreign_options = add_options(*_OPTIONS.values())
"""Add the options that describe a foreign model."""

FOREIGN = tuple(_OPTIONS)
"""Parameter names of these options."""

HEADING = {resizing.HEADING: FOREIGN}
"""Heading of these options in ``--help``."""


def announce_sizing(card: ModelCard) -> None:
    """Print to stderr how pictures are resized for a foreign model."""
    from kerascnn.inference.model_file.foreign_notices import sizing_notice

    click.echo(as_options(tr(sizing_notice(card))), err=True)


def checked_keras_file(model: str, foreign: ForeignModel | None) -> ForeignModel:
    """Return the options for a foreign file, if Keras saved it and its class names are known.

    Raises:
        ModelFileError: Keras did not save it.
        ConfigError: The class names are missing.
    """
    from kerascnn.inference.model_file.advice import describe_no_keras
    from kerascnn.inference.model_file.labels_beside import declared_beside, said_beside

    if what := describe_no_keras(model):
        raise not_of_keras(model, what)
    if foreign and foreign.classes:
        return foreign
    if declared := declared_beside(model):
        return (foreign or declared).completed_from(declared)
    raise ConfigError(
        f"{model}: was made elsewhere, so it needs --labels FILE: its class names, one per "
        "line, in the order of its outputs. --normalize and --image-size may be needed too."
        f"{said_beside(model)}"
    )


def not_of_keras(model: str, what: str) -> ModelFileError:
    """Return the error for a model that Keras did not save, with a description of it."""
    return ModelFileError(
        f"{model}: not a model that Keras saved whole. Expected a .keras or .h5 file. "
        f"{what}".rstrip()
    )


def pop_foreign(options: dict[str, Any]) -> ForeignModel | None:
    """Remove the options of :func:`foreign_options` from a command's, and combine them."""
    return foreign_from_options(**{name: options.pop(name) for name in FOREIGN})


def foreign_from_options(
    labels: str | None, like: str | None, mean: Any, std: Any, normalize: Any, resize: Any,
    **given: Any,
) -> ForeignModel | None:  # fmt: skip
    """Combine the options that describe a foreign model; None if none of them is given.

    Raises:
        ConfigError: An option is invalid, or conflicts with another.
        DataError: The file of class names cannot be used.
    """
    from kerascnn.inference import read_labels
    from kerascnn.inference.model_file.foreign_notices import own_normalization

    sizing = {name: given.pop(name) for name in options_of(Resizing) if name in given}
    own = mean is not None or std is not None
    detailed = like is not None or any(value is not None for value in sizing.values())
    if not (own or detailed or any((labels, normalize, resize, *given.values()))):
        return None
    return ForeignModel(
        classes=() if labels is None else read_labels(labels),
        normalize=normalize or (PRESETS[like].normalize if like and not own else None),
        resize=resize,
        sizing=choose(like, resize, **sizing) if detailed else None,
        normalization=own_normalization(mean, std, normalize) if own else None,
        **given,
    )
