"""Damage that is done to good files: for scripts/fuzz.

Knows: containers whose checksums would give raw damage away (zip, gzip, PNG), JSON, lines of text.
Does not know what the files are for. The same random numbers make the same damage.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

_PNG = b"\x89PNG\r\n\x1a\n"

_NUMBERS = (0, 1, -1, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
_WIDTHS = {1: "B", 2: "H", 4: "I", 8: "Q"}

_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 3, 2.5, 1e308, float("nan"), float("inf"), 10**400, 2**63, "", "x",
    "\ud800", "\x1b[2J", "../../x", "x" * 5000, [], [1, 2, 3], {}, {"a": 1}, [[]] * 50,
)  # fmt: skip

_WORDS = ("", '"', ",", "\x00", "\x1b]0;x\x07", "\u2028", "../..", "/dev/zero", "9" * 400, "NaN",
          "-1", "1e999", "x" * 10_000, "\udcff", "=1+1", "train", "test")  # fmt: skip

_TEXTS = re.compile(rb"[ -~]{4,}")


def mutate(rng: random.Random, data: bytes) -> bytes:
    """Damage a file.

    Args:
        rng: Decides where and how.
        data: Of any kind.

    Returns:
        Other bytes; by chance, the same.
    """
    if rng.random() < 0.75:
        for beginning, change in _KINDS.items():
            if data.startswith(beginning):
                return change(rng, data)
        if _is_text(data):
            return _lines(rng, data)
    return _bytes(rng, data)


def _bytes(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    places = [found.start() for found in _TEXTS.finditer(data)]
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not changed:
            break
        place = rng.randrange(len(changed))
        if places and rng.random() < 0.6:  # where names are, structure is, and no weights are
            place = min(len(changed) - 1, max(0, rng.choice(places) + rng.randint(-12, 12)))
        _HARMS[rng.randrange(len(_HARMS))](rng, changed, place)
    return bytes(changed)


def _flip(rng: random.Random, data: bytearray, place: int) -> None:
    data[place] ^= 1 << rng.randrange(8)


def _number(rng: random.Random, data: bytearray, place: int) -> None:
    width = rng.choice(tuple(_WIDTHS))
    value = rng.choice(_NUMBERS) % (1 << 8 * width)
    data[place : place + width] = struct.pack(rng.choice("<>") + _WIDTHS[width], value)


def _cut(_rng: random.Random, data: bytearray, place: int) -> None:
    del data[place:]


def _remove(rng: random.Random, data: bytearray, place: int) -> None:
    del data[place : place + rng.choice((1, 2, 8, 100))]


def _repeat(rng: random.Random, data: bytearray, place: int) -> None:
    piece = data[place : place + rng.choice((1, 4, 64, 1000))]
    data[place:place] = piece * rng.choice((1, 2, 50))


def _noise(rng: random.Random, data: bytearray, place: int) -> None:
    data[place : place + 8] = rng.randbytes(8)


_HARMS: tuple[Callable[[random.Random, bytearray, int], None], ...] = (
    *(_flip, _flip, _number, _number, _number), _cut, _remove, _repeat, _noise,
)  # fmt: skip


def _zip(rng: random.Random, data: bytes) -> bytes:
    """Damage one member, and pack all as they were."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(entry, archive.read(entry)) for entry in archive.infolist()]
    chosen, target = rng.randrange(len(members)), io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w") as archive:
        warnings.simplefilter("ignore")  # of two members of one name
        for number, (entry, content) in enumerate(members):
            name, kind = entry.filename, rng.random() if number == chosen else 1.0
            if kind < 0.05:
                continue  # a member is not there
            if kind < 0.1:
                name = rng.choice(("../x", "/x", name + "x", "model.weights.h5", "x" * 300))
            changed = mutate(rng, content) if number == chosen else content
            archive.writestr(name, changed, entry.compress_type)
    return target.getvalue()


def _gzip(rng: random.Random, data: bytes) -> bytes:
    return gzip.compress(mutate(rng, gzip.decompress(data)), 1, mtime=0)


def _png(rng: random.Random, data: bytes) -> bytes:
    """Damage one chunk, and give all of them right checksums."""
    chunks, place = [], len(_PNG)
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    chosen = rng.randrange(len(chunks))
    kind, content = chunks[chosen]
    if kind == b"IDAT" and rng.random() < 0.5:
        content = zlib.compress(_bytes(rng, zlib.decompressobj().decompress(content)), 1)
    else:
        content = _bytes(rng, content)
    chunks[chosen] = (kind, content)
    if rng.random() < 0.1:
        chunks.insert(rng.randrange(len(chunks)), rng.choice(chunks))
    return _PNG + b"".join(
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content)) for kind, content in chunks
    )  # fmt: skip


def _json(rng: random.Random, data: bytes) -> bytes:
    """Put something odd in place of one value, or take it away."""
    try:
        value = json.loads(data)
    except ValueError:
        return _bytes(rng, data)
    holders: list[Any] = [[value]]
    for holder in holders:  # grows
        inner = holder.values() if isinstance(holder, dict) else holder
        holders += [one for one in inner if isinstance(one, dict | list) and one]
    holder = rng.choice(holders)
    key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    if isinstance(holder, dict) and rng.random() < 0.15:
        del holder[key]
    else:
        holder[key] = rng.choice(_ODD)
    if rng.random() < 0.02:
        return b"[" * 100_000 + data
    return json.dumps(holders[0][0]).encode("utf-8", "surrogatepass")


def _is_text(data: bytes) -> bool:
    return b"\0" not in data[:1000] and b"\n" in data[:1000] and data[:1000].isascii()


def _lines(rng: random.Random, data: bytes) -> bytes:
    """Change words of lines, and lines."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    for _ in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(len(lines))
        parts = re.split("([,:; /])", lines[place])
        parts[rng.randrange(len(parts))] = rng.choice(_WORDS)
        lines[place] = "".join(parts)
        if rng.random() < 0.1:
            lines[place:place] = [rng.choice(lines)] * rng.choice((1, 200))
        if rng.random() < 0.05:
            del lines[rng.randrange(len(lines)) :]
            lines.append("")
    return "\n".join(lines).encode("utf-8", "surrogateescape")


_KINDS: dict[bytes, Callable[[random.Random, bytes], bytes]] = {
    b"PK": _zip, b"\x1f\x8b": _gzip, _PNG: _png, b"{": _json, b"[": _json,
}  # fmt: skip
