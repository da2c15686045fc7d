"""Forms (multipart/form-data) that are in memory already, taken apart in memory.

Knows: RFC 7578, and what browsers and clients make of it. Does not know what is in a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from kerascnn.serving.http.errors import HttpError

_MOST_FIELDS = 100
"""Fields that are no files; there is no use for any."""

_LONGEST_HEAD = 16_384
"""Bytes of the headers of a part."""


@dataclass(frozen=True)
class Upload:
    """A picture that was sent.

    Attributes:
        name: Name of the file; None: it was not said.
        content: Content of the file.
    """

    name: str | None
    content: bytes


def is_form(content_type: str) -> bool:
    """Return whether a body of this type is a form."""
    return content_type.lower().startswith("multipart/form-data")


def read_form(body: bytes, content_type: str, most: int) -> list[Upload]:
    """Find the files in a form.

    A part is a file if it has a name of a file (``filename`` or ``filename*``), a type other than
    text, or bytes that are no text: some clients send pictures without any name.

    Args:
        body: All of it.
        content_type: Content type of the request, with the boundary.
        most: Largest number of files.

    Returns:
        At least one file, in order.

    Raises:
        HttpError: 400: no form, not the whole of it, no file in it, or too many.
    """
    uploads: list[Upload] = []
    fields = 0
    for head, content in _parts(body, _boundary(content_type)):
        upload = _upload(head, content)
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


def _boundary(content_type: str) -> bytes:
    value = _parameter("Content-Type", content_type, "boundary") or ""
    if not 1 <= len(value) <= 200 or not value.isascii():
        raise HttpError(400, "the form's Content-Type has no boundary; expected boundary=… in it.")
    return value.encode()


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Split a body at its boundaries, each part into head and content."""
    mark = b"--" + boundary
    start = 0 if body.startswith(mark) else body.find(b"\r\n" + mark) + 2
    if start == 1:
        raise HttpError(400, "the form does not hold the boundary that its Content-Type names.")
    position = start + len(mark)
    while not body.startswith(b"--", position):
        line = body.find(b"\r\n", position)
        end = body.find(b"\r\n" + mark, max(line, position))
        # A part without headers begins with its empty line, so that both may be at one place.
        split = body.find(b"\r\n\r\n", position, position + _LONGEST_HEAD)
        if line < 0 or end < 0 or not 0 <= split < end or body[position:line].strip():
            raise HttpError(400, "the form is broken, or not the whole of it came.")
        yield body[line + 2 : split], body[split + 4 : end]
        position = end + 2 + len(mark)


def _upload(head: bytes, content: bytes) -> Upload | None:
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = headers.get("content-disposition", "")
    file = _parameter("Content-Disposition", disposition, "filename")
    kind = headers.get("content-type", "text/plain").lower()
    if file is None and kind.startswith("text/") and _is_text(content):
        return None
    return Upload(file, content)


def _parameter(header: str, value: str, name: str) -> str | None:
    """Read a parameter, be it quoted, plain, or in the way of RFC 2231 (``filename*``)."""
    message = Message()
    message[header] = value
    found = message.get_param(name, header=header)
    if not isinstance(found, tuple):
        return found
    # RFC 8187 has these two encodings; decoders of others raise whatever they like.
    charset, _, text = found
    encoding = "latin-1" if str(charset).lower() == "iso-8859-1" else "utf-8"
    return str(text).encode("latin-1", "replace").decode(encoding, "replace")


def _is_text(content: bytes) -> bool:
    if b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
