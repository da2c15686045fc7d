"""The providers by name, and the two grades of arithmetic.

Knows: which there are. Does not know onnxruntime, and so can be read before it is imported.
"""

from __future__ import annotations

from typing import Literal, get_args

from kerascnn.errors import ConfigError

Provider = Literal["cpu", "openvino", "cuda", "tensorrt"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)

Arithmetic = Literal["exact", "fast"]
ARITHMETICS: tuple[Arithmetic, ...] = get_args(Arithmetic)
"""``exact``: float32, every top-1 prediction is the trained model's. ``fast``: bfloat16, TF32 or
float16 as the provider likes; some answers may change, and ``kerascnn bench`` counts them."""


def check_names(provider: str, arithmetic: str) -> None:
    """Refuse a name that does not exist.

    Raises:
        ConfigError: Naming those that exist.
    """
    for kind, name, known in (
        ("provider", provider, PROVIDERS),
        ("arithmetic", arithmetic, ARITHMETICS),
    ):
        if name not in known:
            raise ConfigError(f"`{kind}` {name!r} is not known. Choose one of: {', '.join(known)}.")
