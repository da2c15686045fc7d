"""Finds the models to serve: their names, files and versions.

Knows: ``NAME=PATH``, folders of ``.onnx`` files and Triton's layout of a model repository. Does not
know the content of a file or how it is run.
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
from kerascnn.option_kinds import Number
from kerascnn.options import option

if TYPE_CHECKING:
    from kerascnn.inference.model_file.foreign import ForeignModel
    from kerascnn.inference.runtime.providers import Arithmetic
    from kerascnn.inference.runtime.selection import RequestedProvider

RUNTIME, BATCHING = "Runtime", "Batching"
"""Headings of the options that can be set per model."""

NAMED = re.compile(r"([^=/\\:]+)=(.+)", re.DOTALL)
"""A model with a name: ``NAME=PATH``."""

_VERSION = re.compile(r"[1-9][0-9]{0,17}")
"""Name of a version folder, as in Triton: a number without leading zeros."""


@dataclass(frozen=True)
class ModelConfig:
    """A model to serve, with its own options; each declaration says what the option does.

    Attributes:
        path: A ``.onnx`` file, one on the Hugging Face Hub (``hf://OWNER/NAME``), or a folder with
            a subfolder per version (``1/model.onnx``).
        name: Name under which it is served; empty: the name of the file or folder.
        provider: Execution provider, as for :class:`kerascnn.Classifier`.
        arithmetic: ``exact`` or ``fast``.
        threads: Threads per inference; None: one per processor that this process may use.
        foreign: Class names and preprocessing of a file that kerascnn did not export.
    """

    path: str
    name: str = ""
    provider: RequestedProvider = "auto"
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
    """Find the models to serve.

    Args:
        given: Files, folders, ``NAME=PATH`` of either, or options of a model. A folder may contain
            the versions of one model, or several models.
        otherwise: Options of models that are given as a path only.

    Raises:
        ConfigError: A folder without models.
    """
    asked = (one if isinstance(one, ModelConfig) else _named(one, otherwise) for one in given)
    return tuple(model for one in asked for model in _expand(one))


def versions_in(path: Path) -> dict[str, Path]:
    """List the versions of a model.

    Args:
        path: A ``.onnx`` file, which is its only version, without a number; or a folder.

    Returns:
        The file of each version by number, newest first; empty if the folder has no versions.
    """
    if not path.is_dir():
        return {"": path}
    numbers = sorted(int(one.name) for one in path.iterdir() if _VERSION.fullmatch(one.name))
    files = {str(number): _file_in(path / str(number)) for number in reversed(numbers)}
    return {number: file for number, file in files.items() if file is not None}


def unread_settings(models: Sequence[ModelConfig]) -> list[str]:
    """Return a notice for each of Triton's settings files, which have no effect here."""
    files = [Path(model.path) / "config.pbtxt" for model in models]
    return [
        f"{file} is not read. Names, types and sizes come from the model file; for max_batch_size, "
        "max_queue_delay_microseconds, max_queue_size and instance_group set --max-batch, "
        "--max-wait-ms, --max-queue and --copies, or the same in --config FILE."
        for file in files
        if file.is_file()
    ]


def _file_in(folder: Path) -> Path | None:
    """Find the file of a version: ``model.onnx``, or the only one in its folder."""
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
    for one in _models_in(path, model.name):
        yield from _expand(replace(model, path=str(one)))


def _models_in(folder: Path, name: str) -> list[Path]:
    inside = [one for one in sorted(folder.iterdir()) if _is_model(one)]
    if not inside:
        raise ConfigError(
            f"{folder}: a folder without models. Expected .onnx files in it, or "
            f"NAME/1/model.onnx, as in Triton. {describe_path(folder)}".rstrip()
        )
    if name:
        raise ConfigError(
            f"{name}={folder}: a folder of several models, which have names of their own. "
            "Give one of them, or leave out the name."
        )
    return inside


def _named(given: str, otherwise: ModelConfig) -> ModelConfig:
    found = NAMED.fullmatch(given)
    if found is None or Path(given).exists():
        return replace(otherwise, path=given)
    return replace(otherwise, path=found[2], name=found[1])


def _is_model(path: Path) -> bool:
    if path.name.startswith("."):  # left by macOS (._NAME.onnx), editors and mounts
        return False
    return bool(versions_in(path)) if path.is_dir() else path.suffix.lower() == ".onnx"
