"""The placement of arrays on JAX: on one device, or on several that share each batch.

Knows: JAX's meshes and shardings. Does not know: steps, models.

With several devices the pictures and all variables are replicated, and each device works on its
part of every batch. The compiler (GSPMD) sees one program over the whole batch, so every mean over
the batch, such as loss, gradients and the statistics of BatchNormalization, is that of the whole
batch: the arithmetic is that of one device, except for the order of sums.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "batch"
"""Name of the mesh's only axis: pictures are divided over it, weights are replicated."""


class Sharding:
    """The placement of arrays: here of everything on JAX's first device."""

    def put(self, array: Any) -> jax.Array:
        """Copy a whole array to the devices; may be called from another thread."""
        return jnp.asarray(array) if isinstance(array, jax.Array) else jax.device_put(array)

    def shard(self, batch: Any) -> Any:
        """Shard a batch along its first axis; called during compilation."""
        return batch

    def local_copy(self, array: jax.Array) -> jax.Array:
        """Return a replicated array as one that the rest of the program can use."""
        return array

    def wait_for(self, array: jax.Array) -> None:
        """Wait for a step, if steps must not overlap, as they may on one device."""

    def broadcast(self, number: int) -> int:
        """Return the first process's number, so that all call the same steps."""
        return number


class ManyDevices(Sharding):
    """Replicates variables and pictures on every device; each works on its part of a batch."""

    def __init__(self, devices: int) -> None:
        self._here = jax.local_devices()[:devices]
        chosen = [
            device
            for process in range(jax.process_count())
            for device in [one for one in jax.devices() if one.process_index == process][:devices]
        ]
        mesh = Mesh(np.array(chosen), (AXIS,))
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._parts = NamedSharding(mesh, PartitionSpec(AXIS))

    def put(self, array: Any) -> jax.Array:
        """Copy an array to each device of this process; the others do the same."""
        copies = [jax.device_put(array, device) for device in self._here]
        return jax.make_array_from_single_device_arrays(copies[0].shape, self._everywhere, copies)

    def shard(self, batch: Any) -> Any:
        """Split a batch over the devices."""
        return jax.lax.with_sharding_constraint(batch, self._parts)

    def local_copy(self, array: jax.Array) -> jax.Array:
        """Return the copy on this process' first device."""
        return array.addressable_data(0)

    def wait_for(self, array: jax.Array) -> None:
        """Wait for a step.

        On CPUs the devices of a process share one thread pool: two steps at once can occupy all of
        it and wait for each other forever.
        """
        array.block_until_ready()

    def broadcast(self, number: int) -> int:
        """Broadcast the number of the first process, so that all call the same steps."""
        if jax.process_count() == 1:
            return number
        return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def make_sharding(devices: int) -> Sharding:
    """Choose the placement of arrays."""
    return Sharding() if devices * jax.process_count() == 1 else ManyDevices(devices)
