"""The checks before a run resumes: same options, same data, same backend.

Knows: what has to agree, and how a difference is worded. Does not know: how to train.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kerascnn.dataset import BUILTIN
from kerascnn.dataset.validation import default_share
from kerascnn.errors import ConfigError, DataError
from kerascnn.files import did_you_mean
from kerascnn.training import old_config
from kerascnn.training.clock import seconds_of
from kerascnn.training.config import AUTO, AUTOMATIC, TrainConfig, weight_decay
from kerascnn.training.data.pack import Pack
from kerascnn.training.networks import find_network
from kerascnn.training.phases import FIT_HEAD, highest_rate
from kerascnn.training.run.folder import Run
from kerascnn.training.weights_location import pinned

log = logging.getLogger(__name__)

PLACES = ("out", "cache", "device", "devices", "track", "strict")
"""Options of places and devices, which do not change the result and may differ (devices change the
order of sums; another device is chosen by ``auto`` on another machine, too)."""


def resumed_config(given: Mapping[str, Any]) -> TrainConfig:
    """Complete the options (``given`` by name, with ``out``) of a run that is to be resumed.

    Returns:
        The run's own configuration, or one of ``given`` if there is no run yet.

    Raises:
        ConfigError: ``out`` is missing, there is neither a run nor ``data`` to begin one with, or
            options differ from the run's.
        ModelFileError: The run's configuration cannot be read.
    """
    if not given.get("out"):
        raise ConfigError("`resume` needs to know which run: name its folder with `out`.")
    run = Run(Path(given["out"]))
    if not run.config_path.exists():
        if "data" not in given:
            raise ConfigError(
                f"{run.folder}: no run to resume (there is no {run.config_path.name}). Check "
                f"`out`, or name DATA to begin one.{did_you_mean(run.folder)}"
            )
        return TrainConfig(**given)
    stored = run.config
    if "weights" in given:
        given = {**given, "weights": pinned(given["weights"])}
    asked = replace(stored, **_without_auto(stored, given))
    check_options_unchanged(run, asked)
    return asked


def with_stored_values(run: Run, asked: TrainConfig) -> TrainConfig:
    """Replace ``auto`` by the values that were chosen when the run began.

    Returns:
        The same, with the run's own numbers, scope and phases, and without weights if they were
        advised against; unchanged if nothing is left to ``auto``.

    Raises:
        ModelFileError: The run's configuration cannot be read.
    """
    stored = run.config
    removed = removed_options(run)
    if removed and not run.is_finished:
        log.warning(
            "%s was started by an earlier version with %s, which no longer exists; the run "
            "continues without it.",
            run.folder,
            ", ".join(f"{name} {value}" for name, value in removed.items()),
        )
    return replace(stored, **_without_auto(stored, asdict(asked)))


def removed_options(run: Run) -> dict[str, Any]:
    """Return the options of a run that this version no longer has, with their values."""
    if not run.config_path.exists():
        return {}
    return old_config.removed_options(run.config_path.read_text(encoding="utf-8"))


def _without_auto(stored: TrainConfig, given: Mapping[str, Any]) -> dict[str, Any]:
    """Drop options that ``auto`` has resolved; the run's configuration has them."""
    settled = tuple(name for name in AUTOMATIC if given.get(name, AUTO) in (AUTO, None))
    if given.get("model") == AUTO:
        # ``auto`` chose these together with the network.
        plain: dict[str, Any] = {"trainable": "all", "phase": (), "image_size": None}
        plain |= {"random_crop": 0.0, "uncropped": 0.0, "mixup": 0.0}
        settled += tuple(name for name, value in plain.items() if given.get(name, value) == value)
    if stored.phase == (FIT_HEAD,) and not given.get("phase"):
        settled += ("phase",)
    if given.get("time"):
        settled += ("epochs", "phase", "extend")
    if given.get("trainable") == "auto":
        # No weights: advised against, or never named, and then ``auto`` changes nothing.
        settled += ("trainable", "phase", *(("weights",) if stored.weights == "none" else ()))
    return {name: value for name, value in given.items() if name not in settled}


def check_options_unchanged(run: Run, asked: TrainConfig) -> None:
    """Refuse to resume with options other than the run's own.

    Raises:
        ConfigError: Options differ; the message names each.
    """
    stored = run.config
    before, now = _in_effect(run, stored), _in_effect(run, asked)
    changed = [
        f"`{name}` was {_as_text(getattr(stored, name))} and is now "
        f"{_as_text(getattr(asked, name))}"
        for name in before
        if before[name] != now[name] and not _is_same_place(run, name, stored, asked)
    ]
    if changed:
        raise ConfigError(
            f"{run.folder} was started with other options: {'; '.join(changed)}. Leave them out "
            "to continue with those of the run, or start a new run with another `out`."
        )


