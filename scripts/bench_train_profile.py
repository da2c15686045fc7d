"""Where TensorFlow's time goes in a round of training: for scripts/bench_train --profile.

Knows: TensorFlow's profiler and how it names kernels. Does not know what is trained.
"""

from __future__ import annotations

import collections
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def profile(name: str, rounds: Iterator[None]) -> None:
    """Print where TensorFlow's time goes in the third round, by kind of kernel."""
    next(rounds)
    next(rounds)
    spent: collections.Counter[str] = collections.Counter()
    runs: collections.Counter[str] = collections.Counter()
    for plane in recorded(rounds).planes:
        for event in (event for line in plane.lines for event in line.events):
            # A kernel is called name:Kind; loops and calls contain the others.
            _, colon, kind = plane.event_metadata[event.metadata_id].name.partition(":")
            if colon and kind.isidentifier() and kind not in ("While", "PartitionedCall"):
                spent[kind] += event.duration_ps / 1e12
                runs[kind] += 1
    total = sum(spent.values())
    print(f"{name}: {total:.2f} s in kernels")
    for kind, seconds in spent.most_common(25):
        print(f"{seconds / total:6.1%}  {runs[kind]:>6} x {kind}")


def recorded(rounds: Iterator[None]) -> Any:
    """Run a round under the profiler; give what it recorded, an XSpace."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        next(rounds)
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        return xplane_pb2.XSpace.FromString(path.read_bytes())
