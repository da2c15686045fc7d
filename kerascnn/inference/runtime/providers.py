"""Names of the execution providers, and of the two grades of arithmetic.

Knows: the names. Does not know onnxruntime, so that importing this module is fast.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from kerascnn.errors import ConfigError

Provider = Literal["cpu", "openvino", "cuda", "tensorrt"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)

Arithmetic = Literal["exact", "fast"]
ARITHMETICS: tuple[Arithmetic, ...] = get_args(Arithmetic)
"""Grades of arithmetic. ``exact``: float32, every top-1 prediction is the trained model's.
``fast``: bfloat16, TF32 or float16, as the provider chooses; some predictions may change, and
``kerascnn bench`` counts them."""


def check_names(provider: str, arithmetic: str, providers: Collection[str] = PROVIDERS) -> None:
    """Check the names of a provider and a grade of arithmetic.

    Raises:
        ConfigError: A name does not exist; the message lists those that do.
    """
    for kind, name, known in (
        ("provider", provider, providers),
        ("arithmetic", arithmetic, ARITHMETICS),
    ):
        if name not in known:
            raise ConfigError(f"`{kind}` {name!r} is not known. Choose one of: {', '.join(known)}.")
