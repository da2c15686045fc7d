"""From what the user typed to pictures with their sizes, and what has changed since.

Knows: files and URIs, and how they looked when a plan was made. Does not know models or parts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

from kerascnn import uris
from kerascnn.dataset.walk import is_picture
from kerascnn.inference.paths import expand
from kerascnn.parallel import in_order
from kerascnn.scoring.plan import Entry, Plan, location

_AT_ONCE = 16
"""URIs that are asked about at a time."""

_NAMED = 3
"""Paths that a notice names."""


@dataclass
class Changes:
    """What is not as it was when the plan was made.

    Attributes:
        added: Pictures that are there now.
        changed: Pictures of another size or time.
        gone: Pictures that are not there any more.
        examples: The first few of each.
    """

    added: int = 0
    changed: int = 0
    gone: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, path: str) -> None:
        """Count one path."""
        setattr(self, kind, getattr(self, kind) + 1)
        some = self.examples.setdefault(kind, [])
        if len(some) < _NAMED:
            some.append(path)

    def notices(self) -> list[str]:
        """Describe each kind in a line."""
        ends = {
            "added": "added: not scored. Score them into another folder",
            "changed": "changed: an answer that is there is of the old content, others are errors",
            "gone": "removed: an answer that is there stays, others are errors",
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

    Args:
        patterns: As for :func:`kerascnn.inference.paths.expand`, or URIs of files, folders and
            globs; ``-`` reads both.
        stdin: Where ``-`` reads.
    """
    for pattern in patterns:
        if uris.is_uri(pattern):
            found = uris.listed(pattern, is_picture)
            yield from (Entry(uri, size) for uri, size in found)
        else:
            yield from _described(expand([pattern], stdin))


def _described(paths: Iterable[str]) -> Iterator[Entry]:
    """Describe paths, URIs among them several at a time."""
    batch: list[str] = []
    for path in paths:
        if uris.is_uri(path):
            batch.append(path)
            continue
        if batch:
            yield from _asked(batch)
            batch = []
        yield describe(path)
    yield from _asked(batch)


def _asked(batch: list[str]) -> Iterator[Entry]:
    for uri, size in zip(batch, in_order(uris.size, batch, _AT_ONCE), strict=True):
        yield Entry(uri, size)


def describe(path: str, base: str = "") -> Entry:
    """Look at one file as it is now.

    Args:
        path: As predictions name it.
        base: The folder that a relative path starts from; the current one, if not given.
    """
    try:
        # Path would cost as much time as looking does, and does not take every name.
        about = os.stat(os.path.join(base, path) if base else path)  # noqa: PTH116, PTH118
    except (OSError, ValueError):
        return Entry(path)
    return Entry(path, about.st_size, about.st_mtime_ns)


def compare(plan: Plan, now: Iterable[Entry] | None) -> Changes:
    """Find what is not as it was.

    Args:
        plan: The plan.
        now: The pictures as they are; None: those of the plan are looked at, so that none is found
            that was added.
    """
    changes = Changes()
    if now is None:
        for old in plan.entries():
            _classify(changes, old, _look_at(old.path, plan.base))
        return changes
    here = os.getcwd()  # noqa: PTH109 - a string
    # A number stands for size and time: of a million entries that saves half of the memory.
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
    """Return the name that a path typed in one folder has in another's plan."""
    if here != base and not uris.is_uri(path):
        path = os.path.join(here, path)  # noqa: PTH118 - strings, for speed
    return location(path, base)


def compare_part(plan: Plan, number: int) -> Changes:
    """Find what of one part is not as it was."""
    changes = Changes()
    for old in plan.part_entries(number):
        _classify(changes, old, _look_at(old.path, plan.base))
    return changes


def _look_at(path: str, base: str) -> Entry:
    return Entry(path, uris.size(path)) if uris.is_uri(path) else describe(path, base)


def _classify(changes: Changes, old: Entry, now: Entry) -> None:
    if now != old:
        changes.add("gone" if now == Entry(old.path) else "changed", old.path)
