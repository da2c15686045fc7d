"""Where a file of weights lies: on this machine, or on the Hugging Face Hub.

Knows: the endings of such files, and addresses of the Hub. Does not know what is in a file.
"""

from __future__ import annotations

from pathlib import Path

from kerascnn.hub import fetch, is_on_hub

TORCH_KINDS = (".safetensors", ".pth", ".pt", ".pth.tar", ".ckpt", ".bin")
KINDS = (".keras", ".weights.h5", ".h5", *TORCH_KINDS)

_ON_HUB = KINDS[:6]
"""Endings of which a repository's only file is meant; it may hold others besides."""


def on_this_machine(weights: str) -> Path:
    """Return the path of a file of weights; one on the Hub is fetched."""
    return fetch(weights, _ON_HUB).path if is_on_hub(weights) else Path(weights)


def pinned(weights: str) -> str:
    """Return what means the same weights for good: of the Hub, the address with its commit."""
    return fetch(weights, _ON_HUB).address if is_on_hub(weights) else weights


def provenance(weights: str) -> str:
    """Return commit and SHA-256 of weights on the Hub; empty for others."""
    return str(fetch(weights, _ON_HUB)) if is_on_hub(weights) else ""
