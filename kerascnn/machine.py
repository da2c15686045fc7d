"""The machine that this runs on, in words for reports and saved settings; and limits of memory.

Knows: what the operating system says. Does not know devices of any framework.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from kerascnn.parallel import usable_cpus


def machine() -> dict[str, str]:
    """Describe this machine.

    Returns:
        Values in words by name: system, processor, processors used, memory.
    """
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "processors used": str(usable_cpus()),
        "memory": _memory(),
    }


def processor() -> str:
    """Return the name of the processor's model, or else what kind of processor it is."""
    source = Path("/proc/cpuinfo")
    if source.is_file():
        for line in source.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def data_bytes() -> int:
    """Return the memory of this process for data, in bytes; 0 where Linux does not tell it."""
    if sys.platform != "linux":
        return 0
    words = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(words[5]) * os.sysconf("SC_PAGE_SIZE")


def limit_data(more: int | None) -> None:
    """Limit further memory of this process, in bytes, on Linux; None: no limit.

    Args:
        more: Beside what it has; what goes beyond raises ``MemoryError``.
    """
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = hard if more is None else data_bytes() + more
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
