"""Writing a file whole or not at all.

Knows: temporary names, flushing, renaming, and what a full disk or an unwritable folder
should say. Does not know what is written.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kerascnn.errors import KerascnnError


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``, and rename it to ``path`` when all went well.

    Args:
        path: Where the file shall lie in the end. Its folder is made if need be.

    Yields:
        A path in the same folder, with the same suffix (Keras chooses the format by it).

    Raises:
        KerascnnError: The folder cannot be written, or the disk is full.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.stem[:100]}.", suffix=f".tmp{target.suffix}"
        )
        os.close(descriptor)
    except OSError as error:
        raise cannot_write(target, error) from error
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        # mkstemp makes private files; what we leave behind has the user's usual rights.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all.

    Args:
        path: The file to write.
        text: Its whole content.

    Raises:
        KerascnnError: The folder cannot be written, or the disk is full.
    """
    _write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all.

    Args:
        path: The file to write.
        data: Its whole content.

    Raises:
        KerascnnError: The folder cannot be written, or the disk is full.
    """
    _write(path, lambda temporary: temporary.write_bytes(data))


def cannot_write(path: Path, error: OSError) -> KerascnnError:
    """Turn an operating-system error into one sentence with the path and the remedy.

    Args:
        path: The file that was to be written.
        error: What the operating system said.

    Returns:
        An error to raise.
    """
    reason = error.strerror or str(error)
    return KerascnnError(
        f"{path}: cannot write ({reason}). Nothing was changed. "
        "Free some space or choose another place."
    )


def _write(path: str | Path, write: Callable[[Path], object]) -> None:
    with writing(path) as temporary:
        write(temporary)


def _flush(path: Path) -> None:
    # Without fsync a crash of the machine can leave the new name on an empty file.
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
