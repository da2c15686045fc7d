"""From the paths that the user gave to pictures, and from these to predictions.

Knows: files, folders, globs, ``-`` for a list on standard input. Holds no list of
them all. Does not know whether a path can be read: that is found when it is decoded, and
reported for it alone.
"""

from __future__ import annotations

import glob
import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO, Unpack

from kerascnn.dataset.walk import Walk, unsupported_notice
from kerascnn.errors import PictureError
from kerascnn.inference.classifier import AnswerOptions, Classifier
from kerascnn.inference.prediction import Prediction

log = logging.getLogger(__name__)

_READ = 1 << 16
"""Bytes of a list that are read at once, at most."""


def expand(patterns: Iterable[str], stdin: TextIO) -> Iterator[str]:
    """Find the pictures that paths, folders and globs stand for, one at a time.

    Args:
        patterns: Files; folders, searched to the bottom for pictures (what begins with a dot
            and links to folders are passed over); globs (``**`` goes through folders), for
            shells that do not expand them; ``-`` for one path a line.
        stdin: Where ``-`` reads.

    Yields:
        Paths, in the order of the patterns; within a folder sorted by name, files before
        folders. What matches nothing is given as it is, to be reported as missing.
    """
    for pattern in patterns:
        if pattern == "-":
            yield from (line.rstrip("\r\n") for line in _lines(stdin) if line.strip())
        elif os.path.isdir(pattern):  # noqa: PTH112 - Path raises for names that are too long
            yield from _or_itself(pattern, _walk(pattern))
        elif glob.has_magic(pattern) and not os.path.exists(pattern):  # noqa: PTH110 - likewise
            yield from _or_itself(pattern, _matches(pattern))
        else:
            yield pattern


def predict_batches(
    classifier: Classifier, paths: Iterable[str], **asked: Unpack[AnswerOptions]
) -> Iterator[list[tuple[str, Prediction | PictureError]]]:
    """Classify files, and yield together what was answered together, each with its path."""
    taken: deque[str] = deque()

    def remembered() -> Iterator[str]:
        for path in paths:
            taken.append(path)
            yield path

    for batch in classifier.stream_batches(remembered(), **asked):
        yield [(taken.popleft(), answer) for answer in batch]


def _lines(stdin: TextIO) -> Iterator[str]:
    """Read lines as they come. A thread that waits in TextIO would keep the process from ending."""
    try:
        descriptor = stdin.fileno()
    except OSError:  # a stream in memory
        yield from stdin
        return
    rest = b""
    while some := os.read(descriptor, _READ):
        *lines, rest = (rest + some).split(b"\n")
        yield from map(os.fsdecode, lines)
    yield os.fsdecode(rest)


def _walk(folder: str) -> Iterator[str]:
    walk = Walk()
    yield from walk.picture_paths(Path(folder))
    # A folder that could not be listed is given as it is: decoding it will say why.
    yield from map(str, walk.denied)
    if line := unsupported_notice(Path(folder), walk):
        log.warning(line)


def _matches(pattern: str) -> Iterator[str]:
    for path in sorted(glob.iglob(pattern, recursive=True)):
        if not os.path.isdir(path):  # noqa: PTH112 - likewise
            yield path
        elif "**" not in pattern:  # which gives what is inside the folder by itself
            yield from _or_itself(path, _walk(path))


def _or_itself(pattern: str, found: Iterator[str]) -> Iterator[str]:
    first = next(found, None)
    yield pattern if first is None else first
    yield from found
