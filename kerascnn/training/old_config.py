"""Configurations of runs that earlier versions began.

Knows: options that are gone, and what stands in their place. Does not know what any option does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

GONE: Mapping[str, Any] = {"schedule": "cosine", "stem": "standard", "feed": "auto",
                           "cache_limit": 20.0}  # fmt: skip
"""Options of earlier versions that are gone, with their defaults, which still hold."""

IN_PLACE: Mapping[str, str] = {"trivial": "light"}
"""Values of ``augment`` that are gone."""

SMALL = {"resnet18": "resnet18_small"}
"""Networks that had ``stem`` ``small``, and have a row of their own for it."""

WITHOUT_EFFECT = ("feed", "cache_limit")
"""On what a run learns."""


def upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write a configuration with the options of this version.

    Args:
        values: As ``config.json`` of this or an earlier version has them.

    Raises:
        TypeError: No options by name.
    """
    if not isinstance(values, Mapping):
        raise TypeError("no options by name")
    new = {name: value for name, value in dict(values).items() if name not in GONE}
    if values.get("stem") == "small":
        new["model"] = SMALL.get(new["model"], new["model"])
    if new.get("augment") in IN_PLACE:
        new["augment"] = IN_PLACE[new["augment"]]
    return new


def removed_options(text: str) -> dict[str, Any]:
    """List what a configuration says that this version cannot do.

    Returns:
        Values by option: those that had an effect on what was learned, as they were.
    """
    values = json.loads(text)
    gone = {
        name: values[name]
        for name, default in GONE.items()
        if name not in WITHOUT_EFFECT and values.get(name, default) != default
    }
    if values.get("augment") in IN_PLACE:
        gone["augment"] = values["augment"]
    if "stem" in gone:
        gone["model"] = values["model"]
    return gone
