"""Configurations of runs of earlier versions.

Knows: removed options, and their replacements. Does not know: what any option does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

GONE: Mapping[str, Any] = {"schedule": "cosine", "stem": "standard", "feed": "auto",
                           "cache_limit": 20.0}  # fmt: skip
"""Removed options of earlier versions, with their defaults, which still hold."""

IN_PLACE: Mapping[str, str] = {"trivial": "light"}
"""Removed values of ``augment``, and their replacements."""

SMALL = {"resnet18": "resnet18_small"}
"""Replacements of networks with ``stem`` ``small``, which have rows of their own now."""

WITHOUT_EFFECT = ("feed", "cache_limit")
"""Removed options that did not affect the trained weights."""


def upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a configuration to the options of this version.

    Raises:
        TypeError: They are no options by name.
    """
    if not isinstance(values, Mapping):
        raise TypeError("no options by name")
    new = {name: value for name, value in dict(values).items() if name not in GONE}
    if values.get("stem") == "small":
        new["model"] = SMALL.get(new["model"], new["model"])
    if new.get("augment") in IN_PLACE:
        new["augment"] = IN_PLACE[new["augment"]]
    return {"refit": "no", "extend": "no"} | new


def removed_options(text: str) -> dict[str, Any]:
    """Return the options that this version no longer has, if they affected the trained weights."""
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
