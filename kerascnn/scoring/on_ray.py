"""Engine on a Ray cluster: one task per part.

Knows: Ray core. Does not know parts or retries: Ray's retries are off, so that a part that kills
its worker is identified. Tasks instead of actors, because a task waits for a free processor, and
nothing else could start while actors hold all of them.
"""

from __future__ import annotations

import logging
import os
import platform
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kerascnn import __version__
from kerascnn.errors import ConfigError, KerascnnError, needs_extra
from kerascnn.scoring.parts import Failure, Job, attempt

log = logging.getLogger(__name__)

_AHEAD = 2
"""Submitted parts per processor, so that the next one is ready when a part finishes."""

_MIN_SUBMITTED = 16
"""Minimum submitted parts, because autoscaling depends on pending tasks."""

_CONNECT_SECONDS = 10.0
"""Timeout for connecting to a cluster's address, in seconds."""

_WAIT_FOR_NODE = 60.0
"""Timeout for a node to report its versions, in seconds."""


class RayTasks:
    """Starts a task for every part."""

    def __init__(
        self, ray: Any, needs: dict[str, float], work: Callable[[Job], bytes | Failure] = attempt
    ) -> None:
        self._ray = ray
        self._task = ray.remote(**needs, max_retries=0)(work)
        self._begun: dict[Any, int] = {}
        processors = ray.cluster_resources().get("CPU", 1.0)
        self.capacity = max(_MIN_SUBMITTED, int(_AHEAD * processors / needs["num_cpus"]))

    def submit(self, job: Job) -> None:
        """Start a task."""
        self._begun[self._task.options(name=f"part {job.number}").remote(job)] = job.number

    def wait(self) -> tuple[int, bytes | Failure]:
        """Wait for the first task to finish."""
        reference = self._ray.wait(list(self._begun), num_returns=1)[0][0]
        number = self._begun.pop(reference)
        try:
            result: bytes | Failure = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:  # its worker or its node died
            return number, Failure(_first_line(error))
        return number, result


@contextmanager
def ray_cluster(where: str, threads: int, gpu: bool) -> Iterator[RayTasks]:
    """Connect to a cluster for the duration of the block.

    Args:
        where: ``ray``: the cluster of RAY_ADDRESS, else the one that this machine is part of; or
            ``ray://HOST:PORT``.
        threads: Processors per part.
        gpu: Whether a part needs a GPU.

    Raises:
        MissingExtraError: Ray is not installed.
        KerascnnError: There is no cluster.
        ConfigError: Its machines have different versions.
    """
    with needs_extra("ray", "to score on a cluster"):
        import ray
    # Always with an address, because otherwise Ray would start a cluster or join any running one.
    address = os.environ.get("RAY_ADDRESS", "auto") if where == "ray" else where
    try:
        _reach(address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error below says the same
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError, OverflowError) as error:
        raise KerascnnError(
            f"cannot join a Ray cluster at {address} ({_first_line(error)}). Start one with "
            "`ray start --head`, or name another: `on` ray://HOST:10001."
        ) from error
    try:
        _check_versions(ray)
        needs: dict[str, float] = {"num_cpus": threads, "num_gpus": int(gpu)}
        _warn_of_waiting(ray, needs)
        yield RayTasks(ray, needs)
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Try to connect to an address once, because Ray retries for minutes and explains less."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():  # otherwise Ray finds the cluster itself
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()


def versions() -> dict[str, str]:
    """Return the versions that must be equal on all machines."""
    return {"Python": ".".join(map(str, sys.version_info[:2])), "kerascnn": __version__}


def _versions_there() -> tuple[str, dict[str, str]]:
    return platform.node(), versions()


def _check_versions(ray: Any) -> None:
    """Compare the versions of every machine before any part runs."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here, task = versions(), ray.remote(num_cpus=0, max_retries=0)(_versions_there)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    asked = [
        task.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote()
        for node in nodes
    ]
    for node, reference in zip(nodes, asked, strict=True):
        host, there = _answer_of(ray, node["NodeManagerHostname"], reference)
        if there not in (here, None):
            raise ConfigError(
                f"{host} has {_listed(there)}, and this process has {_listed(here)}. Expected the "
                "same on every machine of the cluster."
            )


def _answer_of(ray: Any, node: str, reference: Any) -> tuple[str, dict[str, str] | None]:
    """Return a machine's name, and its versions or None if it does not respond."""
    try:
        answer: tuple[str, dict[str, str]] = ray.get(reference, timeout=_WAIT_FOR_NODE)
    except (ray.exceptions.TaskUnschedulableError, ray.exceptions.GetTimeoutError) as error:
        # A node that has just died is still listed; the others score the parts.
        log.warning("%s: does not respond (%s)", node, _first_line(error))
        return node, None
    except ray.exceptions.RayError as error:
        raise ConfigError(
            f"{node}: cannot run kerascnn ({_first_line(error)}). "
            f"Expected kerascnn {__version__} on every machine of the cluster."
        ) from error
    return answer


def _warn_of_waiting(ray: Any, needs: dict[str, float]) -> None:
    """Warn if no part can start, because the cluster lacks resources or they are in use.

    Not an error, because a cluster may grow, and other jobs may end.
    """
    there, free = ray.cluster_resources(), ray.available_resources()
    for name, resource in (("processors", "CPU"), ("GPUs", "GPU")):
        needed = needs[f"num_{resource.lower()}s"]
        has, left = there.get(resource, 0.0), free.get(resource, 0.0)
        if has < needed:
            log.warning(
                "the cluster has %g %s and a part takes %g: nothing starts until it has more",
                has, name, needed,
            )  # fmt: skip
        elif left < needed:
            log.warning(
                "%g of the cluster's %g %s are free and a part takes %g: parts start when other "
                "jobs end (`ray status` shows them)", left, has, name, needed,
            )  # fmt: skip


def _listed(found: dict[str, str]) -> str:
    return " and ".join(f"{name} {version}" for name, version in found.items())


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # For an error in a task, the last line has the message; the first only says that it failed.
    line = lines[-1] if lines and "Traceback" in str(error) else "".join(lines[:1])
    return f"{type(error).__name__}: {line}"[:300]
