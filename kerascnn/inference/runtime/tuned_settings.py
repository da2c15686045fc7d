"""Saves and loads the best settings of a model file on a machine.

Knows: their JSON file, and when it is outdated. Does not know how settings are measured
(:mod:`kerascnn.inference.benchmark.benchmark`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerascnn.errors import ModelFileError, kind_and_line
from kerascnn.files import write_text
from kerascnn.inference.runtime.providers import ARITHMETICS, Arithmetic, Provider
from kerascnn.language import Sentence, sentence
from kerascnn.machine import installed_version, processor
from kerascnn.parallel import usable_cpus
from kerascnn.printable import command_line
from kerascnn.typed_json import build, parse_json

SCHEMA = 1

_THREADS, _BATCH = 1024, 65_536
"""Largest values that a settings file may contain, more than any machine has: a damaged file must
not start a million threads."""

_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-ep-openvino", "openvino")


@dataclass(frozen=True)
class TunedSettings:
    """Measured settings to run a file with: the fastest batch size, and its throughput."""

    provider: Provider
    threads: int
    spinning: bool
    batch: int
    images_per_second: float


def settings_path(model: str | Path) -> Path:
    """Return the path of a file's settings: ``NAME.bench.json`` in the same folder."""
    return Path(model).with_suffix(".bench.json")


def save_settings(model: str | Path, best: Mapping[Arithmetic, TunedSettings]) -> Path:
    """Save the best settings beside the file.

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


def load_settings(model: str | Path) -> tuple[dict[Arithmetic, TunedSettings], Sentence | None]:
    """Load the settings, if they are valid here.

    Returns:
        The settings by grade of arithmetic, and None or the reason why there are none.

    Raises:
        ModelFileError: A settings file that kerascnn did not write.
    """
    path = settings_path(model)
    try:
        value = parse_json(path.read_bytes())
        if why := _not_for(model, value, path.name):
            return {}, why
        return {grade: _setting(value["best"][grade]) for grade in ARITHMETICS
                if grade in value["best"]}, None  # fmt: skip
    except FileNotFoundError:
        return {}, sentence("no settings are saved beside the file")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        command = command_line(["kerascnn", "bench", str(model), "--save"])
        raise ModelFileError(
            f"{path}: not the settings of a model ({kind_and_line(error)}). Remove it, "
            f"or measure again: {command}"
        ) from error


def _not_for(model: str | Path, value: dict[str, Any], file: str) -> Sentence | None:
    """Return why settings do not apply here, or None if they do."""
    if value["schema"] != SCHEMA:
        return sentence("{file} was written by another version of kerascnn", file=file)
    if value["machine"] != machine():
        changed = ", ".join(_differences(dict(value["machine"]), machine()))
        conditions = "{file} was measured under other conditions ({changed} differ)"
        return sentence(conditions, file=file, changed=changed)
    if value["model_bytes"] != Path(model).stat().st_size:
        return sentence("{file} belongs to another file of this name", file=file)
    return None


def machine() -> dict[str, str]:
    """Describe what the settings depend on: processor, number of processors, package versions."""
    known = {"processor": processor(), "processors": str(usable_cpus())}
    return known | {package: installed_version(package) or "-" for package in _PACKAGES}


def _differences(saved: dict[str, str], now: dict[str, str]) -> list[str]:
    return sorted(key for key in saved.keys() | now.keys() if saved.get(key) != now.get(key))


def _setting(value: dict[str, Any]) -> TunedSettings:
    setting = build(TunedSettings, value)
    if not 1 <= setting.threads <= _THREADS or not 1 <= setting.batch <= _BATCH:
        raise ValueError(
            f"threads {setting.threads} and batch {setting.batch}; expected 1 to {_THREADS:,} and "
            f"1 to {_BATCH:,}"
        )
    return setting
