"""Lists the pictures in a folder, and what was skipped.

Knows: suffixes, hidden files, links, and the folders that file servers, phones and editors create
beside pictures. Does not know classes or splits, or whether a picture can be decoded.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kerascnn import images
from kerascnn.printable import first_few

_LEFTOVERS = frozenset(
    {
        "__macosx",  # zip files made by macOS
        "network trash folder", "temporary items", "thevolumesettingsfolder",  # AFP servers
        "@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin",  # Synology
        "@recycle", "@recently-snapshot", "@__thumb", "lost+found",  # QNAP, ext4
        "$recycle.bin", "recycler", "recycled", "system volume information",  # Windows
        "found.000", "_gsdata_", "lost.dir", "[originals]",  # Windows, GoodSync, Android, Picasa
        "~snapshot",  # NetApp
        "_vti_cnf", "__pycache__",  # FrontPage, Python
    }
)  # fmt: skip
"""Names of folders with thumbnails and copies, in lower case. (Most others start with a dot:
.AppleDouble, .thumbnails, .picasaoriginals, .@__thumb, .Trash-1000.)"""

_THUMBNAILS = frozenset({"thumbnails", "thumbs", "_thumbs", "_thumbnails", "thumb"})
"""Likewise, but only inside class folders, because a class may have such a name."""

_OUTPUT = re.compile(r"\.lock|machine\.json|.*\.onnx")
"""Names of files in a run that is being written, in any run, and of exported files."""

_OUTPUT_FOLDERS = ("runs", "exported")
"""Default folders of runs, searches and exported files, where figures may be as well."""

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar")
"""Suffixes of files that have to be unpacked first."""

_LISTED = 3
"""Maximum names in a notice; `data check` lists all."""


@dataclass
class Walk:
    """What was skipped so far; each path once, though a folder may be visited twice.

    Attributes:
        others: Files without the suffix of a picture.
        leftovers: Folders of thumbnails and copies.
        unlabeled: Folders beside the splits whose names say that their pictures are unlabeled.
        links: Symbolic links to folders.
        outputs: Folders of runs and exported files that also hold pictures.
        denied: Folders that cannot be listed, and why.
    """

    others: dict[Path, None] = field(default_factory=dict)
    leftovers: dict[Path, None] = field(default_factory=dict)
    unlabeled: dict[Path, None] = field(default_factory=dict)
    links: dict[Path, None] = field(default_factory=dict)
    outputs: dict[Path, None] = field(default_factory=dict)
    denied: dict[Path, str] = field(default_factory=dict)
    _listed: dict[Path, list[tuple[Path, str | None]]] = field(default_factory=dict)

    def aside(self) -> Walk:
        """Return a walk with notes of its own, which lists no folder of this one again."""
        return Walk(_listed=self._listed)

    def folders(self, folder: Path) -> list[Path]:
        """List the folders that may be splits or classes, sorted by name."""
        inside = self._listed[folder] if folder in self._listed else self._list(folder)
        for path, notes in inside:
            if notes:
                getattr(self, notes)[path] = None
        return [path for path, notes in inside if notes is None]

    def _list(self, folder: Path) -> list[tuple[Path, str | None]]:
        """List the folders in a folder, each with the attribute for it if it is skipped."""
        entries = self._entries(folder)
        inside = [one for one in entries if not one.name.startswith(".") and _is_folder(one)]
        found = [(Path(entry.path), _notes(entry)) for entry in inside]
        if folder not in self.denied:
            self._listed[folder] = found
        return found

    def pictures(self, folder: Path) -> Iterator[Path]:
        """List the pictures at any depth, folder by folder, files before folders."""
        return map(Path, self.picture_paths(folder))

    def picture_paths(self, folder: Path) -> Iterator[str]:
        """List the same as text, which takes half the time."""
        inside = []
        for entry in self._entries(folder):
            if entry.name.startswith(".") and not entry.name.endswith(".icloud"):
                continue
            if _is_folder(entry):
                if entry.name.lower() in _LEFTOVERS | _THUMBNAILS:
                    self.leftovers[Path(entry.path)] = None
                elif entry.is_symlink():
                    self.links[Path(entry.path)] = None
                else:
                    inside.append(Path(entry.path))
            elif is_picture(entry.name):
                yield entry.path.removeprefix("./")  # like Path
            elif entry.name.lower() not in ("thumbs.db", "desktop.ini"):
                self.others[Path(entry.path)] = None
        for sub in inside:
            yield from self.picture_paths(sub)

    def loose(self, folder: Path) -> list[Path]:
        """List the pictures directly in a folder, beside class folders."""
        entries = self._entries(folder)
        return [Path(e.path) for e in entries if is_picture(e.name) and not _is_folder(e)]

    def runs(self) -> list[Path]:
        """List the run folders among the pictures that were listed."""
        models = (path for path in self.others if path.name == "model.keras")
        return [path.parent for path in models if path.with_name("history.csv") in self.others]

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.denied[folder] = error.strerror or str(error)
            return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # e.g. a link to itself
        return False


def _notes(entry: os.DirEntry[str]) -> str | None:
    """Return the attribute of `Walk` for a folder; empty: skipped silently; None: not skipped."""
    if entry.name.lower() in _LEFTOVERS:
        return "leftovers"
    if entry.is_symlink():
        return "links"
    if not _is_output(entry.path):
        return None
    return "outputs" if _holds(entry.path, is_picture) else ""


def _is_output(folder: str) -> bool:
    """Return whether a folder holds runs or exported files, and no pictures but figures.

    Such folders are in the data's folder if that is the working directory.
    """
    usual = os.path.basename(folder) in _OUTPUT_FOLDERS  # noqa: PTH119 - quick
    return (usual or not _holds(folder, is_picture)) and _holds(folder, _OUTPUT.fullmatch)


def _holds(folder: str, wanted: Callable[[str], object]) -> bool:
    """Return whether a file with such a name is in a folder or below it; stops at the first."""
    inside = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    inside.append(entry.path)
                elif wanted(entry.name):
                    return True
    except OSError:  # reported where it is listed
        return False
    return any(_holds(sub, wanted) for sub in inside)


def is_picture(name: str) -> bool:
    """Return whether the name of a file is that of a supported picture."""
    return not name.startswith(".") and name.lower().endswith(images.SUFFIXES)


def notice(root: Path, walk: Walk, loose: list[Path]) -> str | None:
    """Describe in one line what was skipped, if anything."""
    parts = []
    if others := [path for path in walk.others if not _is_unread(path)]:
        parts.append(counted(root, others))
    words = {
        "pictures beside the class folders": loose,
        "folders of thumbnails or copies": list(walk.leftovers),
        "folders without classes": list(walk.unlabeled),
        "links to folders": list(walk.links),
        "folders of runs or exported files": list(walk.outputs),
    }
    for what, paths in words.items():
        if paths:
            parts.append(f"{len(paths):,} {what} ({_few(root, paths)})")
    return f"{root}: left out: {'; '.join(parts)}" if parts else None


def unsupported_notice(root: Path, walk: Walk) -> str | None:
    """Count the pictures in unsupported formats, and say what to do."""
    unread = [path for path in walk.others if _is_unread(path)]
    if not unread:
        return None
    return f"{root}: not read: {counted(root, unread)}. {images.WHAT_TO_DO}."


def _is_unread(path: Path) -> bool:
    return path.suffix.lower() in images.UNREAD_SUFFIXES


def counted(root: Path, paths: list[Path]) -> str:
    """Count files by suffix, and name the first."""
    kinds = Counter(path.suffix.lower() or "without ending" for path in paths)
    counts = first_few([f"{count:,} {kind}" for kind, count in kinds.most_common()], 10)
    return f"{counts} ({_few(root, paths)})"


def _few(root: Path, paths: list[Path]) -> str:
    return first_few([path.relative_to(root).as_posix() for path in paths], _LISTED)
