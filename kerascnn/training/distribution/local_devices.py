"""The devices of a machine that share each batch.

Knows: how many there are, which batches they can share, and that TensorFlow's variables are
created on all of them. Does not know: other machines (:mod:`.processes`), what a step does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras

from kerascnn.errors import ConfigError
from kerascnn.training.auto.hyperparameters import batch_size_for
from kerascnn.training.config import TrainConfig
from kerascnn.training.distribution.device import choose_device
from kerascnn.training.distribution.processes import count_processes

ALL = "all"
"""Value of ``devices`` for all devices of the machine."""

_SPELLED = {"jax": "JAX", "tensorflow": "TensorFlow"}


def count_devices(wanted: str) -> int:
    """Count the devices of this process that share each batch.

    Raises:
        ConfigError: There are fewer.
    """
    backend = keras.config.backend()
    if wanted == "1":
        return 1
    there, kind = _devices_here()
    if wanted == ALL:
        return there
    if int(wanted) > there:
        raise ConfigError(
            f"`devices` {wanted}: {_SPELLED.get(backend, backend)} sees {there} here ({kind}). "
            f"Expected at most {there}, or all. `kerascnn doctor` shows them."
        )
    return int(wanted)


def _devices_here() -> tuple[int, str]:
    """Return the number of devices of this process, and their kind."""
    if keras.config.backend() == "jax":
        import jax

        return jax.local_device_count(), jax.default_backend()
    if keras.config.backend() != "tensorflow":
        return 1, "one"
    return len(_tensorflow_devices()), "gpu" if "GPU" in _tensorflow_devices()[0] else "cpu"


def _tensorflow_devices() -> list[str]:
    import tensorflow as tf

    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


@contextmanager
def sharing(device: str, devices: str) -> Iterator[None]:
    """Create variables on all devices that share each batch, while the block runs.

    Only TensorFlow needs this; on JAX the steps distribute the variables.

    Raises:
        ConfigError: There are no such devices.
    """
    # JAX must not look for devices before --deterministic has set its flags.
    if devices == "1" or keras.config.backend() != "tensorflow":
        yield
        return
    choose_device(device)  # before TensorFlow lists its devices
    count = count_devices(devices)
    if count == 1:
        yield
        return
    with _mirrored(tuple(_tensorflow_devices()[:count])).scope():
        yield


@cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    """Create the strategy of some devices once; a second one would reuse its collective keys.

    TensorFlow takes reductions with the same key for parts of one, and stops if their shapes
    differ.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(devices))


def check_devices(config: TrainConfig, pictures: int) -> None:
    """Check that the devices can share a batch, before anything is trained or written.

    Raises:
        ConfigError: They cannot, or there are no such devices.
    """
    devices = total_devices(config.devices)
    if devices > 1 and config.accumulate > 1 and keras.config.backend() == "tensorflow":
        raise ConfigError(
            f"`accumulate` {config.accumulate} with `devices` {config.devices} needs the "
            "backend jax, but this is tensorflow. Set KERAS_BACKEND=jax, or use larger batches."
        )
    batch = min(batch_size_for(config.batch_size, pictures), pictures)
    if batch % devices:
        fitting = batch - batch % devices or devices
        raise ConfigError(
            f"a batch of {batch} pictures cannot be divided evenly among {devices} devices. "
            f"Expected `batch_size` to be a multiple of {devices}, e.g. {fitting}."
        )


def total_devices(wanted: str) -> int:
    """Count the devices of all processes that share each batch; see :func:`count_devices`."""
    return count_devices(wanted) * count_processes()
