"""Scores one part, in this process.

Knows: the model, the part's pictures, and that a picture may have changed since the plan was
created. Does not know the plan, other parts, or where predictions are written: it returns the
content of the part's file. A process keeps the last used model open.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from kerascnn import uris
from kerascnn.errors import (
    ConfigError,
    KerascnnError,
    MissingExtraError,
    ModelFileError,
    PictureError,
    ProviderError,
    kind_and_line,
)
from kerascnn.files import sha256_of
from kerascnn.inference import Classifier, ForeignModel
from kerascnn.inference.prediction import to_row
from kerascnn.inference.reading import Picture
from kerascnn.inference.runtime.providers import Arithmetic
from kerascnn.inference.runtime.selection import RequestedProvider
from kerascnn.scoring.entries import describe
from kerascnn.scoring.formats import Row, encode
from kerascnn.scoring.plan import Entry, ScoringOptions

_FETCHED = 16
"""Number of URIs to read concurrently and ahead of decoding, because a server takes tens of
milliseconds to respond."""


@dataclass(frozen=True)
class WorkerOptions:
    """Options for scoring every part of a plan."""

    model: str
    question: ScoringOptions
    base: str
    foreign: ForeignModel | None = None
    provider: RequestedProvider = "auto"
    threads: int | None = 1
    batch_size: int = 32


@dataclass(frozen=True)
class Job:
    """A part, and everything that a process needs to score it."""

    number: int
    entries: list[Entry]
    setting: WorkerOptions


@dataclass(frozen=True)
class Failure:
    """Why a part failed; ``everywhere``: every other part would fail in the same way."""

    message: str
    everywhere: bool = False


_EVERYWHERE = (ConfigError, MissingExtraError, ModelFileError, ProviderError)
"""Errors of opening a model that would occur for every part."""

_opened: dict[WorkerOptions, Classifier] = {}
"""The last used model."""


def attempt(job: Job) -> bytes | Failure:
    """Score a part; return failures instead of raising, as they may cross a process boundary."""
    try:
        classifier = _classifier(job.setting)
    except KerascnnError as error:
        return Failure(str(error), isinstance(error, _EVERYWHERE))
    try:
        return score_part(classifier, job)
    except KerascnnError as error:
        return Failure(str(error))
    except Exception as error:  # noqa: BLE001 - reported with the part's number; other parts continue
        return Failure(kind_and_line(error))


def score_part(classifier: Classifier, job: Job) -> bytes:
    """Score a part's pictures and return the content of its file."""
    question = job.setting.question
    rows = list(_rows(classifier, job.entries, job.setting))
    return encode(rows, question.format)


def _rows(classifier: Classifier, entries: list[Entry], setting: WorkerOptions) -> Iterator[Row]:
    failed: dict[int, str] = {}

    def pictures() -> Iterator[Picture]:
        for index, source in enumerate(_sources(entries, setting.base)):
            if isinstance(source, PictureError):
                failed[index] = str(source)
            yield b"" if isinstance(source, PictureError) else source

    asked = setting.question
    answers = classifier.stream(pictures(), asked.top_k, setting.batch_size, asked.min_probability)
    for index, (entry, answer) in enumerate(zip(entries, answers, strict=True)):
        if index in failed:
            yield to_row(entry.path, PictureError(failed[index]))
        elif isinstance(answer, PictureError):
            yield to_row(entry.path, PictureError(_renamed(str(answer), entry, setting.base)))
        else:
            yield to_row(entry.path, answer)


def _renamed(message: str, entry: Entry, base: str) -> str:
    """Replace the name of a picture in a message by its path in the plan."""
    name = "picture" if uris.is_uri(entry.path) else _located(entry.path, base)
    return entry.path + message[len(name) :] if message.startswith(name) else message


def _sources(entries: list[Entry], base: str) -> Iterator[Picture | PictureError]:
    if not any(uris.is_uri(entry.path) for entry in entries):
        yield from (_source(entry, base) for entry in entries)
        return
    waiting: deque[Future[Picture | PictureError]] = deque()
    with ThreadPoolExecutor(_FETCHED, thread_name_prefix="fetching") as pool:
        for entry in entries:
            waiting.append(pool.submit(_source, entry, base))
            if len(waiting) > _FETCHED:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _source(entry: Entry, base: str) -> Picture | PictureError:
    """Return the picture to decode, or an error if it has changed since the plan was created."""
    if uris.is_uri(entry.path):
        try:
            data = uris.read(entry.path)
        except KerascnnError as error:
            return PictureError(str(error))
        return data if entry.size in (None, len(data)) else _changed(entry)
    now = describe(entry.path, base)
    return _located(entry.path, base) if now == entry else _changed(entry, now.size is None)


def _changed(entry: Entry, gone: bool = False) -> PictureError:
    what = "removed" if gone else "added" if entry.size is None else "changed"
    return PictureError(
        f"{entry.path}: {what} since the plan was made, so it is not scored. Score it into "
        "another folder."
    )


def _located(path: str, base: str) -> str:
    # Unchanged if it is relative to the working directory, so that messages equal those of predict.
    return path if base == os.getcwd() else os.path.join(base, path)  # noqa: PTH109, PTH118


def _classifier(setting: WorkerOptions) -> Classifier:
    key = replace(setting, base="")
    if key not in _opened:
        _opened.clear()
        _opened[key] = _open(setting)
    return _opened[key]


def _open(setting: WorkerOptions) -> Classifier:
    arithmetic: Arithmetic = "fast" if setting.question.arithmetic == "fast" else "exact"
    with uris.local_file(setting.model) as path:
        if sha256_of(path) != setting.question.model:
            raise ModelFileError(
                f"{setting.model}: not the model that the plan was made with (SHA-256 differs). "
                "Put that file back, or score into another folder."
            )
        return Classifier(path, setting.provider, setting.threads, setting.foreign, arithmetic)
