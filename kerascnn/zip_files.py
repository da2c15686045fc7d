"""What a zip archive says of itself, looked at before anything is unpacked.

Knows: that a few kilobytes can unpack to all of memory, and that two entries may have one name.
Does not know what is inside (models, arrays).
"""

from __future__ import annotations

import zipfile
from pathlib import Path

ENTRIES = 100_000
"""More than any model or checkpoint has."""

RATIO = 20
"""Times its packed size: weights are nearly noise, and shrink by less than half."""

PICTURES_RATIO = 100
"""Likewise for arrays of pictures, of which many are mostly white."""

FLOOR = 2**26
"""Bytes that may be unpacked whatever the ratio: a fresh network's zeros pack well."""


def check_for_zip_bomb(path: Path, ratio: int = RATIO, floor: int = FLOOR) -> None:
    """Refuse an archive that would unpack to far more than its size.

    Raises:
        ValueError: It would, or it has too many entries, or two of one name.
        OSError: It cannot be read.
        BadZipFile: It is no zip archive.
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
