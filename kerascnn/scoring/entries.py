"""Finds pictures with their sizes, and detects what has changed since the plan was created.

Knows: files and URIs, and their state when the plan was created. Does not know models or parts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TextIO

from kerascnn import uris
from kerascnn.dataset.walk import is_picture
from kerascnn.inference.paths import expand
from kerascnn.parallel import in_order
from kerascnn.scoring.plan import Entry, Plan, location

_AT_ONCE = 16
"""Number of URIs whose sizes are requested concurrently."""

_NAMED = 3
"""Maximum paths in a notice."""


@dataclass
class Changes:
    """Differences from the state when the plan was created: counts, and a few paths of each."""

    added: int = 0
    changed: int = 0
    gone: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, path: str) -> None:
        """Count a path."""
        setattr(self, kind, getattr(self, kind) + 1)
        some = self.examples.setdefault(kind, [])
        if len(some) < _NAMED:
            some.append(path)

    def notices(self) -> list[str]:
        """Return a line for each kind."""
        ends = {
            "added": "added: not scored. Score them into another folder",
            "changed": "changed: a prediction made before is of the old content, others are errors",
            "gone": "removed: a prediction made before is kept, others are errors",
        }
        return [
            f"since the plan was made {getattr(self, kind):,} {ends[kind]} ({_few(self, kind)})"
            for kind in ends
            if getattr(self, kind)
        ]


def _few(changes: Changes, kind: str) -> str:
    some = changes.examples[kind]
    return ", ".join(some) + (", ..." if getattr(changes, kind) > len(some) else "")


def find_entries(patterns: Iterable[str], stdin: TextIO) -> Iterator[Entry]:
    """Find pictures with their sizes, one at a time.

    ``patterns``: as for :func:`~kerascnn.inference.paths.expand`, or URIs of files, folders, globs.
    """
    for pattern in patterns:
        if uris.is_uri(pattern):
            found = uris.listed(pattern, is_picture)
            yield from (Entry(uri, size) for uri, size in found)
        else:
            yield from _described(expand([pattern], stdin))


def _described(paths: Iterable[str]) -> Iterator[Entry]:
    """Describe paths; runs of URIs are requested concurrently."""
    for are_uris, some in groupby(paths, uris.is_uri):
        if are_uris:
            batch = list(some)
            yield from map(Entry, batch, in_order(uris.size, batch, _AT_ONCE))
        else:
            yield from map(describe, some)


def describe(path: str, base: str = "") -> Entry:
    """Return the current state of a file, whose path may be relative to the folder ``base``."""
    try:
        # pathlib would double the time, and does not accept every name.
        about = os.stat(os.path.join(base, path) if base else path)  # noqa: PTH116, PTH118
    except (OSError, ValueError):
        return Entry(path)
    return Entry(path, about.st_size, about.st_mtime_ns)


def compare(plan: Plan, now: Iterable[Entry] | None) -> Changes:
    """Find differences from the plan; ``now`` None: check its pictures, without added ones."""
    if now is None:
        return _looked_at(plan, plan.entries())
    changes = Changes()
    here = os.getcwd()  # noqa: PTH109 - a string
    # A hash of size and time halves the memory for a million entries.
    seen = {_place(one.path, here, plan.base): hash(one[1:]) for one in now}
    nothing = hash(Entry("")[1:])
    for old in plan.entries():
        found = seen.pop(location(old.path, plan.base), nothing)
        if found != hash(old[1:]):
            changes.add("gone" if found == nothing else "changed", old.path)
    for path in seen:
        changes.add("added", path)
    return changes


def _place(path: str, here: str, base: str) -> str:
    """Return the location in a plan of a path that is relative to another folder."""
    if here != base and not uris.is_uri(path):
        path = os.path.join(here, path)  # noqa: PTH118 - strings, for speed
    return location(path, base)


def compare_part(plan: Plan, number: int) -> Changes:
    """Find differences from the plan in one part."""
    return _looked_at(plan, plan.part_entries(number))


def _looked_at(plan: Plan, entries: Iterable[Entry]) -> Changes:
    changes = Changes()
    for old in entries:
        path = old.path
        now = Entry(path, uris.size(path)) if uris.is_uri(path) else describe(path, plan.base)
        if now != old:
            changes.add("gone" if now == Entry(path) else "changed", path)
    return changes
