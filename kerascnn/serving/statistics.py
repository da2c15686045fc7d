"""What a model has done so far, as Triton's statistics extension counts it.

Knows: counts and nanoseconds. Does not know who asks for them. See
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Duration:
    """How often something was done, and how long it took altogether."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.count += 1
        self.ns += round(seconds * 1e9)

    def to_dict(self) -> dict[str, int]:
        """Return it as JSON has it."""
        return {"count": self.count, "ns": self.ns}


@dataclass
class Statistics:
    """Statistics of one version of a model since it was loaded; on the event loop only.

    Attributes:
        pictures: Number of pictures that were classified.
        last: When the latest was, in milliseconds since 1970; 0: never.
        success: Requests that were answered.
        fail: Requests that were not.
        queue: Time that requests waited.
        decode: Time of reading and resizing their pictures.
        inference: Time of running the network.
        runs: Runs of the network, by the number of pictures.
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
        """Count a request that was answered."""
        self.pictures += pictures
        self.last = time.time_ns() // 1_000_000
        self.success.add(queue + decode + inference)
        self.queue.add(queue)
        self.decode.add(decode)
        self.inference.add(inference)

    def to_dict(self, name: str, version: str) -> dict[str, Any]:
        """Return all as JSON has it; writing answers is not measured, and nothing is cached."""
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
            "batch_stats": [
                {
                    "batch_size": size,
                    "compute_input": Duration(run.count).to_dict(),
                    "compute_infer": run.to_dict(),
                    "compute_output": Duration(run.count).to_dict(),
                }
                for size, run in sorted(self.runs.items())
            ],
        }
