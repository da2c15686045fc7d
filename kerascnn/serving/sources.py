"""Which models are served: from what was given to names, files and versions.

Knows: ``NAME=PATH``, folders of ``.onnx`` files and Triton's layout of a model repository. Does not
know what is in a file, nor how it is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kerascnn import hub
from kerascnn.errors import ConfigError
from kerascnn.inference.model_file.advice import describe_path
from kerascnn.options import Number, option

if TYPE_CHECKING:
    from kerascnn.inference.model_file.foreign import ForeignModel
    from kerascnn.inference.runtime.providers import Arithmetic
    from kerascnn.inference.runtime.selection import Asked

RUNTIME, BATCHING = "Runtime", "Batching"
"""Headings of the options that each model may have for itself."""

NAMED = re.compile(r"([^=/\\:]+)=(.+)", re.DOTALL)
"""``NAME=PATH``."""

_VERSION = re.compile(r"[1-9][0-9]{0,17}")
"""A folder's name that is a version, as Triton has it: a number that does not begin with zero."""


@dataclass(frozen=True)
class ModelConfig:
    """One model that is served, and what is set for it alone; each option's declaration says more.

    Attributes:
        path: A ``.onnx`` file, one on the Hugging Face Hub (``hf://OWNER/NAME``), or a folder with
            one in a folder for each version (``1/model.onnx``).
        name: Under which it is served; empty: the name of the file or folder.
        provider: Where the network runs, as for :class:`kerascnn.Classifier`.
        arithmetic: ``exact`` or ``fast``.
        threads: Threads per inference; None: the processors this process may use.
        foreign: What the file does not say, if kerascnn did not export it.
    """

    path: str
    name: str = ""
    provider: Asked = "auto"
    arithmetic: Arithmetic = "exact"
    threads: int | None = None
    # fmt: off
    copies: int = option(1, Number(int, lambda n: 1 <= n <= 64, "1 to 64", "N"),
        "Instances of each network that run in parallel: higher throughput, higher latency.",
        RUNTIME)
    max_batch: int = option(16, Number(int, lambda n: n >= 1, "at least 1", "N"),
        "Largest batch.", BATCHING)
    max_wait_ms: float = option(2.0, Number(float, lambda x: x >= 0, "at least 0", "MS"),
        "How long a batch waits for pictures that are still being decoded, if any.", BATCHING)
    max_queue: int = option(256, Number(int, lambda n: n >= 1, "at least 1", "N"),
        "Pictures waiting or running, for each model; further requests get status 503.", BATCHING)
    # fmt: on
    foreign: ForeignModel | None = None


def find_models(
    given: Sequence[str | ModelConfig], otherwise: ModelConfig
) -> tuple[ModelConfig, ...]:
    """Find what was given.

    Args:
        given: A file, a folder, ``NAME=PATH`` of either, or all that is set about one. A folder
            may hold one model's versions, or several models.
        otherwise: What is set about those of which only the path was given.

    Raises:
        ConfigError: A folder without models.
    """
    asked = (one if isinstance(one, ModelConfig) else _named(one, otherwise) for one in given)
    return tuple(model for one in asked for model in _expand(one))


def versions_in(path: Path) -> dict[str, Path]:
    """List the versions of a model.

    Args:
        path: A ``.onnx`` file, which is its only version and has no number; or a folder.

    Returns:
        The file of each version, by its number, the newest first; none: no model's folder.
    """
    if not path.is_dir():
        return {"": path}
    numbers = sorted(int(one.name) for one in path.iterdir() if _VERSION.fullmatch(one.name))
    files = {str(number): _file_in(path / str(number)) for number in reversed(numbers)}
    return {number: file for number, file in files.items() if file is not None}


def unread_settings(models: Sequence[ModelConfig]) -> list[str]:
    """List what lies beside the models and has no effect: Triton's settings."""
    files = [Path(model.path) / "config.pbtxt" for model in models]
    return [
        f"{file} is not read. Names, types and sizes come from the model file; for max_batch_size, "
        "max_queue_delay_microseconds, max_queue_size and instance_group set --max-batch, "
        "--max-wait-ms, --max-queue and --copies, or the same in --config FILE."
        for file in files
        if file.is_file()
    ]


def _file_in(folder: Path) -> Path | None:
    """Find a version's file: ``model.onnx``, or the only one there is."""
    files = sorted(folder.glob("*.onnx"))
    usual = folder / "model.onnx"
    return usual if usual in files else files[0] if len(files) == 1 else None


def _expand(model: ModelConfig) -> Iterator[ModelConfig]:
    if hub.is_on_hub(model.path):
        model = replace(model, path=str(hub.fetch(model.path).path))
    path = Path(model.path)
    if not path.is_dir():
        yield replace(model, name=model.name or path.stem)
        return
    if versions_in(path):
        yield replace(model, name=model.name or path.resolve().name)
        return
    inside = [one for one in sorted(path.iterdir()) if _is_model(one)]
    if not inside:
        raise ConfigError(
            f"{path}: a folder without models. Expected .onnx files in it, or NAME/1/model.onnx, "
            f"as Triton has it. {describe_path(path)}".rstrip()
        )
    if model.name:
        raise ConfigError(
            f"{model.name}={path}: a folder of several models, which have names of their own. "
            "Give one of them, or leave out the name."
        )
    for one in inside:
        yield from _expand(replace(model, path=str(one)))


def _named(given: str, otherwise: ModelConfig) -> ModelConfig:
    found = NAMED.fullmatch(given)
    if found is None or Path(given).exists():
        return replace(otherwise, path=given)
    return replace(otherwise, path=found[2], name=found[1])


def _is_model(path: Path) -> bool:
    if path.name.startswith("."):  # what macOS (._NAME.onnx), editors and mounts leave beside it
        return False
    return bool(versions_in(path)) if path.is_dir() else path.suffix.lower() == ".onnx"
