"""Several devices of a machine that share each batch.

Knows: how many there are, and what has to fit. Does not know: where arrays lie
(:mod:`kerascnn.training.steps.sharding`).
"""

from __future__ import annotations

import keras

from kerascnn.errors import ConfigError
from kerascnn.training.config import TrainConfig

ALL = "all"


def count_devices(wanted: str) -> int:
    """Count the devices of this process that share each batch.

    Args:
        wanted: A number, or ``all``.

    Returns:
        How many.

    Raises:
        ConfigError: More than there are; or more than one on a backend that cannot.
    """
    if keras.config.backend() != "jax":
        if wanted != "1":
            raise ConfigError(
                f"--devices {wanted} works on the backend jax, and this is "
                f"{keras.config.backend()}. Set KERAS_BACKEND=jax, or leave --devices out."
            )
        return 1
    import jax

    there: int = jax.local_device_count()
    if wanted == ALL:
        return there
    if int(wanted) > there:
        raise ConfigError(
            f"--devices {wanted}: JAX sees {there} here ({jax.default_backend()}). Expected at "
            f"most {there}, or all. `kerascnn doctor` shows them."
        )
    return int(wanted)


def check_devices(config: TrainConfig, pictures: int) -> None:
    """Refuse a batch that the devices cannot share evenly, before anything is trained or written.

    Args:
        config: Of the run.
        pictures: For training.

    Raises:
        ConfigError: So it is; or no such devices.
    """
    devices = count_devices(config.devices) * count_processes()
    batch = min(config.batch_size, pictures)
    if batch % devices:
        fitting = batch - batch % devices or devices
        raise ConfigError(
            f"a batch of {batch} pictures cannot be shared evenly by {devices} devices. "
            f"Expected --batch-size to be a multiple of {devices}, e.g. {fitting}."
        )


def count_processes() -> int:
    """Count the processes that train together, this one included."""
    if keras.config.backend() != "jax":
        return 1
    import jax

    count: int = jax.process_count()
    return count
