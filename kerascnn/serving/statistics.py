"""Statistics of a model, as defined by Triton's statistics extension.

Knows: counts and nanoseconds. Does not know the endpoints. See
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Duration:
    """Number of events, and their total duration."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        """Add an event."""
        self.count += 1
        self.ns += round(seconds * 1e9)

    def to_dict(self) -> dict[str, int]:
        """Return plain values for JSON."""
        return {"count": self.count, "ns": self.ns}


@dataclass
class Statistics:
    """Statistics of one version of a model since it was loaded; on the event loop only.

    Attributes:
        last: Time of the last one, in milliseconds since 1970; 0: never.
        runs: Runs of the network, by batch size.
    """

    pictures: int = 0
    last: int = 0
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    decode: Duration = field(default_factory=Duration)
    inference: Duration = field(default_factory=Duration)
    runs: defaultdict[int, Duration] = field(default_factory=lambda: defaultdict(Duration))

    def answered(self, pictures: int, queue: float, decode: float, inference: float) -> None:
        """Add a successful request, with its durations in seconds."""
        self.pictures += pictures
        self.last = time.time_ns() // 1_000_000
        self.success.add(queue + decode + inference)
        self.queue.add(queue)
        self.decode.add(decode)
        self.inference.add(inference)

    def to_dict(self, name: str, version: str) -> dict[str, Any]:
        """Return plain values for JSON; serialization is not measured, and nothing is cached."""
        nothing = Duration()
        stages = {
            "success": self.success, "fail": self.fail, "queue": self.queue,
            "compute_input": self.decode, "compute_infer": self.inference,
            "compute_output": Duration(self.success.count), "cache_hit": nothing,
            "cache_miss": nothing,
        }  # fmt: skip
        return {
            "name": name,
            "version": version,
            "last_inference": self.last,
            "inference_count": self.pictures,
            "execution_count": sum(run.count for run in self.runs.values()),
            "inference_stats": {stage: spent.to_dict() for stage, spent in stages.items()},
            "batch_stats": [_batch_row(size, run) for size, run in sorted(self.runs.items())],
        }


def _batch_row(size: int, run: Duration) -> dict[str, Any]:
    unmeasured = Duration(run.count).to_dict()
    return {
        "batch_size": size,
        "compute_input": unmeasured,
        "compute_infer": run.to_dict(),
        "compute_output": unmeasured,
    }
