"""Train with Ray Train: its JaxTrainer starts the processes and initializes JAX for them.

ray job submit -- python ray_train.py /shared/flowers /shared/runs/flowers epochs=20 batch_size=64
Needs kerascnn[jax] and ray[train] on every machine, and KERAS_BACKEND=jax there.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def train(options: dict[str, Any]) -> None:
    """Train in one of the processes; rank 0 writes the run."""
    from kerascnn import training

    training.fit(training.TrainConfig(**options), resume=True)


def main() -> None:
    """Start two processes with a GPU each, or on processors where JAX_PLATFORMS is cpu."""
    from ray.train import ScalingConfig
    from ray.train.v2.jax import JaxConfig, JaxTrainer

    data, out, *more = sys.argv[1:]
    gpu = os.environ.get("JAX_PLATFORMS") != "cpu"
    JaxTrainer(
        train,
        train_loop_config={"data": data, "out": out, **dict(word.split("=", 1) for word in more)},
        jax_config=JaxConfig(use_gpu=True),  # else Ray does not initialize JAX
        scaling_config=ScalingConfig(num_workers=2, use_gpu=gpu),
    ).fit()


if __name__ == "__main__":
    main()
