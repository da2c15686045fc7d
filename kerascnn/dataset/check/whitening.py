"""Whitens thumbnails, so that the differences between pictures of a data set count equally.

Knows: the covariance of photographs and of these pictures. Does not know which are similar.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kerascnn.dataset.check.fingerprints import FLAT, SIDE, THUMBNAIL

_SAMPLE = 4000
"""Maximum pictures from which the covariance is estimated."""

_SHARE, _NOISE = 0.1, 0.05**2
"""Regularization: share of the mean variance, and variance of compression noise; the larger one is
added to each variance, so that noise is not scaled up."""

_AT_ONCE = 8192
"""Thumbnails to project at a time: 25 MB."""

_Floats = npt.NDArray[np.float32]


class WhitenedSpace:
    """The whitening transform of a data set's thumbnails."""

    def __init__(self, thumbnails: npt.NDArray[np.uint8]) -> None:
        sample = _normalized(thumbnails[:: max(1, len(thumbnails) // _SAMPLE)]).astype(np.float64)
        # The fewer pictures, the more the covariance is that of photographs in general.
        known = max(0.0, 1 - THUMBNAIL / len(sample))
        self._mean = (sample.mean(axis=0) * known).astype(np.float32)
        spread = np.cov(sample.T, bias=True) if known else np.zeros((THUMBNAIL, THUMBNAIL))
        usual = max(float((sample**2).mean()), _NOISE)
        spread = known * spread + (1 - known) * usual * _photographs()
        variances, directions = np.linalg.eigh(spread)
        scale = np.sqrt(np.maximum(variances, 0) + max(_SHARE * usual, _NOISE))
        # The directions with the largest variance come first, because they decide soonest.
        self._basis = (directions / scale)[:, ::-1].astype(np.float32)

    def project(self, thumbnails: npt.NDArray[np.uint8]) -> _Floats:
        """Return unit vectors, float32 ``[pictures, THUMBNAIL]``."""
        vectors: _Floats = (_normalized(thumbnails) - self._mean) @ self._basis
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        return vectors

    def project_first(self, thumbnails: npt.NDArray[np.uint8], count: int) -> _Floats:
        """Return the first values of each unit vector, float32 ``[pictures, count]``."""
        return np.concatenate(
            [vectors[:, :count] for vectors in self.project_in_chunks(thumbnails)]
        )

    def project_in_chunks(self, thumbnails: npt.NDArray[np.uint8]) -> Iterator[_Floats]:
        """Yield unit vectors, some thousand thumbnails at a time."""
        for start in range(0, len(thumbnails), _AT_ONCE):
            yield self.project(thumbnails[start : start + _AT_ONCE])


def _photographs() -> npt.NDArray[np.float64]:
    """Return the covariance of gray values in photographs, with a mean variance of 1.

    Their power falls with the square of the frequency (Field 1987), so low frequencies say little
    about the content. Colors are left unscaled.
    """
    place, wave = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    cosines = np.cos(np.pi * (place + 0.5) * wave / SIDE)
    cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
    waves = np.kron(cosines, cosines)
    power = 1 / (1 + np.add.outer(np.arange(SIDE) ** 2, np.arange(SIDE) ** 2).ravel())
    spread = np.eye(THUMBNAIL)
    spread[: SIDE * SIDE, : SIDE * SIDE] = waves.T @ np.diag(power / power.mean()) @ waves
    return spread


def _normalized(thumbnails: npt.NDArray[np.uint8]) -> _Floats:
    """Normalize brightness and contrast."""
    values = thumbnails.astype(np.float32)
    gray, colors = values[:, : SIDE * SIDE], values[:, SIDE * SIDE :]
    contrast = np.maximum(gray.std(axis=1, keepdims=True), FLAT)
    level: _Floats = np.hstack([gray - gray.mean(axis=1, keepdims=True), colors - 128])
    level /= contrast
    return level
