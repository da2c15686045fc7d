"""Describes the machine, for reports and saved settings, and limits memory.

Knows: the operating system's interfaces, versions of packages. Does not know the devices of any
framework.
"""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path

from kerascnn.parallel import usable_cpus


def machine() -> dict[str, str]:
    """Describe this machine: system, processor, processors used, memory."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "processors used": str(usable_cpus()),
        "memory": _memory(),
    }


def processor() -> str:
    """Return the processor's model name, or its architecture if that is unknown."""
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def instruction_sets() -> frozenset[str]:
    """Return the processor's instruction sets, in Linux' names; none on other systems."""
    return frozenset(_cpuinfo().split())


@cache
def has_avx512() -> bool:
    """Return whether the processor is known to have AVX-512."""
    return "avx512f" in instruction_sets()


def installed_version(package: str) -> str | None:
    """Return the version of an installed package; None: it is not installed."""
    # Slow to import, and a first prediction that needs no version does not wait for it.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpuinfo() -> str:
    source = Path("/proc/cpuinfo")
    return source.read_text(encoding="utf-8", errors="replace") if source.is_file() else ""


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def data_bytes() -> int:
    """Return the size of this process' data segments, in bytes; 0 on systems other than Linux."""
    if sys.platform != "linux":
        return 0
    words = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(words[5]) * os.sysconf("SC_PAGE_SIZE")


def limit_data(more: int | None) -> None:
    """Limit the memory beyond the current size, in bytes, on Linux; None: no limit."""
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = hard if more is None else data_bytes() + more
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
