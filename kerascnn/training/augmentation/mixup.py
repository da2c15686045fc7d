"""Mixup and CutMix: pictures mixed in pairs, and their labels with them.

Knows: how strongly each batch is mixed, and the resulting pixels. Does not know: the loss.

Each picture is mixed with the one at the mirrored position of its shuffled batch. The share of
each, and the rectangle, are drawn on the host, once per batch, from the run's seed and the epoch:
so both feeds and a resumed run mix alike. Mixing comes after crops and before augmentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from keras import ops

Recipes = npt.NDArray[np.float32]
"""``[batches, 6]``: the weight of a picture's own label, the weight of its own pixels outside the
rectangle, and the rectangle in pixels: top, bottom, left, right (as in a slice)."""


@dataclass(frozen=True)
class BatchMixing:
    """How batches are mixed.

    Attributes:
        kind: ``mixup``: a weighted mean of two pictures (Zhang et al. 2018,
            https://arxiv.org/abs/1710.09412). ``cutmix``: a rectangle of one in the other (Yun et
            al. 2019, https://arxiv.org/abs/1905.04899).
        alpha: Alpha of the Beta distribution of the share, above 0; 1: uniform.
    """

    kind: Literal["mixup", "cutmix"]
    alpha: float

    def draw(self, batches: int, size: int, seed: int, epoch: int) -> Recipes:
        """Draw the mixing of each batch of an epoch; epochs count from 1.

        Returns:
            float32 ``[batches, 6]``; see :data:`Recipes`.
        """
        rng = np.random.default_rng([seed, epoch, 2])
        shares = rng.beta(self.alpha, self.alpha, batches)
        found = np.zeros((batches, 6), np.float32)
        if self.kind == "mixup":
            found[:, :2] = shares[:, None]
            return found
        half = np.sqrt(1 - shares)[:, None] * size / 2
        middle = rng.integers(0, size, (batches, 2))
        first = np.clip(np.rint(middle - half), 0, size)
        last = np.clip(np.rint(middle + half), 0, size)
        # The rectangle may be clipped at the edge, so its actual area counts, as in the paper's
        # code.
        found[:, 0] = 1 - (last - first).prod(1) / size**2
        found[:, 1] = 1
        found[:, 2:] = np.stack([first[:, 0], last[:, 0], first[:, 1], last[:, 1]], 1)
        return found


def mixing_of(mixup: float, cutmix: float) -> BatchMixing | None:
    """Return the mixing of a run; None: no mixing."""
    if mixup:
        return BatchMixing("mixup", mixup)
    return BatchMixing("cutmix", cutmix) if cutmix else None


def mix(pictures: Any, recipe: Any) -> Any:
    """Mix the pictures of a batch, inside the compiled step.

    Args:
        pictures: uint8 ``[batch, size, size, 3]``.
        recipe: float32 ``[6]``: a row of :data:`Recipes`.

    Returns:
        The pictures, each mixed with the one at the mirrored position, uint8 of the same shape.
    """
    own = ops.cast(pictures, "float32")
    other = ops.flip(own, axis=0)
    rows = ops.reshape(ops.arange(pictures.shape[1], dtype="float32"), (1, -1, 1, 1))
    columns = ops.reshape(ops.arange(pictures.shape[2], dtype="float32"), (1, 1, -1, 1))
    inside = (
        ops.cast(rows >= recipe[2], "float32")
        * ops.cast(rows < recipe[3], "float32")
        * ops.cast(columns >= recipe[4], "float32")
        * ops.cast(columns < recipe[5], "float32")
    )
    share = recipe[1] * (1 - inside)
    return ops.cast(ops.round(share * own + (1 - share) * other), "uint8")
