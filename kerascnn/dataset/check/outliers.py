"""Finds pictures that differ from the others of their data set, and files that are not pictures.

Knows: unusual sizes, shapes, modes and names. Does not know splits or labels. An unusual picture
may be correct, and is only worth a look.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.dataset.check.fingerprints import SIDE, Fingerprints
from kerascnn.dataset.pictures import FilePictures
from kerascnn.dataset.split import Dataset
from kerascnn.language import sentence
from kerascnn.parallel import in_order

RARE = 0.05
"""Share of the files below which a mode is unusual."""

_LONG = 4.0
"""Aspect ratio from which a shape is unusual."""

_SMALL = 4.0
"""Ratio of the median longer side to a picture's own from which its size is unusual."""

_COLOR = 3
"""Difference from gray, of 128, up to which a picture is gray; compression causes no more."""

DARK = 32
"""Values below which a picture is nearly black: 12 bits that were stored as 16 end at 15."""

_ALWAYS = {"CMYK": "print colors", "I;16": "16 bits", "I;16B": "16 bits", "LAB": "LAB colors"}
"""Modes that are unusual in any data set, however many pictures have them."""

_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp")
"""Suffixes that stand for JPEG."""

_SUFFIXES = {
    "JPEG": _JPEG,
    "MPO": (*_JPEG, ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
}
"""Valid suffixes by Pillow's format."""


@dataclass(frozen=True)
class Outlier:
    """One unusual property of a picture.

    Attributes:
        what: ``size``, ``shape``, ``blank``, ``mode``, ``color``, ``frames`` or ``name``.
    """

    index: int
    what: str
    detail: str


def headers(dataset: Dataset) -> dict[int, images.Header]:
    """Read the header of every file.

    Returns:
        Headers by index over all splits in order, without arrays and broken files.
    """
    paths: list[str | None] = []
    for split in dataset.ordered().values():
        files = split.pictures
        paths += files.paths if isinstance(files, FilePictures) else [None] * len(files)
    found = in_order(lambda path: None if path is None else images.read_header(path), paths)
    return {index: header for index, header in enumerate(found) if header}


def left_out(dataset: Dataset) -> tuple[str, ...]:
    """List the files in a data set's folder that are not read: relative, sorted, none hidden."""
    root = Path(dataset.name)
    splits = [split.pictures for split in dataset.splits.values()]
    listed = [files for files in splits if isinstance(files, FilePictures)]
    known = {path for files in listed for path in files.paths}
    if not root.is_dir() or not listed:
        return ()
    found = []
    for base, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(base, name) for name in files if not name.startswith(".")]
        found += [path for name in folders if (path := Path(base, name)).is_symlink()]
    return tuple(
        sorted(path.relative_to(root).as_posix() for path in found if str(path) not in known)
    )


def find_outliers(
    fingerprints: Fingerprints, files: Mapping[int, images.Header], names: Sequence[str]
) -> list[Outlier]:
    """Find pictures that differ from the others, in their order; one may have several outliers."""
    readable = [index for index in range(len(fingerprints)) if index not in fingerprints.broken]
    if not readable:
        return []
    flat = fingerprints.flat
    found = [*_sizes(fingerprints, readable)]
    found += [Outlier(i, "blank", sentence("nearly uniform")) for i in readable if flat[i]]
    found += _colors(fingerprints, [i for i in readable if not flat[i]])
    dark = fingerprints.thumbnails[:, : SIDE * SIDE].max(axis=1) < DARK
    found += [*_modes(files, dark), *_names(files, names)]
    return sorted(found, key=lambda one: (one.index, one.what))


def _sizes(fingerprints: Fingerprints, readable: list[int]) -> Iterator[Outlier]:
    usual = float(np.median(fingerprints.sizes[readable].max(axis=1)))
    for index in readable:
        height, width = fingerprints.sizes[index].tolist()
        longer, shorter = max(height, width), min(height, width)
        if longer * _SMALL <= usual:
            yield Outlier(
                index,
                "size",
                sentence(
                    "{width} x {height} pixels; the median longer side is {usual}",
                    width=width,
                    height=height,
                    usual=f"{usual:,.0f}",
                ),
            )
        if longer >= _LONG * shorter:
            yield Outlier(
                index, "shape", sentence("{width} x {height} pixels", width=width, height=height)
            )


def _colors(fingerprints: Fingerprints, readable: list[int]) -> Iterator[Outlier]:
    if not readable:
        return  # all pictures are blank, so there is no usual color
    colors = fingerprints.thumbnails[readable, SIDE * SIDE :].astype(int)
    gray = np.abs(colors - 128).max(axis=1) <= _COLOR
    for is_gray, detail in (
        (True, sentence("a gray picture among color ones")),
        (False, sentence("a color picture among gray ones")),
    ):
        if 0 < (gray == is_gray).mean() < RARE:
            for place in np.flatnonzero(gray == is_gray):
                yield Outlier(readable[place], "color", detail)


def _modes(files: Mapping[int, images.Header], dark: npt.NDArray[np.bool_]) -> Iterator[Outlier]:
    usual = Counter(header.mode for header in files.values())
    # Icons and cut-out figures are all transparent: the kinds of files say that once.
    transparency = 2 * sum(header.transparent for header in files.values()) < len(files)
    for index, header in files.items():
        if header.frames > 1:
            frames = sentence("{frames} frames; the first is used", frames=header.frames)
            yield Outlier(index, "frames", frames)
        if header.transparent and transparency:
            mode = sentence("{mode} with transparency; composited on white", mode=header.mode)
            yield Outlier(index, "mode", mode)
        elif header.mode.startswith("I;16") and dark[index]:
            yield Outlier(index, "mode", sentence("16 bits, nearly black: scale its values first"))
        elif header.mode in _ALWAYS:
            what = sentence(_ALWAYS[header.mode])
            mode = sentence("{mode}: {what}", mode=header.mode, what=what)
            yield Outlier(index, "mode", mode)
        elif usual[header.mode] < RARE * len(files):
            most = usual.most_common(1)[0][0]
            mode = sentence("{mode}, where most are {most}", mode=header.mode, most=most)
            yield Outlier(index, "mode", mode)


def _names(files: Mapping[int, images.Header], names: Sequence[str]) -> Iterator[Outlier]:
    for index, header in files.items():
        expected = _SUFFIXES.get(header.format, ())
        if expected and not names[index].lower().endswith(expected):
            held = sentence("holds {format}, whatever its name says", format=header.format)
            yield Outlier(index, "name", held)
