"""Checks a zip archive before it is unpacked.

Knows: zip bombs, and that two entries may have the same name. Does not know the content (models,
arrays).
"""

from __future__ import annotations

import zipfile
from pathlib import Path

ENTRIES = 100_000
"""Maximum entries: more than any model or checkpoint has."""

RATIO = 20
"""Maximum ratio of unpacked to packed size: weights are nearly noise, and compress to no less than
half."""

PICTURES_RATIO = 100
"""The same for arrays of pictures, many of which are mostly white."""

FLOOR = 2**26
"""Unpacked size in bytes that is allowed at any ratio: the zeros of a new network compress well."""


def check_for_zip_bomb(path: Path, ratio: int = RATIO, floor: int = FLOOR) -> None:
    """Refuse an archive that would unpack to far more than its size.

    Raises:
        ValueError: It would, it has too many entries, or two with the same name.
        OSError: It cannot be read.
        BadZipFile: It is not a zip archive.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if len(entries) > ENTRIES:
        raise ValueError(f"it has {len(entries):,} entries; expected at most {ENTRIES:,}")
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("two of its entries have the same name")
    unpacked, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if unpacked > max(floor, ratio * packed):
        raise ValueError(
            f"it would unpack to {unpacked:,} bytes, more than {ratio} times its own {packed:,}"
        )
