"""Opens sessions on a GPU, with CUDA or TensorRT.

Knows: the packages that the providers need, and their options. Does not know how a session runs
with fixed buffers (:mod:`kerascnn.inference.runtime.io_binding`).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal, TypeAlias

from kerascnn.errors import ModelFileError, ProviderError
from kerascnn.inference.runtime.io_binding import BoundSession, run_on_device_thread
from kerascnn.inference.runtime.ort import NAMES, find_gpu_libraries, onnxruntime, opened, silently
from kerascnn.inference.runtime.providers import Arithmetic

log = logging.getLogger(__name__)

OnGpu: TypeAlias = Literal["cuda", "tensorrt"]

GRAPHS = "enable_cuda_graph"
"""Provider option for CUDA graphs, which fails for files with an operator that runs on the CPU."""


def open_gpu(
    path: str | Path, options: Any, provider: OnGpu, arithmetic: Arithmetic
) -> BoundSession:
    """Open a file on the GPU, with CUDA graphs if every node can be captured.

    Raises:
        ModelFileError: Not a model that can be loaded.
        ProviderError: The provider cannot run here; the message says what is missing.
    """
    _load(provider)
    with silently():
        return run_on_device_thread(lambda: _open(path, options, provider, arithmetic))


def _open(path: str | Path, options: Any, provider: OnGpu, arithmetic: Arithmetic) -> BoundSession:
    asked = gpu_options(provider, arithmetic, str(path))
    plain = {name: value for name, value in asked.items() if name != GRAPHS}

    def without_graphs() -> Any:
        return opened(path, options, provider, [(NAMES[provider], plain)])

    if GRAPHS in asked:
        try:
            session = opened(path, options, provider, [(NAMES[provider], asked)])
            return BoundSession(session, "cuda", without_graphs)
        except (ModelFileError, ProviderError) as error:
            log.info("%s: without CUDA graphs (%s)", path, error)
    return BoundSession(without_graphs(), "cuda")


def gpu_options(provider: OnGpu, arithmetic: Arithmetic, path: str) -> dict[str, Any]:
    """Return onnxruntime's options for a provider.

    Args:
        provider: ``cuda`` or ``tensorrt``.
        arithmetic: ``exact`` keeps TF32 and float16 off.
        path: Path of the model, beside which TensorRT caches its compiled engines.
    """
    fast = int(arithmetic == "fast")
    if provider == "cuda":
        return {"use_tf32": fast, "prefer_nhwc": 1, "cudnn_conv_algo_search": "EXHAUSTIVE",
                GRAPHS: 1}  # fmt: skip
    return {"trt_fp16_enable": fast, "trt_engine_cache_enable": 1,
            "trt_engine_cache_path": f"{path}.tensorrt"}  # fmt: skip


def _load(provider: OnGpu) -> None:
    """Load the libraries that CUDA and TensorRT need; raise if onnxruntime lacks the provider."""
    if NAMES[provider] not in onnxruntime.get_available_providers():
        extra = "" if provider == "cuda" else " tensorrt"
        raise ProviderError(
            f"provider {provider}: the installed onnxruntime was built without it. "
            "Install the one for NVIDIA GPUs instead: pip uninstall -y onnxruntime && "
            f"pip install 'kerascnn[gpu]'{extra}"
        )
    find_gpu_libraries()