def _in_effect(run: Run, config: TrainConfig) -> dict[str, Any]:
    """Return the options that must not change, with what those left open are in this run."""
    card = run.card if run.card_path.is_file() else None
    values = {name: value for name, value in asdict(config).items() if name not in PLACES}
    values["image_size"] = config.image_size or (
        card.image_size if card else find_network(config.model).image_size
    )
    values["resize"] = config.resize or (card and card.resize)
    values["time"] = config.time and seconds_of(config.time)
    values["weight_decay"] = weight_decay(config)
    values["learning_rate"] = highest_rate(config)
    if config.val is None and card:
        values["val"] = default_share(sum(card.data.get(n, 0) for n in ("train", "val", "skipped")))
    return values


def _is_same_place(run: Run, name: str, stored: TrainConfig, asked: TrainConfig) -> bool:
    """Return whether two paths are the same place, or data was moved, which is verified later."""
    before, now = getattr(run.located(stored), name), getattr(asked, name)
    if name not in ("data", "val", "weights") or not isinstance(before, str) or now in (None, AUTO):
        return False
    if _is_gone(before):
        return name != "weights"
    both = os.path.exists(before) and os.path.exists(now)  # noqa: PTH110 - no raise
    return both and os.path.samefile(before, now)  # noqa: PTH121


def _is_gone(place: str) -> bool:
    """Return whether data or weights came from a path where nothing is now."""
    return place not in BUILTIN and not os.path.exists(place)  # noqa: PTH110 - no raise


def record_moved_data(run: Run, config: TrainConfig) -> None:
    """Record where the data of a run is now, once it is known to be the same."""
    stored = run.config
    before = run.located(stored)

    def now(old: object, new: object) -> Any:
        moved = isinstance(old, str) and _is_gone(old)
        return str(Path(str(new)).absolute()) if moved else None

    data, val = now(before.data, config.data), now(before.val, config.val)
    if data or val:
        run.save_config(replace(stored, data=data or stored.data, val=val or stored.val))


def _as_text(value: object) -> str:
    return " ".join(value) or "none" if isinstance(value, tuple) else str(value)


def data_identity(
    classes: tuple[str, ...], packs: Mapping[str, Pack], fingerprint: str
) -> dict[str, Any]:
    """Describe the data of a run in enough detail to name later changes."""
    return {
        "fingerprint": fingerprint,
        "classes": list(classes),
        "splits": {
            name: {
                "pictures": len(pack),
                "names": _hash("\0".join(pack.names).encode("utf-8", "surrogateescape")),
                "labels": _hash(pack.labels.tobytes()),
            }
            for name, pack in packs.items()
        },
    }


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_data_unchanged(run: Run, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to resume with other data.

    Raises:
        DataError: The data differs; the message names how.
    """
    if before["fingerprint"] == now["fingerprint"]:
        return
    changed = "; ".join(_differences(before, now)) or "the pixels of some pictures"
    raise DataError(
        f"{run.folder}: the data has changed since this run began: {changed}. "
        "Restore it, or start a new run with another `out`."
    )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    if before["classes"] != now["classes"]:
        return [
            f"the classes were {', '.join(before['classes'])} and are {', '.join(now['classes'])}"
        ]
    if before["splits"].keys() != now["splits"].keys():
        return [f"the splits were {', '.join(before['splits'])} and are {', '.join(now['splits'])}"]
    found = []
    for name, old in before["splits"].items():
        new = now["splits"][name]
        if old["pictures"] != new["pictures"]:
            found.append(f"{name} had {old['pictures']:,} pictures and has {new['pictures']:,}")
        elif old["names"] != new["names"]:
            found.append(f"other pictures in {name}, or other names of them")
        elif old["labels"] != new["labels"]:
            found.append(f"other labels in {name}")
    return found


def check_backend_unchanged(run: Run, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse another backend, and warn of other library versions.

    Raises:
        ConfigError: The backend is another one.
    """
    if before.get("backend") != now.get("backend"):
        raise ConfigError(
            f"{run.folder} was started on the backend {before.get('backend')}, and this is "
            f"{now.get('backend')}. Set KERAS_BACKEND={before.get('backend')}."
        )
    others = [
        f"{name} {before.get(name, 'absent')}, now {now.get(name, 'absent')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    if others:
        log.warning(
            "%s was started with other versions (%s): results may differ in the last digits "
            "from those of an uninterrupted run.",
            run.folder,
            "; ".join(others),
        )
