"""The location of a weights file: on this machine, or on the Hugging Face Hub.

Knows: the suffixes of such files, and addresses of the Hub. Does not know: what is in a file.
"""

from __future__ import annotations

from pathlib import Path

from kerascnn.hub import fetch, is_on_hub

TORCH_KINDS = (".safetensors", ".pth", ".pt", ".pth.tar", ".ckpt", ".bin")
KINDS = (".keras", ".weights.h5", ".h5", *TORCH_KINDS)

_ON_HUB = KINDS[:6]
"""Suffixes of which a repository's only file is used; it may hold other files as well."""


def on_this_machine(weights: str) -> Path:
    """Return the path of a weights file, fetching it from the Hub if necessary."""
    return fetch(weights, _ON_HUB).path if is_on_hub(weights) else Path(weights)


def pinned(weights: str) -> str:
    """Return an address that always means the same weights: on the Hub, with its commit."""
    return fetch(weights, _ON_HUB).address if is_on_hub(weights) else weights


def provenance(weights: str) -> str:
    """Return commit and SHA-256 of weights on the Hub; empty for other weights."""
    return str(fetch(weights, _ON_HUB)) if is_on_hub(weights) else ""
