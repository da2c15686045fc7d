"""Train with Ray Train: its JaxTrainer starts the processes and initialises JAX for them.

ray job submit -- python ray_train.py /shared/flowers /shared/runs/flowers
Needs kerascnn[jax] and ray[train] on every machine, and KERAS_BACKEND=jax there.
"""

from __future__ import annotations

import sys
from typing import Any


def train(options: dict[str, Any]) -> None:
    """Train in one of the processes; rank 0 writes the run."""
    from kerascnn import training

    training.fit(training.TrainConfig(**options), resume=True)


def main() -> None:
    """Start two processes with a GPU each."""
    from ray.train import ScalingConfig
    from ray.train.v2.jax import JaxTrainer

    JaxTrainer(
        train,
        train_loop_config={"data": sys.argv[1], "out": sys.argv[2]},
        scaling_config=ScalingConfig(num_workers=2, use_gpu=True),
    ).fit()


if __name__ == "__main__":
    main()
