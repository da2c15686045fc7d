"""The page: from a report's content to one HTML document.

Knows: jinja2, the template, the page's content policy. Does not know matplotlib (figures) nor
which words describe a result (verdict).

Every name in it is untrusted: a folder may be called ``<script>``. The template escapes all
text, the page holds no script, and its policy forbids any, as it forbids every address outside.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import Any

from kerascnn import __version__
from kerascnn.report import figures
from kerascnn.report.content import Content, Layer
from kerascnn.report.pictures import data_address
from kerascnn.report.verdict import SPLIT_NAMES, commonest_confusions, judge

_WIDEST_CONFUSION = 25
"""Classes; a larger matrix fits no page, and the commonest confusions tell the story."""

_SHADES = 10


@dataclass(frozen=True)
class Block:
    """Consecutive layers that belong together.

    Attributes:
        name: What stands before the first ``_`` in their names.
        layers: In order.
    """

    name: str
    layers: tuple[Layer, ...]

    @property
    def params(self) -> int:
        """Parameters of all layers."""
        return sum(layer.params for layer in self.layers)

    @property
    def state(self) -> str:
        """Give ``learns``, ``frozen``, ``partly`` or ``plain`` (no parameters)."""
        states = {layer.trainable for layer in self.layers if layer.params}
        if not states:
            return "plain"
        return "partly" if len(states) == 2 else "learns" if True in states else "frozen"


def render_page(content: Content) -> str:
    """Make the page.

    Args:
        content: What to show.

    Returns:
        A whole HTML document that needs nothing else: no network, no scripts.
    """
    import jinja2

    style = _resource("style.css")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        percent=lambda share: f"{share:.1%}", shape=_shape, picture=data_address
    )
    template = environment.from_string(_resource("page.html.j2"))
    return template.render(**_values(content), style=style, policy=_policy(style))


def _values(content: Content) -> dict[str, Any]:
    return {
        "content": content,
        "evaluation": content.evaluation,
        "verdict": judge(content),
        "split": SPLIT_NAMES.get(content.evaluation.split, content.evaluation.split),
        "figures": _figures(content),
        "blocks": _blocks(content.layers),
        "confusion": _confusion(content),
        "confusions": commonest_confusions(content),
        "balance": _balance(content),
        "total_params": sum(layer.params for layer in content.layers),
        "trainable_params": sum(layer.params for layer in content.layers if layer.trainable),
        "version": __version__,
    }


def _figures(content: Content) -> dict[str, str]:
    if not content.epochs:
        return {}
    return {
        "Loss": figures.loss_curves(content.epochs, content.best_epoch),
        "Accuracy": figures.accuracy_curves(content.epochs, content.best_epoch),
        "Learning rate": figures.learning_rate_curve(content.epochs),
    }


def _blocks(layers: Sequence[Layer]) -> list[Block]:
    groups = groupby(layers, key=lambda layer: layer.name.partition("_")[0])
    return [Block(name, tuple(members)) for name, members in groups]


def _confusion(content: Content) -> list[list[tuple[int, int]]]:
    """Give each count with its shade: the share of its row, in tenths."""
    rows = content.evaluation.confusion
    if len(rows) > _WIDEST_CONFUSION:
        return []
    return [[(count, -(-count * _SHADES // max(1, sum(row)))) for count in row] for row in rows]


def _balance(content: Content) -> list[tuple[str, list[tuple[int, float]]]]:
    """Give each class with its count in each split, and that as a share of the largest."""
    largest = {split: max(1, *counts) for split, counts in content.balance.items()}
    return [
        (
            name,
            [
                (counts[index], 100 * counts[index] / largest[split])
                for split, counts in content.balance.items()
            ],
        )
        for index, name in enumerate(content.classes)
        if content.balance
    ]


def _shape(sides: Sequence[int | None]) -> str:
    return " × ".join("?" if side is None else str(side) for side in sides)


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
