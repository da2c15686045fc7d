"""Renders the content of a report as an HTML page.

Knows: the variables of the template. Does not know rendering (document), matplotlib (figures), or
the wording of a result (verdict).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from kerascnn.language import tr
from kerascnn.metrics.curves import ClassCurves
from kerascnn.metrics.epoch import EpochRecord
from kerascnn.report import figures
from kerascnn.report.content import Content, Layer, Mistake, with_shares
from kerascnn.report.data_url import data_url
from kerascnn.report.document import check_installed, render
from kerascnn.report.heat import overlay
from kerascnn.report.verdict import judge, split_name

_WIDEST_CONFUSION = 25
"""Maximum classes of a confusion matrix; larger ones do not fit on a page, and the most frequent
confusions are listed instead."""

_CONFUSIONS = 10
"""Maximum confusions in that list."""

_POINTS = 500
"""Maximum epochs in a figure; more could not be distinguished."""

_SHADES = 10
"""Number of shades of the confusion matrix, each a tenth of a row's total; style.css has a class
for each."""


@dataclass(frozen=True)
class Block:
    """The layers of a block."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def params(self) -> int:
        """Parameters of all layers."""
        return sum(layer.params for layer in self.layers)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Output shape, without trailing padding, which belongs to the next block."""
        shapes = [one.output_shape for one in self.layers if one.type != "ZeroPadding2D"]
        return shapes[-1] if shapes else self.layers[-1].output_shape

    @property
    def state(self) -> str:
        """Return ``learns``, ``frozen``, ``partly`` or ``plain`` (no parameters)."""
        states = {layer.trainable for layer in self.layers if layer.params}
        if not states:
            return "plain"
        return "partly" if len(states) == 2 else "learns" if True in states else "frozen"


def check_libraries() -> None:
    """Import the libraries for rendering; the command line names the extra of a missing one."""
    check_installed()
    import_module("matplotlib.figure")


def render_page(content: Content) -> str:
    """Render the page, which contains no scripts or external resources."""
    return render("page.html.j2", _values(content), {"shape": _shape, "warm": _warm})


def _values(content: Content) -> dict[str, Any]:
    worst = _distinguishable(content)
    return {
        "content": content,
        "evaluation": content.evaluation,
        "verdict": judge(content),
        "split": split_name(content),
        "figures": _figures(content),
        "reliability": figures.reliability_diagram(content.evaluation.reliability),
        "curves": _curves(worst),
        "worst": worst,
        "blocks": _blocks(content.layers),
        "confusion": _confusion(content),
        "confusions": content.evaluation.commonest_confusions(_CONFUSIONS),
        "balance": with_shares(content.classes, content.balance) if content.balance else [],
        "total_params": sum(layer.params for layer in content.layers),
        "trainable_params": sum(layer.params for layer in content.layers if layer.trainable),
    }


def _figures(content: Content) -> dict[str, str]:
    if len(content.epochs) < 2:
        return {}  # one point is not a curve
    best, phase_spans = content.best_epoch, content.phase_spans
    epochs = _thinned(content.epochs, best)
    return {
        tr("Loss"): figures.loss_curves(epochs, best, phase_spans),
        tr("Accuracy"): figures.accuracy_curves(epochs, best, phase_spans),
        tr("Learning rate"): figures.learning_rate_curve(epochs, phase_spans),
    }


def _thinned(epochs: Sequence[EpochRecord], best: int | None) -> list[EpochRecord]:
    """Return at most as many epochs as a figure can show, including the best and the last."""
    step = -(-len(epochs) // _POINTS)
    kept = (one for one in epochs[:-1] if one.epoch % step == 0 or one.epoch == best)
    return [*kept, epochs[-1]]


def _distinguishable(content: Content) -> list[ClassCurves]:
    """Return the worst classes with curves, as many as can be distinguished in a figure."""
    drawn = [one for one in content.evaluation.curves if one.average_precision is not None]
    return sorted(drawn, key=lambda one: one.average_precision or 0.0)[:_WIDEST_CONFUSION]


def _curves(worst: list[ClassCurves]) -> dict[str, str]:
    if not worst:
        return {}
    return {
        "ROC": figures.roc_curves(worst, worst[0]),
        tr("Precision and recall"): figures.precision_recall_curves(worst, worst[0]),
    }


def _blocks(layers: Sequence[Layer]) -> list[Block]:
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(layer.block, []).append(layer)
    return [Block(name, tuple(members)) for name, members in groups.items()]


def _confusion(content: Content) -> list[list[tuple[int, int]]]:
    """Return each count with its shade: its share of the row, in tenths."""
    rows = content.evaluation.confusion
    if len(rows) > _WIDEST_CONFUSION:
        return []
    return [[(count, -(-count * _SHADES // max(1, sum(row)))) for count in row] for row in rows]


def _warm(mistake: Mistake) -> str:
    """Return the picture of a mistake with its heat map, as a ``data:`` URL."""
    heat = np.zeros((1, 1)) if mistake.heat is None else mistake.heat
    return data_url(overlay(mistake.picture, heat))


def _shape(sides: Sequence[int | None]) -> str:
    return " × ".join("?" if side is None else str(side) for side in sides)
