"""Opens and runs a session for a file.

Knows: how each provider opens a session. Does not know cards, pictures, labels, or which provider
to choose (:mod:`kerascnn.inference.runtime.selection`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from kerascnn.errors import ModelFileError, ProviderError
from kerascnn.inference.runtime.gpu import open_gpu
from kerascnn.inference.runtime.guarded_session import GuardedSession
from kerascnn.inference.runtime.openvino import OpenVinoSession
from kerascnn.inference.runtime.openvino_plugin import open_plugin, plugin_devices
from kerascnn.inference.runtime.ort import (
    ERRORS_ONLY,
    NAMES,
    SILENT,
    load_errors,
    onnxruntime,
    opened,
)
from kerascnn.inference.runtime.providers import Arithmetic, Provider, check_names
from kerascnn.parallel import usable_cpus

_SPIN_MICROSECONDS = "100"
"""Time that onnxruntime's threads spin, in place of its default of milliseconds: longer than the
gap between two operators, and shorter than the gap between two runs, when other threads need the
processor. Versions of onnxruntime without this setting ignore it."""


def open_session(
    path: str | Path,
    provider: Provider = "cpu",
    threads: int | None = None,
    pinned: Mapping[str, int] | None = None,
    arithmetic: Arithmetic = "exact",
    spinning: bool = True,
    weights: Sequence[Path] = (),
    full_batch: int | None = None,
) -> GuardedSession:
    """Open a model file.

    Args:
        path: Path of the ``.onnx`` file.
        provider: Execution provider, not ``auto``.
        threads: Threads per inference; None: one per processor that this process may use.
            onnxruntime itself would count those of the host, not of the container.
        pinned: Sizes of dynamic axes of the input, by name.
        arithmetic: ``exact``: float32. ``fast``: the provider's fastest.
        spinning: Whether onnxruntime's threads spin while they wait for the next operator: faster,
            but costly when other threads need the processors.
        weights: Files beside it that hold weights.
        full_batch: Number of pictures in most runs, if known: OpenVINO also compiles the network
            for this batch size.

    Raises:
        ConfigError: No such provider or arithmetic.
        ModelFileError: Not a model that can be loaded.
        ProviderError: The provider cannot run here; the message says what is missing.
    """
    check_names(provider, arithmetic)
    _check_weights(path, weights)
    count = threads or usable_cpus()
    options = _options(count, pinned or {}, spinning)
    session: Any
    if provider == "openvino" and plugin_devices():
        session = open_plugin(path, options, count, arithmetic)
    elif provider == "openvino":
        session = OpenVinoSession(path, count, pinned or {}, arithmetic, full_batch)
    elif provider == "cpu":
        in_memory = _read_weights(path, options, weights)
        session = opened(path, options, provider, [(NAMES[provider], {})])
        del in_memory  # onnxruntime has copied it by now
    else:
        session = open_gpu(path, options, provider, arithmetic)
    return GuardedSession(session, str(path), load_errors())


def _check_weights(path: str | Path, weights: Sequence[Path]) -> None:
    for file in weights:
        if not file.is_file():
            raise ModelFileError(
                f"{path}: its weights are in {file.name}, which is not beside it. Copy both files "
                "to one folder, and keep their names."
            )


def _read_weights(path: str | Path, options: Any, weights: Sequence[Path]) -> list[bytes]:
    """Read the weights beside a file, and pass them to onnxruntime in memory.

    It would memory-map the files: overwriting one in place would change the outputs of the open
    model, and truncating one would kill the process with SIGBUS.
    """
    if not hasattr(options, "add_external_initializers_from_files_in_memory"):
        return []  # an older onnxruntime
    try:
        content = [file.read_bytes() for file in weights]
    except OSError:
        return []  # onnxruntime reports it
    if content:
        names = [file.relative_to(Path(path).parent).as_posix() for file in weights]
        options.add_external_initializers_from_files_in_memory(
            names, content, list(map(len, content))
        )
    return content


def _options(threads: int, pinned: Mapping[str, int], spinning: bool) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN_MICROSECONDS)
    for axis, size in pinned.items():
        options.add_free_dimension_override_by_name(axis, size)
    return options


def run_session(
    path: str | Path,
    session: GuardedSession,
    outputs: Sequence[str],
    feed: Mapping[str, npt.NDArray[Any]],
) -> list[npt.NDArray[Any]]:
    """Run a foreign graph, which may not accept the input.

    Raises:
        ModelFileError: The graph does not run on this input.
    """
    options = onnxruntime.RunOptions()
    options.log_severity_level = SILENT  # errors are raised, not logged
    try:
        return session.run(list(outputs), dict(feed), options)
    except ProviderError as error:
        shapes = ", ".join(f"{array.dtype} {list(array.shape)}" for array in feed.values())
        raise ModelFileError(
            f"{path}: the graph does not run on {shapes} ({error}). Is `image_size` right?"
        ) from error
