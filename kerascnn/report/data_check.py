"""The page of `kerascnn data check`: the findings with their pictures.

Knows: which findings are shown, and thumbnails. Does not know how problems are found
(:mod:`kerascnn.dataset.check.checking`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kerascnn import files
from kerascnn.dataset.check.checking import DataCheck, PictureLocation, RepeatedPicture
from kerascnn.dataset.split import Dataset
from kerascnn.errors import PictureError
from kerascnn.images import UInt8Array
from kerascnn.language import tr
from kerascnn.report.content import with_shares
from kerascnn.report.data_url import data_url
from kerascnn.report.document import render

THUMBNAIL = 128
"""Longer side of thumbnails, in pixels; smaller pictures are not enlarged."""

_GROUPS, _MEMBERS, _ODD, _LINES = 40, 6, 60, 100
"""Maximum groups of a kind, pictures of a group, unusual pictures, and rows of a table."""

_LEAKS = (
    "The same picture in two splits",
    "A model would be evaluated on pictures that it was trained on, and its metrics would be too "
    "good. Keep a picture and its near-duplicates in one split.",
)
_CONFLICTS = (
    "The same picture in two classes",
    "One of the labels is wrong, or the classes overlap.",
)
_OTHERS = (
    "Duplicates within a class",
    "They count twice, and may end up in two splits when validation pictures are held out. Keep "
    "one of each.",
)


@dataclass(frozen=True)
class Figure:
    """A picture with its caption.

    Attributes:
        address: ``data:`` URL of the thumbnail; empty if the picture can no longer be read.
        small: Whether the page enlarges it, and must keep its pixels sharp.
    """

    address: str
    small: bool
    place: PictureLocation
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Duplicates or near-duplicates."""

    alike: str
    figures: tuple[Figure, ...]
    more: int


@dataclass(frozen=True)
class Section:
    """Findings of one kind."""

    title: str
    text: str
    groups: tuple[Group, ...]
    more: int


def write_check_page(path: str | Path, check: DataCheck, dataset: Dataset) -> None:
    """Write the page.

    Raises:
        KerascnnError: The page cannot be written.
    """
    # File names may contain bytes that are not UTF-8, which become question marks.
    files.write_bytes(path, render_check_page(check, dataset).encode("utf-8", "replace"))


def render_check_page(check: DataCheck, dataset: Dataset) -> str:
    """Render the page."""
    problems = sum(check.problems.values())
    values = {
        "check": check,
        "name": dataset.title,
        "problems": problems,
        "remarks": list(_remarks(check)),
        "sections": list(_sections(check, dataset)),
        "odd": [
            _figure(one.place, dataset, f"{tr(one.what)}: {tr(one.detail)}")
            for one in check.odd[:_ODD]
        ],
        "lines": _LINES,
        "balance": with_shares(check.classes, check.counts),
    }
    return render("check.html.j2", values)


def _remarks(check: DataCheck) -> Iterator[str]:
    words = {
        "faults": "Problems with the data set that make training stop with an error",
        "broken": "Pictures that cannot be read",
        "leaks": "Pictures in more than one split (duplicates or near-duplicates)",
        "conflicts": "Pictures in more than one class (duplicates or near-duplicates)",
        "small_classes": "Classes with too few pictures in a split",
    }
    for kind, count in check.problems.items():
        yield f"{tr(words[kind])}: {count:,}."
    if not check.problems:
        yield tr("Every picture can be read, and no training picture is in another split.")
    sizes = [count for count in check.counts["train"] if count]
    if sizes and max(sizes) > 10 * min(sizes):
        yield tr(
            "The largest class has {most} training pictures, the smallest {least}: "
            "look at the metrics of each class, not at accuracy alone.",
            most=f"{max(sizes):,}",
            least=f"{min(sizes):,}",
        )


def _sections(check: DataCheck, dataset: Dataset) -> Iterator[Section]:
    repeats = check.repeats
    kinds = (
        (_LEAKS, [one for one in repeats if one.is_leak]),
        (_CONFLICTS, [one for one in repeats if one.is_conflict]),
        (_OTHERS, [one for one in repeats if not one.is_leak and not one.is_conflict]),
    )
    for (title, text), found in kinds:
        if found:
            groups = tuple(_group(repeat, dataset) for repeat in found[:_GROUPS])
            yield Section(title, text, groups, max(0, len(found) - _GROUPS))


def _group(repeat: RepeatedPicture, dataset: Dataset) -> Group:
    alike = (
        tr("identical pixels")
        if repeat.exact
        else tr("near-duplicates ({similarity})", similarity=f"{min(repeat.similarity, 0.999):.3f}")
    )
    shown = _spread(repeat.places)
    figures = tuple(_figure(place, dataset) for place in shown)
    return Group(alike, figures, len(repeat.places) - len(shown))


def _spread(places: Sequence[PictureLocation]) -> list[PictureLocation]:
    """Choose some locations, including the first of each split and class to show conflicts."""
    first = {(place.split, place.label): place for place in reversed(places)}
    chosen = [*first.values(), *(place for place in places if place not in first.values())]
    return sorted(chosen[:_MEMBERS], key=places.index)


def _figure(place: PictureLocation, dataset: Dataset, note: str = "") -> Figure:
    try:
        picture = dataset.splits[place.split].pictures.apply(place.index, _thumbnail)
    except PictureError:
        return Figure("", False, place, note)
    return Figure(data_url(picture), max(picture.shape) < THUMBNAIL, place, note)


def _thumbnail(picture: UInt8Array) -> UInt8Array:
    image = Image.fromarray(picture)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR)
    return np.asarray(image)
