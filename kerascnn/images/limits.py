"""What one picture may cost, and why: the one table of limits.

Knows: numbers. Does not know who holds pictures to them (:mod:`kerascnn.images.decoding`,
:mod:`kerascnn.images.plain`, :mod:`kerascnn.images.worker_pool`).
"""

from __future__ import annotations

from kerascnn.environment import environment_number

MAX_PIXELS = 178_956_970
"""Pictures above this many pixels are refused: Pillow's own limit (0.5 GiB as RGB)."""

MAX_SIDE, MAX_ASPECT = 65_535, 1_000
"""Pixels a side, and one side by the other: resizing a thin picture costs as much as a square one
of its longer side, not of its pixels."""

MAX_SCANS = 2_000_000_000
"""Pixels times scans of a JPEG: ten scans of the largest picture, as cameras' progressive files
have, or about half a second of one processor. 400 kB can hold 4,000 scans."""

PLAIN_PIXELS = 2_500_000
"""A picture of more is decoded in a process of its own: its pixels are copied while no other
thread of Python runs, and this many take 2 ms."""

PLAIN_BYTES = 4 << 20
"""Likewise a file of more: it is read whole before it is looked at."""

PLAIN_SCANS = 64_000_000
"""Likewise pixels times scans: 25 of the largest plain picture."""

PLAIN_PARTS = 2_000
"""Likewise chunks, markers or blocks: Pillow walks through them in Python."""

PLAIN_TAGS = 8 << 20
"""Likewise entries times bytes of EXIF: each entry may be a copy of all of it."""

VARIABLE = "KERASCNN_DECODE_MB"

BYTES = int(environment_number(VARIABLE, 400, 1, "megabytes") * (1 << 20))
"""Memory that one picture may take while it is decoded in a process of its own. Four bytes a pixel
as Pillow holds them and three as an array: about 60 million pixels, of JPEG more."""

BYTES_EACH = BYTES // 2
"""All pictures that are decoded in processes at once may take this much for each processor that is
used, and as much as one may in any case."""

SECONDS, PIXELS_A_SECOND = 3.0, 8_000_000
"""Processor seconds for any picture in a process of its own, and one more for so many pixels: five
times what the slowest format took."""

PATIENCE = 300.0
"""Seconds on the clock after which a process is given up: a disk may not answer."""
