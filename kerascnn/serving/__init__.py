"""The server: serves exported files over HTTP, for production.

Starlette and uvicorn on top of the inference half; never Keras, onnx or Click. Holds the public
names; each is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerascnn.errors import needs_extra
from kerascnn.lazy import lazy_names

if TYPE_CHECKING:
    from kerascnn.serving.app import create_app
    from kerascnn.serving.config import ServeConfig
    from kerascnn.serving.server import serve
    from kerascnn.serving.sources import ModelConfig

__all__ = ["ModelConfig", "ServeConfig", "create_app", "serve"]

_HOMES = {
    "ModelConfig": ".sources",
    "ServeConfig": ".config",
    "create_app": ".app",
    "serve": ".server",
}


def _installed(module: str, package: str) -> Any:
    """Import a module; if a package is missing, name the extra to install."""
    with needs_extra("serve", "to serve models"):
        return import_module(module, package)


__getattr__, __dir__ = lazy_names(__name__, _HOMES, _installed)
