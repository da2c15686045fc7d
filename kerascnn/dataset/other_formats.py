"""Names the formats of data sets that are not read, and says what to do.

Knows: names of files, and the first bytes of those whose names do not say. Does not know other
content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from kerascnn.dataset.walk import ARCHIVES
from kerascnn.images import SUFFIXES, UNREAD_SUFFIXES, WHAT_TO_DO, begins_as_picture

_STORES = {
    r"\.parquet": "Parquet",
    r"\.(arrow|feather)": "Arrow",
    r"\.tfrecords?(-\d+-of-\d+)?": "TFRecord",
    r"\.(l?mdb|rec)": "a database of pictures",
    r"\.(sqlite3?|db)": "a database",
    r"\.(pkl|pickle)|(data|test)_batch(_\d+)?": "pickled Python objects",
    r"(data|test)_batch(_\d+)?\.bin": "the binary version of CIFAR",
    r"\.mat": "MATLAB",
    r"\.npy": "an array of NumPy without labels",
    r"\.(h5|hdf5)": "HDF5",
    r"\.beton": "FFCV",
    r"\.t7": "Torch7",
    r"\.(nii(\.gz)?|mha|mhd|nrrd)": "a volume",
}
"""Formats that hold pictures, by the end of a file's name."""

_LISTS = {
    r"\.(jsonl?|ndjson|manifest)": "JSON",
    r"\.(txt|lst)": "text",
    r"\.cls": "a label of WebDataset",
    r"\.xml": "XML",
    r"\.ya?ml": "YAML",
    r"\.(xlsx?|xlsm|ods|numbers)": "a spreadsheet",
}
"""Formats that may hold labels."""

_BEGINNINGS = {
    rb"\x80[\2-\5][}\]c\x95(]": "pickled Python objects",
    rb"\x89HDF": "HDF5",
    rb"MATLAB 5": "MATLAB",
    rb"PAR1": "Parquet",
    rb"SQLite format 3": "a database",
}
"""The same by the first bytes, for files without a suffix that says so."""

_SAVE = (
    "Read it with the library that wrote it, and save the pictures as files in one folder per "
    "class, or as x_train and y_train in an .npz file; docs/data.md has programs for that"
)
_LIST = (
    "If it holds the labels, write a .csv file in UTF-8 with the columns path and label; "
    "docs/data.md has programs for that"
)
_NO_DATA = re.compile(r"readme|licen[sc]e|requirements|thumbs\.db|\.(?!.*\.icloud$)")
"""How the names of files begin that hold neither pictures nor labels, in lower case."""
_PICTURE = "a picture by its content", "Rename it with an extension such as .jpg"
_VIDEO = r"\.(mp4|mov|avi|mkv|webm|wmv|m4v|mpe?g|3gp)"


def other_format(name: str) -> tuple[str, str] | None:
    """Recognize a format by the name of a file, and say what to do; None for other files.

    Examples:
        >>> [other_format(name)[0] for name in ("a.parquet", "data_batch_1", "clip.MP4")]
        ['Parquet', 'pickled Python objects', 'a video']
    """
    lower = name.lower()
    kinds = (
        *((pattern, kind, _SAVE) for pattern, kind in _STORES.items()),
        *((pattern, kind, _LIST) for pattern, kind in _LISTS.items()),
        (_VIDEO, "a video", "Save some of its frames as JPEG or PNG in one folder per class"),
        (r"\.pdf", "PDF", WHAT_TO_DO),
        (r"\.icloud", "a file that is not on this machine yet", "Download it from iCloud first"),
        ("|".join(map(re.escape, ARCHIVES)), "an archive", "Unpack it first"),
    )
    for pattern, kind, advice in kinds:
        if re.search(rf"({pattern})$", lower):
            return kind, advice
    if lower.endswith(UNREAD_SUFFIXES):
        return lower.rpartition(".")[2].upper(), WHAT_TO_DO
    return None


def format_of(path: Path) -> tuple[str, str] | None:
    """Recognize a file by its name, or else by its first bytes, and say what to do."""
    if (known := other_format(path.name)) or not path.is_file():
        return known
    if begins_as_picture(path):
        return _PICTURE
    with suppress(OSError), path.open("rb") as file:
        head = file.read(16)
        kind = next((kind for start, kind in _BEGINNINGS.items() if re.match(start, head)), None)
        return (kind, _SAVE) if kind else None
    return None


def advice_on(paths: Iterable[Path]) -> str:
    """Describe the first file in a format that is not read, pictures before lists of labels.

    Returns:
        Sentences for the end of a message; empty if there is none.
    """
    others = (path for path in paths if path.suffix.lower() not in SUFFIXES)
    told = [path for path in others if not _NO_DATA.match(path.name.lower())]
    found = [(path.name, known) for path in told if (known := format_of(path))]
    found.sort(key=lambda one: one[1][1] == _LIST)
    if not found:
        return ""
    name, (kind, advice) = found[0]
    return f" Not read: {name} ({kind}). {advice}."
