"""Parses forms (multipart/form-data) in memory.

Knows: RFC 7578, and how browsers and clients deviate from it. Does not know the content of files.
"""

from __future__ import annotations

import binascii
import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.utils import unquote
from typing import Any

from kerascnn.serving.http.base64_files import read_base64
from kerascnn.serving.http.errors import HttpError

_MOST_FIELDS = 100
"""Maximum fields other than files, none of which is used."""

_LONGEST_HEAD = 16_384
"""Maximum size of the headers of a part, in bytes."""

_MOST_PARAMETERS = 100
"""Maximum parameters of a header. After an unclosed quotation mark, the parser rescans everything
at each semicolon: 30,000 of them took a third of a second."""

_LINE_END, _FOLDED = re.compile(rb"--|[ \t]*\r\n"), re.compile(r"\r\n[ \t]+")
"""End of a boundary, and line break of a folded header."""

_TEXTUAL = re.compile(r"text/|application/([\w.-]+\+)?(json|xml)\b")
"""Content types of fields that are not files; frameworks often send JSON (``@RequestPart``)."""

_CHUNK = 65_536
"""Bytes to examine at a time: to search, to copy, and to distinguish text from files."""


@dataclass(frozen=True)
class Upload:
    """An uploaded file; ``name`` is None if none was sent."""

    name: str | None
    content: bytes


def is_form(content_type: str) -> bool:
    """Return whether a body of this type is a form."""
    return content_type.lower().startswith("multipart/form-data")


def read_form(body: bytes, content_type: str, most: int) -> list[Upload]:
    """Return the files in a form, at least one, in order.

    A part is a file if it has a file name (``filename`` or ``filename*``), a type other than text
    and JSON, or content that is not text: some clients send pictures without a name.

    Raises:
        HttpError: 400: not a form, incomplete, without a file, or with too many.
    """
    uploads: list[Upload] = []
    fields = 0
    for upload in _uploads(body, _boundary(content_type)):
        if upload is None:
            fields += 1
        else:
            uploads.append(upload)
        if len(uploads) > most or fields > _MOST_FIELDS:
            raise HttpError(
                400, f"the form has more than {most:,} files, or {_MOST_FIELDS} other fields."
            )
    if not uploads:
        raise HttpError(
            400,
            "the form holds no file; expected at least one, as curl -F picture=@rose.jpg sends it.",
        )
    return uploads


def _uploads(body: bytes, boundary: bytes, inside: bool = False) -> Iterator[Upload | None]:
    """Yield the files, and None for each part that is not a file."""
    for head, start, end in _parts(body, boundary):
        headers = _headers(head)
        kind = headers.get("content-type", "")
        if kind.lower().startswith("multipart/") and not inside:
            # Several files in one field, as curl still sends them (RFC 2388, 4.2).
            yield from _uploads(_copy(body, start, end), _boundary(kind), inside=True)
        else:
            yield _upload(headers, body, start, end)


def _headers(head: bytes) -> dict[str, str]:
    headers = {}
    for line in _FOLDED.sub(" ", head.decode("utf-8", "replace")).split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def _boundary(content_type: str) -> bytes:
    value = _parameter("Content-Type", content_type, "boundary") or ""
    if not 1 <= len(value) <= 200 or not value.isascii():
        raise HttpError(400, "the form's Content-Type has no boundary; expected boundary=… in it.")
    return value.encode()


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Split a body at its boundaries; yield the head of each part, and the span of its content."""
    mark = b"--" + boundary
    start = 0 if body.startswith(mark) else _find(body, mark, 0) + 2
    if start == 1:
        raise HttpError(400, "the form does not hold the boundary that its Content-Type names.")
    position = start + len(mark)
    while not body.startswith(b"--", position):
        line = body.find(b"\r\n", position)
        end = _find(body, mark, max(line, position))
        # A part without headers starts with the empty line, so both searches may find one place.
        split = body.find(b"\r\n\r\n", position, position + _LONGEST_HEAD)
        if line < 0 or end < 0 or not 0 <= split < end or body[position:line].strip():
            raise HttpError(400, "the form is malformed or incomplete.")
        yield body[line + 2 : split], split + 4, end
        position = end + 2 + len(mark)


def _copy(body: bytes, start: int, end: int) -> bytes:
    """Copy a part in pieces: allocating all of it at once would hold the interpreter lock."""
    if end - start <= _CHUNK:
        return body[start:end]
    copied = io.BytesIO()
    for place in range(start, end, _CHUNK):
        copied.write(memoryview(body)[place : min(place + _CHUNK, end)])
    return copied.getvalue()


def _find(body: bytes, mark: bytes, start: int) -> int:
    """Find the line break before a boundary, which must fill its line (RFC 2046, 5.1.1).

    The body is searched in pieces, so that no single call holds the interpreter lock for long.
    """
    mark, place = b"\r\n" + mark, start
    while place < len(body):
        found = body.find(mark, place, place + _CHUNK + len(mark) - 1)
        if found < 0:
            place += _CHUNK
        elif _LINE_END.match(body, found + len(mark)):
            return found
        else:
            place = found + 1
    return -1


def _upload(headers: dict[str, str], body: bytes, start: int, end: int) -> Upload | None:
    disposition = headers.get("content-disposition", "")
    file = _parameter("Content-Disposition", disposition, "filename")
    kind = headers.get("content-type", "text/plain").lower()
    if file is None and _TEXTUAL.match(kind) and _is_text(body, start, end):
        return None
    if not file and start >= end:  # browsers send this if no file was chosen
        return None
    content = _copy(body, start, end)
    encoding = headers.get("content-transfer-encoding", "").lower()
    if encoding == "base64":
        content = read_base64(content.decode("latin-1"), "a file in the form")
    elif encoding == "quoted-printable":
        content = binascii.a2b_qp(content)
    return Upload(file, content)


def _parameter(header: str, value: str, name: str) -> str | None:
    """Parse a parameter: quoted, plain, or in the encoding of RFC 2231 (``filename*``)."""
    if value.count(";") > _MOST_PARAMETERS:
        raise HttpError(400, f"{header} has more than {_MOST_PARAMETERS} parameters.")
    message = Message()
    message[header] = value
    parameters: list[tuple[str, Any]] = message.get_params([], header)
    found = [value for key, value in parameters if key.lower() == name]
    # Given both forms, the one of RFC 2231 takes precedence (RFC 6266, 4.3).
    best = next((one for one in found if isinstance(one, tuple)), found[0] if found else None)
    if not isinstance(best, tuple):
        return None if best is None else unquote(best)
    # RFC 8187 allows these two encodings; decoders of others raise arbitrary errors.
    charset, _, text = best
    encoding = "latin-1" if str(charset).lower() == "iso-8859-1" else "utf-8"
    return str(text).encode("latin-1", "replace").decode(encoding, "replace")


def _is_text(body: bytes, start: int, end: int) -> bool:
    """Return whether the content starts as text; no image file starts with this much text."""
    beginning = body[start : min(end, start + _CHUNK)]
    try:
        # A character cut off at the end is an error only if the content ends there.
        whole = len(beginning) == end - start
        codecs.getincrementaldecoder("utf-8")().decode(beginning, final=whole)
    except UnicodeDecodeError:
        return False
    return b"\0" not in beginning
