"""The best settings of a model file on a machine, saved beside the file.

Knows: their JSON, and when they no longer hold. Does not know how they are measured
(:mod:`kerascnn.inference.benchmark.benchmark`).
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerascnn.errors import ModelFileError
from kerascnn.files import write_text
from kerascnn.inference.runtime.providers import ARITHMETICS, PROVIDERS, Arithmetic, Provider
from kerascnn.parallel import usable_cpus

SCHEMA = 1

_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-ep-openvino", "openvino")


@dataclass(frozen=True)
class Setting:
    """How a file is run.

    Attributes:
        provider: Where.
        threads: Of one inference.
        spinning: Whether onnxruntime's threads wait busily.
        batch: Pictures a run at which it was fastest.
        images_per_second: At that batch.
    """

    provider: Provider
    threads: int
    spinning: bool
    batch: int
    images_per_second: float


def settings_path(model: str | Path) -> Path:
    """Say where a file's settings lie.

    Args:
        model: The ``.onnx`` file.

    Returns:
        ``NAME.bench.json`` in the same folder.
    """
    return Path(model).with_suffix(".bench.json")


def save_settings(model: str | Path, best: Mapping[Arithmetic, Setting]) -> Path:
    """Save the best settings beside the file.

    Args:
        model: The ``.onnx`` file.
        best: By grade of arithmetic.

    Returns:
        The file written.

    Raises:
        KerascnnError: The folder cannot be written.
    """
    path = settings_path(model)
    value = {
        "schema": SCHEMA,
        "machine": machine(),
        "model_bytes": Path(model).stat().st_size,
        "best": {grade: asdict(setting) for grade, setting in best.items()},
    }
    write_text(path, json.dumps(value, indent=2) + "\n")
    return path


def load_settings(model: str | Path) -> tuple[dict[Arithmetic, Setting], str]:
    """Read the settings, if they hold here.

    Args:
        model: The ``.onnx`` file.

    Returns:
        By grade of arithmetic, and "" or, where there are none, why.

    Raises:
        ModelFileError: A settings file that kerascnn did not write.
    """
    path = settings_path(model)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] != SCHEMA:
            return {}, f"{path.name} is of another version of kerascnn"
        if value["machine"] != machine():
            changed = ", ".join(_differences(value["machine"], machine()))
            return {}, f"{path.name} was measured elsewhere ({changed} differ)"
        if value["model_bytes"] != Path(model).stat().st_size:
            return {}, f"{path.name} belongs to another file of this name"
        return {grade: _setting(value["best"][grade]) for grade in ARITHMETICS
                if grade in value["best"]}, ""  # fmt: skip
    except FileNotFoundError:
        return {}, "no settings are saved beside the file"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"{path}: not the settings of a model ({type(error).__name__}: {error}). Remove it, "
            f"or measure again: kerascnn bench {model} --save"
        ) from error


def machine() -> dict[str, str]:
    """Describe what the settings depend on.

    Returns:
        Processor, how many of them may be used, and the versions of what runs models.
    """
    known = {"processor": _processor(), "processors": str(usable_cpus())}
    return known | dict(_versions())


def _versions() -> Iterator[tuple[str, str]]:
    # Slow to import, and needed only where there are settings: a first answer does not wait.
    from importlib.metadata import PackageNotFoundError, version

    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "-"


def _processor() -> str:
    # platform.processor() is empty or "x86_64" on Linux.
    if os.path.exists("/proc/cpuinfo"):  # noqa: PTH110 - a path of the system, not of a user
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n"):
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _differences(saved: dict[str, str], now: dict[str, str]) -> list[str]:
    return sorted(key for key in saved.keys() | now.keys() if saved.get(key) != now.get(key))


def _setting(value: dict[str, Any]) -> Setting:
    setting = Setting(**value)
    if setting.provider not in PROVIDERS or setting.threads < 1 or setting.batch < 1:
        raise ValueError(f"provider {setting.provider!r}, threads {setting.threads}")
    return setting
