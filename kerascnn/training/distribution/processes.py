"""Several processes, of one machine or more, that share each batch.

Knows: how many there are, and what must be the same in all. Does not know: their devices
(:mod:`.local_devices`), where arrays are (:mod:`.sharding`), how they connect (:mod:`.rendezvous`).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from kerascnn.errors import ConfigError, DataError, KerascnnError, TrainingError
from kerascnn.training.config import AUTOMATIC, TrainConfig
from kerascnn.training.distribution.detection import AUTO, check_jax, detected_cluster
from kerascnn.training.distribution.rendezvous import ARRIVAL, Cluster, PeerMonitor, connect_all
from kerascnn.training.keras_backend import backend_name
from kerascnn.training.run.checkpoint import Checkpoint, latest_checkpoint
from kerascnn.training.run.provenance import versions

if TYPE_CHECKING:
    import keras

OWN = ("data", "out", "cache")
"""Options that may differ between processes; the contents of DATA are compared, not its name."""

LOSS_NOTICE = 5.0
"""Seconds within which the end of another process is noticed."""


def count_processes() -> int:
    """Count the processes that train together, this one included."""
    if backend_name() != "jax":
        return 1
    import jax

    count: int = jax.process_count()
    return count


def is_first() -> bool:
    """Return whether this process is rank 0, the one that writes."""
    if backend_name() != "jax":
        return True
    import jax

    first: bool = jax.process_index() == 0
    return first


def cluster_of(address: str | None, processes: int | None, rank: int | None) -> Cluster | None:
    """Interpret the options of a run on several machines; None: this process is alone.

    Args:
        address: ``HOST:PORT`` of rank 0; ``auto``: detected.

    Raises:
        ConfigError: Some are missing or wrong.
    """
    if address is None and processes is None and rank is None:
        return None
    if address == AUTO and processes is None and rank is None:
        return detected_cluster()
    if address in (None, AUTO) or processes is None or rank is None:
        raise ConfigError(
            "`distributed` HOST:PORT, `processes` N and `rank` I belong together: give all three, "
            "or `distributed` auto alone."
        )
    return Cluster(address, processes, rank)


def check_cluster(cluster: Cluster | None, config: TrainConfig) -> None:
    """Refuse options that do not work with several processes.

    Raises:
        ConfigError: The backend is not JAX, the scope is left to advice, the time is limited, or
            there is a second training.
    """
    if cluster and config.trainable == "auto":
        raise ConfigError(
            "`distributed` cannot be combined with `trainable` auto. Run `kerascnn advise` "
            "first, and set the scope."
        )
    if cluster and config.time:
        raise ConfigError(
            "`distributed` cannot be combined with `time`: each process would measure a "
            "different speed. Set `epochs`."
        )
    if cluster and config.refit == "yes":
        raise ConfigError("`distributed` cannot be combined with `refit` yes. Leave `refit` out.")
    if cluster:
        check_jax()


@contextmanager
def process_group(cluster: Cluster | None, config: TrainConfig) -> Iterator[None]:
    """Join the group of processes that train together while the block runs.

    Args:
        cluster: The cluster; None: this process is alone.
        config: Configuration of the run; it must be the same everywhere, except for paths.

    Yields:
        When all are connected. If one is lost, this process says so and ends with exit code 1: it
        may be blocked forever, deep inside a reduction over all.

    Raises:
        ConfigError: The processes do not match.
        TrainingError: Not all connected in time.
    """
    if cluster is None:
        yield
        return
    import jax

    about = {**asdict(config), **versions()}
    compared = {name: about[name] for name in about if name not in (*OWN, *AUTOMATIC)}
    watch = PeerMonitor(connect_all(cluster, compared), _exit_after_loss)
    try:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        if not cluster.initialized:
            _initialize(cluster)
        yield
    except KerascnnError as error:
        watch.stop(str(error))
        raise
    except KeyboardInterrupt:
        watch.stop("stopped by hand")
        raise
    except Exception:
        # A failed reduction is a sign of a lost process, whose own message says more.
        time.sleep(LOSS_NOTICE)
        watch.stop("it failed; see what it says")
        raise
    _end(cluster, watch)


def _end(cluster: Cluster, watch: PeerMonitor) -> None:
    import jax

    watch.finish()
    if cluster.rank == 0:
        # JAX's coordinator runs here: processes that leave after it are aborted.
        watch.shutdown()
    if not cluster.initialized:
        jax.distributed.shutdown()
    watch.close()


def _initialize(cluster: Cluster) -> None:
    import jax

    # A lost process must not abort the others before they can say so.
    jax.config.update("jax_enable_recoverability", True)
    jax.distributed.initialize(
        cluster.address,
        cluster.processes,
        cluster.rank,
        local_device_ids=cluster.local_devices,
        cluster_detection_method="deactivate",
        initialization_timeout=int(ARRIVAL),
    )


def _exit_after_loss(told: str) -> None:
    sys.stderr.write(f"\nError: {told}\n")
    sys.stderr.flush()
    os._exit(TrainingError.exit_code)


def check_same_data(fingerprint: str) -> None:
    """Check that all processes have the same data.

    Raises:
        DataError: They differ; raised in all processes.
    """
    if count_processes() == 1:
        return
    from jax.experimental import multihost_utils

    mine = np.frombuffer(bytes.fromhex(fingerprint), np.uint8)
    every = np.asarray(multihost_utils.process_allgather(mine))
    other = [str(rank) for rank, one in enumerate(every) if (one != every[0]).any()]
    if other:
        raise DataError(
            f"the data of rank {', '.join(other)} is not that of rank 0: other classes, pictures "
            "or labels. Expected the same data on every machine."
        )


def check_same_options(config: TrainConfig) -> None:
    """Check that options left to ``auto`` have the same value in all processes.

    Raises:
        ConfigError: They differ from those of rank 0.
    """
    mine = {name: getattr(config, name) for name in AUTOMATIC}
    first = mine if count_processes() == 1 else json.loads(_broadcast(json.dumps(mine).encode()))
    for name in AUTOMATIC:
        if mine[name] != first[name]:
            raise ConfigError(
                f"`{name}` is {mine[name]} here and {first[name]} on rank 0. "
                "Expected the same options on every machine."
            )


def broadcast_from_first(*numbers: float) -> tuple[float, ...]:
    """Broadcast numbers from rank 0 to all processes, bit for bit."""
    if count_processes() == 1:
        return numbers
    found = np.frombuffer(_broadcast(np.array(numbers, np.float64).tobytes()), np.float64)
    return tuple(found.tolist())


def broadcast_state(core: keras.Model, checkpoint: Checkpoint | None) -> Checkpoint | None:
    """Broadcast weights and checkpoint (or None) from rank 0 to all processes."""
    if count_processes() == 1:
        return checkpoint
    from jax.experimental import multihost_utils

    for variable in core.variables:
        variable.assign(
            np.asarray(multihost_utils.broadcast_one_to_all(np.asarray(variable.value)))
        )
    with TemporaryDirectory() as name:
        folder = Path(name)
        if checkpoint:
            checkpoint.save(folder)
        data = _broadcast(b"".join(path.read_bytes() for path in folder.glob("*.npz")))
        if checkpoint or not data:
            return checkpoint
        (folder / "epoch-000001.npz").write_bytes(data)
        return latest_checkpoint(folder)


def _broadcast(data: bytes) -> bytes:
    """Broadcast bytes from rank 0 to all processes, whose own are ignored."""
    from jax.experimental import multihost_utils

    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(data))))
    mine = np.resize(np.frombuffer(data or b"\0", np.uint8), size)
    return np.asarray(multihost_utils.broadcast_one_to_all(mine)).tobytes() if size else b""
