"""From what the user typed to paths of pictures.

Knows: files, folders, globs, and ``-`` for a list on standard input. Does not know whether a
path can be read: that is found when it is decoded, and reported for it alone.
"""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from kerascnn import images
from kerascnn.errors import PictureError
from kerascnn.inference.classifier import BATCH_SIZE, Classifier
from kerascnn.inference.prediction import Prediction


def expand(patterns: Iterable[str], stdin: TextIO) -> Iterator[str]:
    """Find the pictures that are meant.

    Args:
        patterns: Files; folders, searched to the bottom for pictures; globs (``**`` goes
            through folders), for shells that do not expand them; ``-`` for one path a line.
        stdin: Where ``-`` reads.

    Yields:
        Paths. What matches nothing is given as it is, to be reported as missing.
    """
    for pattern in patterns:
        if pattern == "-":
            yield from (line.rstrip("\r\n") for line in stdin if line.strip())
        elif Path(pattern).is_dir():
            yield from _or_itself(pattern, _walk(pattern))
        elif glob.has_magic(pattern) and not Path(pattern).exists():
            yield from _or_itself(pattern, iter(sorted(glob.iglob(pattern, recursive=True))))
        else:
            yield pattern


def predict_paths(
    classifier: Classifier, paths: Iterable[str], top_k: int = 5, batch_size: int = BATCH_SIZE
) -> Iterator[tuple[str, Prediction | PictureError]]:
    """Classify files, a few at a time.

    Args:
        classifier: To ask.
        paths: Of pictures; may be endless.
        top_k: How many classes to list for each.
        batch_size: Pictures a run of the network.

    Yields:
        In order, each path with its answer, or with why it cannot be read.
    """
    taken: deque[str] = deque()

    def remembered() -> Iterator[str]:
        for path in paths:
            taken.append(path)
            yield path

    for answer in classifier.stream(remembered(), top_k, batch_size):
        yield taken.popleft(), answer


def _walk(folder: str) -> Iterator[str]:
    for base, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if name.lower().endswith(images.SUFFIXES) and not name.startswith("."):
                yield str(Path(base, name))


def _or_itself(pattern: str, found: Iterator[str]) -> Iterator[str]:
    first = next(found, None)
    yield pattern if first is None else first
    yield from found
