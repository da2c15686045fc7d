"""Expands the user's paths to picture files, and classifies these.

Knows: files, folders, globs, ``-`` for a list on standard input. Never holds the whole list in
memory. Does not know whether a path can be read: decoding finds out, and reports each separately.
"""

from __future__ import annotations

import glob
import locale
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

_READ_BYTES = 1 << 16
"""Size of one read from a list on standard input, in bytes: the capacity of a Linux pipe."""


def expand(patterns: Iterable[str], stdin: TextIO) -> Iterator[str]:
    """Expand paths, folders and globs to picture paths, one at a time.

    Args:
        patterns: Files; folders, searched recursively for pictures (hidden entries and links to
            folders are skipped); globs (``**`` matches any depth), for shells that do not expand
            them; ``-`` for one path per line.
        stdin: Stream that ``-`` reads.

    Yields:
        Paths, in the order of the patterns; within a folder sorted by name, files before
        folders. A pattern without a match is yielded unchanged, to be reported as missing.
    """
    for pattern in patterns:
        if pattern == "-":
            yield from (line.rstrip("\r\n") for line in _lines(stdin) if line.strip())
        elif os.path.isdir(pattern):  # noqa: PTH112 - Path raises for names that are too long
            yield from _or_pattern(pattern, _walk(pattern))
        elif glob.has_magic(pattern) and not os.path.exists(pattern):  # noqa: PTH110 - likewise
            yield from _or_pattern(pattern, _matches(pattern))
        else:
            yield pattern


def predict_batches(
    classifier: Classifier, paths: Iterable[str], **asked: Unpack[AnswerOptions]
) -> Iterator[list[tuple[str, Prediction | PictureError]]]:
    """Classify files, and yield each batch of predictions with their paths."""
    taken: deque[str] = deque()

    def remembered() -> Iterator[str]:
        for path in paths:
            taken.append(path)
            yield path

    for batch in classifier.stream_batches(remembered(), **asked):
        yield [(taken.popleft(), answer) for answer in batch]


def _lines(stdin: TextIO) -> Iterator[str]:
    """Read lines as they arrive. A thread blocked in TextIO would keep the process from exiting."""
    try:
        descriptor = stdin.fileno()
    except OSError:  # a stream in memory
        yield from stdin
        return
    rest = b""
    while some := os.read(descriptor, _READ_BYTES):
        *lines, rest = (rest + some).split(b"\n")
        yield from map(_decoded, lines)
    yield _decoded(rest)


def _decoded(line: bytes) -> str:
    try:
        return os.fsdecode(line)
    except UnicodeDecodeError:  # Windows, where names are UTF-8 and cmd writes its code page
        return line.decode(locale.getencoding(), "replace")


def _walk(folder: str) -> Iterator[str]:
    walk = Walk()
    yield from walk.picture_paths(Path(folder))
    # A folder that could not be listed is yielded unchanged: decoding it will report why.
    yield from map(str, walk.denied)
    if line := unsupported_notice(Path(folder), walk):
        log.warning(line)


def _matches(pattern: str) -> Iterator[str]:
    for path in sorted(glob.iglob(pattern, recursive=True)):
        if not os.path.isdir(path):  # noqa: PTH112 - likewise
            yield path
        elif "**" not in pattern:  # `**` itself matches the folder's contents
            yield from _or_pattern(path, _walk(path))


def _or_pattern(pattern: str, found: Iterator[str]) -> Iterator[str]:
    first = next(found, None)
    yield pattern if first is None else first
    yield from found
