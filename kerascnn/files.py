"""Writes files atomically.

Knows: temporary names, flushing, renaming, and the errors for a missing file, a full disk or an
unwritable folder. Does not know what is written.
"""

from __future__ import annotations

import codecs
import difflib
import errno
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from kerascnn.errors import KerascnnError, ModelFileError

MARK = ".kerascnn.tmp"
"""Marker in the names of incomplete files."""

_COMPARED = 10_000
"""Maximum names in a folder to compare a mistyped one with; more would take seconds."""

_RENAMES, _PAUSE = 10, 0.1
"""Attempts to rename a file on Windows, and seconds between them."""

_TEMPORARY = re.compile(rf"\..*\.[a-z0-9_]{{8}}{re.escape(MARK)}(\.[^.]*)?", re.DOTALL)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, renamed to ``path`` on success.

    The folder is created if needed. A link is followed, and its target replaced. If the path is not
    a regular file (``/dev/stdout``, a named pipe), the complete content is copied into it.

    Yields:
        A path in the same folder, with the same suffix, by which Keras chooses the format.

    Raises:
        KerascnnError: The folder cannot be written, or the disk is full.
    """
    target = Path(path)
    if is_special(target):
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder, f"whole{target.suffix}")
            yield temporary
            _copy_contents(temporary, target)
        return
    if target.is_symlink():
        target = Path(os.path.realpath(target))
    temporary = _temporary_beside(target)
    try:
        with writing(target):
            yield temporary
            _flush(temporary)
            # mkstemp creates private files; the result gets the permissions of the replaced file,
            # or the default ones.
            there = target.is_file()
            temporary.chmod(stat.S_IMODE(target.stat().st_mode) if there else 0o666 & ~umask())
            _replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _replace(temporary: Path, target: Path) -> None:
    """Rename a file; on Windows, wait until a virus scanner or an indexer has closed it."""
    for left in reversed(range(_RENAMES if sys.platform == "win32" else 1)):
        try:
            temporary.replace(target)
            return
        except PermissionError:
            if not left:
                raise
            time.sleep(_PAUSE)


def _temporary_beside(target: Path) -> Path:
    with writing(target):
        if target.is_symlink():  # still a link after realpath, so it is circular
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=target.parent, prefix=temporary_prefix(target), suffix=f"{MARK}{target.suffix}"
        )
        os.close(descriptor)
    return Path(name)


def temporary_prefix(target: Path) -> str:
    """Return the prefix of the temporary names of :func:`atomic_write` for a file."""
    return f".{target.stem[:100]}."


def is_special(path: Path) -> bool:
    """Return whether a path exists but is neither a file nor a folder; links are followed."""
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(kind) and not stat.S_ISDIR(kind)


def _copy_contents(source: Path, target: Path) -> None:
    with writing(target), source.open("rb") as content, target.open("wb") as out:
        shutil.copyfileobj(content, out)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of writing a file or folder within the block into one with the remedy."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def reading(path: str | Path, kind: type[KerascnnError] = ModelFileError) -> Iterator[None]:
    """Turn errors of reading a file within the block into an error of this kind."""
    try:
        yield
    except FileNotFoundError as error:
        raise kind(f"{path}: no such file.{did_you_mean(path)}") from error
    except OSError as error:
        raise kind(f"{path}: cannot read it ({error.strerror or error}).") from error


def read_text(path: Path) -> str:
    """Read a UTF-8 file that belongs to a model.

    Raises:
        ModelFileError: It does not exist, cannot be read, or is not text.
    """
    try:
        with reading(path):
            return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path}: cannot read it ({error}).") from error


def decode_text(content: bytes) -> str:
    """Decode text by its byte order mark; as UTF-8 if it has none.

    Examples:
        >>> decode_text("고양이".encode("utf-16")) == decode_text("고양이".encode("utf-8-sig"))
        True

    Raises:
        UnicodeDecodeError: It is in another encoding.
    """
    return content.decode(encoding_of(content))


def encoding_of(content: bytes) -> str:
    """Return the encoding of a text by its byte order mark; UTF-8 if it has none."""
    marks = {
        "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
        "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    }
    marked = (name for name, bom in marks.items() if content.startswith(bom) and content[2:])
    return next(marked, "utf-8-sig")


def lines_of(text: str) -> list[str]:
    """Split a text at line breaks only; ``str.splitlines`` also splits at U+2028 and others."""
    return re.split("\r\n|\r|\n", text)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` atomically; see :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically.

    Raises:
        KerascnnError: The folder cannot be written, or the disk is full.
    """
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def is_temporary(name: str) -> bool:
    """Return whether a file name is a temporary one of :func:`atomic_write`."""
    return _TEMPORARY.fullmatch(name) is not None


def cannot_write(path: Path, error: OSError) -> KerascnnError:
    """Turn an operating-system error into one sentence with the path and the remedy."""
    reason = _dangling_link(path) or error.strerror or str(error)
    if isinstance(error, PermissionError) and sys.platform == "win32":
        return KerascnnError(
            f"{path}: cannot write ({reason}). Nothing was changed. "
            "Close it in other programs or choose another place."
        )
    return KerascnnError(
        f"{path}: cannot write ({reason}). Nothing was changed. "
        "Free some space or choose another place."
    )


def _dangling_link(path: Path) -> str | None:
    """Describe a dangling link in a path, for which the system's error is misleading."""
    for place in (path, *path.parents):
        if os.path.islink(place) and not os.path.exists(place):  # noqa: PTH110, PTH114 - no raise
            return f"{place} is a link to {place.readlink()}, which does not exist"
    return None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises:
        ModelFileError: It cannot be read.
    """
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def did_you_mean(path: str | Path) -> str:
    """Suggest a similar path that exists, as a sentence for the end of a message; or ""."""
    try:
        near = None if os.path.lexists(path) else _nearest(Path(path))
    except (OSError, ValueError):  # an invalid name, or a folder without permission
        return ""
    return f" Did you mean {near}?" if near else ""


def _nearest(path: Path) -> Path | None:
    if not path.name:
        return None
    # As Windows writes it, or quoted so that the shell did not replace a variable.
    for meant in (str(path).replace("\\", "/"), os.path.expandvars(path)):
        if meant != str(path) and Path(meant).exists():
            return Path(meant)
    if path.parts[0].startswith("~"):  # quoted, or from a file, so not expanded by a shell
        home = Path(os.path.expanduser(path))  # noqa: PTH111 - Path raises for unknown users
        return home if home.exists() else None
    folder = path.parent if path.parent.is_dir() else _nearest(path.parent)
    if folder is None or (folder / path.name).exists():
        return folder and folder / path.name
    some = islice(folder.iterdir(), _COMPARED)
    names = {one.name.lower(): one for one in some if not one.name.startswith(".")}
    found = difflib.get_close_matches(path.name.lower(), names, 1)
    return names[found[0]] if found else None


def _flush(path: Path) -> None:
    # Without fsync, a crash of the machine can leave an empty file under the new name.
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def umask() -> int:
    """Return the umask of this process."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
