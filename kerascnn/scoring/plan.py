"""The plan: pictures, parts and model. It is created once and never changed.

Knows: the two files of a plan, and how pictures are divided into parts. Does not know how pictures
are found (:mod:`kerascnn.scoring.entries`) or scored.

The list of pictures is written first, and the plan, which contains the list's hash, last; so a
folder with a plan is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from kerascnn import __version__, uris
from kerascnn.errors import ConfigError, DataError, ModelFileError
from kerascnn.files import atomic_write, read_text, reading, write_text
from kerascnn.scoring.formats import FORMATS
from kerascnn.typed_json import build

PART_SIZE = 1000
"""Default pictures per part: some seconds of work, which is what a killed worker loses."""

MOST_PARTS = 99_999
"""Largest number of parts that can be requested: file names have five digits."""

_PLAN, _PICTURES = "_plan.json", "_pictures.jsonl"

_CHUNK = 1 << 20
"""Bytes of the list to hash at a time, so that memory does not grow with it."""


class Entry(NamedTuple):
    """State of a picture when the plan was created.

    Attributes:
        path: Path as in predictions.
        size: Size in bytes; None if it did not exist or the size is unknown.
        changed: Modification time in nanoseconds; None for URIs.
    """

    path: str
    size: int | None = None
    changed: int | None = None


@dataclass(frozen=True)
class ScoringOptions:
    """Options that determine the predictions."""

    model: str  # SHA-256 of the model's file
    card: str  # SHA-256 of the model's card, from its file or from options
    top_k: int
    min_probability: float
    arithmetic: str
    format: str


@dataclass(frozen=True)
class Plan:
    """The header of a plan; the pictures stay on disk. ``base``: folder of relative paths."""

    question: ScoringOptions
    pictures: int
    parts: int
    base: str
    list_sha256: str
    version: str
    folder: Path = Path()

    def part_file(self, number: int) -> Path:
        """Return the path of a part's file."""
        return self.folder / f"part-{number:05}.{self.question.format}"

    def part_range(self, number: int) -> range:
        """Return the positions of a part's pictures; lengths of parts differ by at most one.

        Examples:
            >>> plan = Plan(ScoringOptions("", "", 5, 0, "exact", "jsonl"), 10, 3, "", "", "")
            >>> [list(plan.part_range(number)) for number in range(3)]
            [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]
        """
        ends = (self.pictures * number // self.parts, self.pictures * (number + 1) // self.parts)
        return range(*ends)

    def missing(self) -> list[int]:
        """Return the numbers of the missing parts."""
        there = {path.name for path in self.folder.glob(f"part-*.{self.question.format}")}
        return [one for one in range(self.parts) if self.part_file(one).name not in there]

    def entries(self) -> Iterator[Entry]:
        """Read the list of pictures, one at a time."""
        with (self.folder / _PICTURES).open("rb") as lines:
            for line in lines:
                yield self._entry(line)

    def part_entries(self, number: int) -> list[Entry]:
        """Read a part's pictures."""
        wanted = self.part_range(number)
        with (self.folder / _PICTURES).open("rb") as lines:
            found = islice(lines, wanted.start, wanted.stop)
            return [self._entry(line) for line in found]

    def _entry(self, line: bytes) -> Entry:
        """Parse a line of the list, which may be invalid even if its hash is that of the plan."""
        try:
            entry = Entry(*json.loads(line))
        except (ValueError, TypeError) as error:
            raise _not_the_list(self) from error
        if not isinstance(entry.path, str):
            raise _not_the_list(self)
        return entry


def write_plan(
    folder: Path, question: ScoringOptions, entries: Iterable[Entry], parts: int | None, base: str
) -> Plan:
    """Write a plan atomically.

    Args:
        folder: Folder of the plan and the parts.
        question: Options that determine the predictions.
        entries: The pictures; duplicates of a file, however spelled, are left out.
        parts: Number of parts; None: parts of :data:`PART_SIZE` pictures.
        base: Base folder of relative paths.

    Raises:
        DataError: There are no pictures.
        KerascnnError: The folder cannot be written.
    """
    digest, count = hashlib.sha256(), 0
    seen: set[str] = set()
    with atomic_write(folder / _PICTURES) as temporary, temporary.open("wb") as file:
        for entry in entries:
            place = location(entry.path, base)
            if place in seen:
                continue
            seen.add(place)
            line = _line(entry)
            digest.update(line)
            file.write(line)
            count += 1
        if not count:
            raise DataError("no pictures to score: the list is empty. Expected one path per line.")
    sha256, most = digest.hexdigest(), parts or _usual(count)
    plan = Plan(question, count, most, base, sha256, __version__, folder)
    head = asdict(plan)
    del head["folder"]
    write_text(folder / _PLAN, json.dumps(head, indent=2) + "\n")
    return plan


def _line(entry: Entry) -> bytes:
    """Serialize an entry as JSON, in a third of the time of encoding a list."""
    size, changed = ("null" if one is None else one for one in entry[1:])
    return f"[{json.dumps(entry.path)}, {size}, {changed}]\n".encode("ascii")


def _usual(pictures: int) -> int:
    return max(1, -(-pictures // PART_SIZE))


def location(path: str, base: str) -> str:
    """Return a canonical path of a file, which is absolute or relative to ``base``; or a URI.

    Returns:
        The path relative to ``base`` if it is inside, else an absolute one. Links are not followed.

    Examples:
        >>> location("./p//a.png", "/data"), location("/data/p/a.png", "/data")
        ('p/a.png', 'p/a.png')
    """
    # Only for the few paths that need it, as normalizing each of a million would be slow.
    if "./" in path or "//" in path or os.sep != "/":
        if uris.is_uri(path):
            return path
        whole = os.path.join(base, path)  # noqa: PTH118 - strings, for speed
        head, up, rest = whole.rpartition("/../")
        # The parent of a link is the parent of its target.
        path = os.path.normpath(f"{_parent(head)}/{rest}" if up else whole)
    return path.removeprefix(f"{base}{os.sep}")


@lru_cache(1000)
def _parent(folder: str) -> str:
    return os.path.realpath(f"{folder}/..")


def read_plan(folder: Path) -> Plan | None:
    """Read the plan in a folder; None if there is none yet.

    Raises:
        ModelFileError: It cannot be read, or its list of pictures was changed.
    """
    path = folder / _PLAN
    if not path.exists():
        return None
    try:
        plan = replace(build(Plan, json.loads(read_text(path))), folder=folder)
        _check_head(plan)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{path}: not a plan of `kerascnn score` ({error}). Score into another folder."
        ) from error
    _check_list(plan)
    return plan


def _check_head(plan: Plan) -> None:
    most = max(MOST_PARTS, _usual(plan.pictures))
    if not (plan.pictures > 0 and 0 < plan.parts <= most and plan.question.format in FORMATS):
        raise ValueError(
            f"{plan.pictures} pictures in {plan.parts} parts of the format {plan.question.format}"
        )


def _check_list(plan: Plan) -> None:
    path = plan.folder / _PICTURES
    digest, lines = hashlib.sha256(), 0
    with reading(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            lines += chunk.count(b"\n")
    if (digest.hexdigest(), lines) != (plan.list_sha256, plan.pictures):
        raise _not_the_list(plan)


def _not_the_list(plan: Plan) -> ModelFileError:
    return ModelFileError(
        f"{plan.folder / _PICTURES}: not the list that the plan was made with. Score into another "
        "folder."
    )


def check_same_question(plan: Plan, asked: ScoringOptions, parts: int | None) -> None:
    """Check that a plan was created with the current options.

    Raises:
        ConfigError: Model, version, format or an option differs.
    """
    now = {"version": __version__, "parts": parts or plan.parts, **asdict(asked)}
    then = {"version": plan.version, "parts": plan.parts, **asdict(plan.question)}
    names = {"version": "kerascnn", "card": "labels or preprocessing", "model": "model (SHA-256)"}
    for field in ("version", *(one.name for one in fields(ScoringOptions)), "parts"):
        if now[field] != then[field]:
            raise ConfigError(
                f"{plan.folder}: planned with {names.get(field, field)} {then[field]}, which is "
                f"now {now[field]}. Score into another folder, so that predictions do not mix."
            )
