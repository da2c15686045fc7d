"""The server: exported files over HTTP, for production.

Starlette and uvicorn on top of the inference half; never Keras, onnx or Click. The public
names; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerascnn.errors import MissingExtraError

if TYPE_CHECKING:
    from kerascnn.serving.app import create_app
    from kerascnn.serving.config import ServeConfig
    from kerascnn.serving.server import serve
    from kerascnn.serving.sources import ModelConfig

__all__ = ["ModelConfig", "ServeConfig", "create_app", "serve"]

_HOMES = {
    "ModelConfig": "sources",
    "ServeConfig": "config",
    "create_app": "app",
    "serve": "server",
}

_SERVE_EXTRA = {"starlette", "uvicorn", "httptools", "prometheus_client", "msgspec"}


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as missing:
        module = (missing.name or "").partition(".")[0]
        if module not in _SERVE_EXTRA:
            raise
        raise MissingExtraError(module, "serve", "to serve models") from missing
