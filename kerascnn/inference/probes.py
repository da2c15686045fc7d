"""Probe pictures: generated pictures on which every provider is checked.

Knows: how the pictures are generated, and how outputs are compared. Does not know sessions.
"""

from __future__ import annotations

import hashlib

import numpy as np

from kerascnn import images
from kerascnn.card import PROBES, ModelCard, Probe
from kerascnn.errors import ProviderError
from kerascnn.inference.runtime.providers import Arithmetic

TOLERANCE = 1e-4
"""Largest allowed difference of a probability, for exact arithmetic in float32."""

FAST_TOLERANCE = 0.05
"""The same for ``fast`` arithmetic or a file that is not float32, where providers legitimately
round differently. Its cost in accuracy is measured on real pictures; the probes only detect a
provider that computes something else."""

_GRID = 9
"""Cells along each side of the random grid: few enough that the enlarged picture is smooth."""


def probe_pictures(size: int | images.Shape) -> images.UInt8Array:
    """Generate the probe pictures of a model.

    Smooth patches of color: random numbers on a coarse grid, enlarged. They are computed with
    integers and Pillow only, so that they are identical everywhere.

    Returns:
        uint8 ``[2, height, width, 3]``.
    """
    # Knuth's multiplicative hash: stable, while numpy's generators may change.
    count = PROBES * _GRID * _GRID * 3
    numbers = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2654435761)) >> np.uint64(11)
    coarse = (numbers & np.uint64(255)).astype(np.uint8).reshape(PROBES, _GRID, _GRID, 3)
    square = isinstance(size, int) or size[0] == size[1]
    rule: images.ResizeRule = "squash" if square else images.Resizing()
    return np.stack([images.size_picture(grid, size, rule) for grid in coarse])


def make_probes(pictures: images.UInt8Array, probabilities: np.ndarray) -> tuple[Probe, ...]:
    """Record the CPU provider's outputs for :func:`probe_pictures`, for the card."""
    return tuple(
        Probe(_sha256(picture), tuple(float(value) for value in row))
        for picture, row in zip(pictures, probabilities, strict=True)
    )


def check_probes(
    card: ModelCard,
    pictures: images.UInt8Array,
    probabilities: np.ndarray,
    provider: str,
    arithmetic: Arithmetic = "exact",
) -> None:
    """Compare a provider's outputs with those in the card.

    Args:
        card: A card that has probes.
        pictures: Pictures from :func:`probe_pictures`.
        probabilities: float32 ``[2, classes]``, the provider's outputs.
        provider: Its name, for the message.
        arithmetic: ``exact``, or ``fast``, which has a larger tolerance.

    Raises:
        ProviderError: An output or a probe picture differs.
    """
    exact = arithmetic == "exact" and card.precision == "float32"
    allowed = TOLERANCE if exact else FAST_TOLERANCE
    for probe, picture, row in zip(card.probes, pictures, probabilities, strict=True):
        if probe.sha256 != _sha256(picture):
            raise ProviderError(
                f"{card.name}: the probe pictures differ from those at export: numpy or Pillow "
                "computes differently here, so pictures would be resized differently too."
            )
        difference = float(np.abs(np.asarray(probe.probabilities) - row).max())
        if not difference <= allowed:
            raise ProviderError(
                f"{card.name}: on provider {provider}, a probability differs by {difference:.2g} "
                f"from the trained model's (allowed: {allowed:g}). Copy or export the file again, "
                "with its weights; if that changes nothing, use another provider, or update "
                "onnxruntime."
            )


def _sha256(picture: images.UInt8Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()
