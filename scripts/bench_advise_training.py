"""Training a task with every scope: for scripts/bench_advise.

Knows: how networks are pretrained, which ways there are, and what each reaches. Does not know which
tasks there are, nor the tables.
"""

from __future__ import annotations

import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_advise_tasks import SIZE, SOURCES, TEST, Labeled, Task, dealt, pictures_of

BATCH = 32
# The scopes from the shallowest to the deepest; then from nothing, with random weights.
WAYS = {
    "cnn": {"head": "head", "last": "from:hidden", "middle": "from:block2", "all": "all"},
    "lenet5_modern": {"head": "head", "last": "from:f6", "middle": "from:c5", "all": "all"},
    "resnet18": {"head": "head", "last": "from:conv5", "middle": "from:conv4", "all": "all"},
}
DEEPER = 0.3
"""Of the network's learning rate: what scopes beyond the head learn at, after the head's phase. Of
0.1 and 0.3, better in 23 of 24 pairs on four tasks (20 to 300 a class) that are not in the table.
"""
Weights = list[npt.NDArray[Any]]
"""Of a network, in Keras' order."""
Reached = dict[str, tuple[float, float]]
"""Test top-1 and seconds of training, by way."""


class Course:
    """A network whose scope is compiled once, and trained again and again."""

    def __init__(
        self, network: str, classes: int, scope: str, batch: int, steps: int, rate: float
    ) -> None:
        from kerascnn.training.config import TrainConfig
        from kerascnn.training.networks import build_network, find_network
        from kerascnn.training.networks.blocks import set_trainable
        from kerascnn.training.networks.from_pixels import from_pixels
        from kerascnn.training.optimizers import make_optimizer
        from kerascnn.training.trainer.loss import Loss
        from kerascnn.training.trainer.make_backend import make_backend

        row = find_network(network)
        self.core = build_network(network, classes, SIZE)
        self.first = self.core.get_weights()
        set_trainable(self.core, scope)
        self.model = from_pixels(self.core, row.normalization)
        self.model.jit_compile = False
        self.optimizer = make_optimizer(self.core, TrainConfig(), row.learning_rate * rate, steps)
        self.backend = make_backend(self.model, self.optimizer, Loss(classes, 0, None), batch)
        self.batch, self.steps = batch, steps
        self.fresh = [np.array(variable) for variable in self.optimizer.variables]

    def learn(self, weights: Weights, train: Labeled, seed: int) -> Weights:
        """Train from some weights; gives the new ones."""
        self.core.set_weights(weights)
        for variable, value in zip(self.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        rng, images = np.random.default_rng([seed, 1]), train[0]
        whole = len(images) // self.batch * self.batch
        rounds = -(-self.steps * self.batch // whole)
        order = np.concatenate([rng.permutation(len(images))[:whole] for _ in range(rounds)])
        data = self.backend.put(images, train[1].astype(np.int32))
        order = order[: self.steps * self.batch].astype(np.int32)
        self.backend.run(data, order, 0, self.steps)
        learned: Weights = self.core.get_weights()
        return learned

    def right(self, weights: Weights, test: Labeled) -> float:
        """Give the share of right answers."""
        from kerascnn.training.networks.from_pixels import predict_logits

        self.core.set_weights(weights)
        return float((predict_logits(self.model, test[0]).argmax(1) == test[1]).mean())


@cache
def course(network: str, classes: int, scope: str, batch: int, steps: int, rate: float) -> Course:
    """Compile a course, or give the one that was."""
    return Course(network, classes, scope, batch, steps, rate)


def pretrained(network: str, source: str, work: Path) -> Weights:
    """Give the weights of a network that has learned a source."""
    path = work / f"{network}-{source}.npz"
    if not path.exists():
        import keras

        keras.utils.set_random_seed(0)  # else each process begins with another network
        data, classes, how = SOURCES[source]
        train = dealt(data, how, classes, "source", 2000, 0)
        steps = 320 if network == "resnet18" else 800
        whole = course(network, len(classes), "all", 64, steps, 1.0)
        weights = whole.learn(whole.first, train, 0)
        top1 = whole.right(weights, dealt(data, how, classes, "test", TEST, 0))
        print(f"{path.stem}: {top1:.1%} of its own", file=sys.stderr, flush=True)
        np.savez(path, *weights)
    with np.load(path) as file:
        return [file[name] for name in file.files]


def with_head(weights: Weights, fresh: Weights) -> Weights:
    """Take a pretrained network with a new head, which is its last two weights."""
    return [*weights[:-2], *fresh[-2:]]


def steps_for(pictures: int) -> int:
    """Say how many steps a task gets: more where there is more to learn."""
    return 160 if pictures <= 300 else 320 if pictures <= 1500 else 480


def learn_all(task: Task, seed: int, work: Path) -> Reached:
    """Train a task with every scope; gives accuracy and seconds."""
    import keras

    from kerascnn.training.networks import build_network

    data = pictures_of(task, seed)
    train, classes = data["train"], len(task.classes)
    batch, steps = min(BATCH, len(train[0])), steps_for(len(train[0]))
    source = pretrained(task.network, task.source, work)

    def learned(scope: str, weights: Weights, count: int, rate: float) -> Weights:
        return course(task.network, classes, scope, batch, count, rate).learn(weights, train, seed)

    def reached(scope: str, weights: Weights, rate: float) -> tuple[float, float]:
        began = time.perf_counter()
        top1 = judge.right(learned(scope, weights, steps, rate), data["test"])
        return top1, time.perf_counter() - began

    keras.utils.set_random_seed(seed)
    random = build_network(task.network, classes, SIZE).get_weights()
    start = with_head(source, random)
    judge = course(task.network, classes, "all", batch, steps, DEEPER)
    warm = learned("head", start, steps // 4, 1.0)
    found = {
        way: reached(scope, start, 1.0) if way == "head" else reached(scope, warm, DEEPER)
        for way, scope in WAYS[task.network].items()
    }
    return {**found, "scratch": reached("all", random, 1.0)}
