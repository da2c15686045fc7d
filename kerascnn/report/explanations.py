"""Arranges explanations and feature maps as sheets of pictures.

Knows: the tiles of a sheet and their captions. Does not know where heat maps, kernels and feature
maps come from, or how a sheet is written (:mod:`kerascnn.report.sheet`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kerascnn.images import UInt8Array
from kerascnn.language import count, tr
from kerascnn.report.heat import enlarged, overlay
from kerascnn.report.sheet import Row, Tile

if TYPE_CHECKING:
    from kerascnn.inference.occlusion import Explanation

_MOST_KERNELS = 64
"""Maximum filters to show; nobody would look at more one by one."""

_MARGIN = 0.001
"""Minimum scale of a kernel's colors, as a share of its largest weight; below it, noise would be
amplified."""


def explanation_rows(explanation: Explanation) -> list[Row]:
    """Arrange an explanation as rows of tiles."""
    seen = Tile(enlarged(explanation.picture), (tr("as the network sees it"),))
    warm = [
        Tile(
            overlay(explanation.picture, reason.heat),
            (reason.label, f"{reason.probability:.1%}" + _note_if_empty(reason.heat)),
        )
        for reason in explanation.reasons
    ]
    return [Row(tr("Where it looks ({method})", method=tr(explanation.method)), (seen, *warm))]


def _note_if_empty(heat: npt.NDArray[np.float32]) -> str:
    return "" if heat.any() else tr(": no region supports it")


def kernel_row(layer: str, kernels: npt.NDArray[np.float32]) -> Row:
    """Arrange the filters of a layer as a row of tiles.

    Args:
        kernels: float32 ``[filters, rows, columns, channels]``. Three channels are shown as
            colors, others by their mean; gray is 0.
    """
    tiles = [
        Tile(enlarged(_as_picture(kernel), 80), (tr("filter {number}", number=number),))
        for number, kernel in enumerate(kernels[:_MOST_KERNELS])
    ]
    size = " × ".join(map(str, kernels.shape[1:]))
    shown = tr(", {count} shown", count=_MOST_KERNELS) if len(kernels) > _MOST_KERNELS else ""
    filters = count(len(kernels), "filter")
    title = tr(
        "{layer}: {filters} of {size}{shown} (gray is 0)",
        layer=layer,
        filters=filters,
        size=size,
        shown=shown,
    )
    return Row(title, tuple(tiles))


def map_row(title: str, maps: npt.NDArray[np.float32], channels: Sequence[int]) -> Row:
    """Arrange feature maps as a row of tiles.

    Args:
        maps: float32 ``[maps, rows, columns]``, each scaled from its minimum (black) to its
            maximum (white).
    """
    tiles = [
        Tile(_gray(one), (tr("channel {channel}", channel=channel),))
        for one, channel in zip(maps, channels, strict=True)
    ]
    return Row(title, tuple(tiles))


def _as_picture(kernel: npt.NDArray[np.float32]) -> UInt8Array:
    colors = kernel if kernel.shape[2] == 3 else kernel.mean(axis=2, keepdims=True)
    largest = max(float(np.abs(colors).max()), float(np.abs(kernel).max()) * _MARGIN, 1e-12)
    shown = np.rint(127.5 + 127.5 * colors / largest).astype(np.uint8)
    return np.broadcast_to(shown, (*shown.shape[:2], 3)).copy()


def _gray(numbers: npt.NDArray[np.float32]) -> UInt8Array:
    low, high = float(numbers.min()), float(numbers.max())
    scaled = (numbers - low) / (high - low) if high > low else np.zeros_like(numbers)
    gray = np.rint(255 * scaled).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)
