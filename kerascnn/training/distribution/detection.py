"""Detection of the processes that train together.

Knows: a JAX that is already initialized (as by Ray Train), JAX's environment variables, and its
detection of Slurm, Open MPI and Kubernetes. Does not know: how the processes connect.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TypeAlias

from kerascnn.errors import ConfigError
from kerascnn.training.distribution.rendezvous import ARRIVAL, Cluster
from kerascnn.training.keras_backend import backend_name

AUTO = "auto"
"""Value of ``distributed`` for detection."""

_VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
"""Environment variables, set by Kubeflow's trainer or by hand."""

_Found: TypeAlias = tuple[str, int, int, tuple[int, ...] | None]
"""Address of rank 0, number of processes, rank, and this process's GPUs if not all."""


def check_jax() -> None:
    """Check that the backend can train on several machines.

    Raises:
        ConfigError: It is not JAX.
    """
    if backend_name() != "jax":
        raise ConfigError(
            f"`distributed` needs the backend jax, but this is {backend_name()}. "
            "Set KERAS_BACKEND=jax."
        )


def detected_cluster() -> Cluster | None:
    """Detect the processes that were started together; None: this process is alone.

    Raises:
        ConfigError: The backend is not JAX, or no launcher is detected.
    """
    check_jax()
    import jax

    if jax.distributed.is_initialized():
        return initialized_cluster()
    address, processes, rank, devices = _from_variables() or _from_launcher()
    return Cluster(address, processes, rank, devices) if processes != 1 else None


def initialized_cluster() -> Cluster | None:
    """Return the processes of a JAX that is already initialized.

    Returns:
        The cluster; None: JAX is not initialized, or has one process.
    """
    if backend_name() != "jax" or "jax" not in sys.modules:
        return None
    import jax

    if not jax.distributed.is_initialized():
        return None
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    if jax.process_count() == 1:
        return None
    from jax._src.distributed import global_state
    from jax.experimental import multihost_utils

    # JAX's coordinator occupies its port; rank 0, at the same address, uses another.
    host = str(global_state.coordinator_address).rpartition(":")[0]
    port = int(multihost_utils.broadcast_one_to_all(_free_port()))
    return Cluster(f"{host}:{port}", jax.process_count(), jax.process_index(), initialized=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
    return port


def _from_variables() -> _Found | None:
    address, *numbers = (os.environ.get(name) for name in _VARIABLES)
    if not address or not all(numbers):
        return None  # JAX's detection may know the rest
    try:
        processes, rank = (int(str(number)) for number in numbers)
    except ValueError as error:
        raise ConfigError(
            f"{_VARIABLES[1]} is {numbers[0]!r} and {_VARIABLES[2]} is {numbers[1]!r}; expected "
            "whole numbers."
        ) from error
    return address, processes, rank, None


def _from_launcher() -> _Found:
    from jax._src.clusters import ClusterEnv

    try:
        address, processes, rank, devices = ClusterEnv.auto_detect_unset_distributed_params(
            os.environ.get(_VARIABLES[0]), None, None, None, None, int(ARRIVAL)
        )
    except (KeyError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"`distributed` auto: JAX cannot use the settings of this launcher ({error}). Set "
            "`distributed` HOST:PORT, `processes` and `rank`."
        ) from error
    if address is None or processes is None or rank is None:
        raise ConfigError(
            "`distributed` auto: no launcher was detected. Expected Slurm (srun), Open MPI "
            f"(mpirun), Kubernetes, or {', '.join(_VARIABLES)}; otherwise set `distributed` "
            "HOST:PORT, `processes` and `rank`."
        )
    return address, processes, rank, None if devices is None else tuple(devices)
