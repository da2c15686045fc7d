"""Limits of the cost of decoding a picture, and their reasons.

Knows: numbers. Does not know where they are enforced (:mod:`kerascnn.images.decoding`,
:mod:`kerascnn.images.plain`, :mod:`kerascnn.images.worker_pool`).
"""

from __future__ import annotations

from kerascnn.environment import environment_number

MAX_PIXELS = 178_956_970
"""Maximum pixels of a picture: Pillow's own limit (0.5 GiB as RGB)."""

MAX_SIDE, MAX_ASPECT = 65_535, 1_000
"""Maximum side in pixels, and maximum aspect ratio: resizing a narrow picture costs as much as a
square one with its longer side, whatever its number of pixels."""

MAX_SCANS = 2_000_000_000
"""Maximum pixels times scans of a JPEG: ten scans of the largest picture, as in progressive files
of cameras, or about half a second of processor time. 400 kB can contain 4,000 scans."""

PLAIN_PIXELS = 2_500_000
"""Pixels above which a picture is decoded in a worker process: copying pixels holds the interpreter
lock, for 2 ms for this many."""

PLAIN_BYTES = 4 << 20
"""File size in bytes above which a worker process decodes it, because the file is read as a whole
before it is examined."""

PLAIN_SCANS = 64_000_000
"""Pixels times scans above which a worker process decodes a JPEG: 25 scans of the largest plain
picture."""

PLAIN_PARTS = 2_000
"""Number of chunks, markers or blocks from which a worker process decodes a file, because Pillow
iterates over them in Python."""

PLAIN_TAGS = 8 << 20
"""EXIF entries times bytes above which a worker process decodes a file, because each entry may
copy all of them."""

VARIABLE = "KERASCNN_DECODE_MB"

BYTES = int(environment_number(VARIABLE, 400, 1, "megabytes") * (1 << 20))
"""Memory limit of decoding one picture in a worker process, in bytes. With four bytes per pixel in
Pillow and three as an array, it suffices for about 60 million pixels, or more for JPEG."""

BYTES_EACH = BYTES // 2
"""Memory limit of all pictures in worker processes, in bytes per processor; at least the limit of
one picture."""

SECONDS, PIXELS_A_SECOND = 3.0, 8_000_000
"""Processor time limit in a worker process: a constant in seconds, plus one second per this many
pixels. Five times the measured time of the slowest format."""

PATIENCE = 300.0
"""Wall-clock limit in seconds after which a worker process is killed, e.g. if a disk hangs."""
