"""What the contenders of scripts/bench_train do: a round of training steps, in Keras or PyTorch.

Knows: the tasks, and the steps of each contender. Does not know who is compared with whom, nor
tables. Needs only what the contender needs: kerascnn and Keras, or PyTorch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CLASSES, RATE, DECAY = 10, 0.003, 0.05


class Task(NamedTuple):
    """What is trained on what."""

    model: str
    size: int
    batch: int
    precision: str
    pictures: int
    """In a round."""


TASKS = {
    "cnn": Task("cnn", 32, 128, "float32", 5_120),
    "cnn4": Task("cnn4", 64, 64, "float32", 1_280),
    "resnet20": Task("resnet20", 32, 64, "float32", 1_280),
    "resnet18": Task("resnet18", 64, 32, "float32", 320),
    "resnet18-bf16": Task("resnet18", 64, 32, "mixed_bfloat16", 320),
    "resnet50": Task("resnet50", 224, 256, "mixed_bfloat16", 5_120),
}
WHO = ("tensorflow", "jax", "fit", "torch", "torch-channels-last", "torch-compile")


def task_of(name: str) -> Task:
    """Look a task up; --pictures reaches the processes through the environment."""
    task = TASKS[name]
    return task._replace(pictures=int(os.environ.get("BENCH_PICTURES") or task.pictures))


def pictures_of(size: int, count: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Make random pictures and labels: speed does not depend on what they show."""
    import numpy as np

    random = np.random.default_rng(0)
    shape = (count, size, size, 3)
    return random.integers(0, 256, shape, np.uint8), random.integers(0, CLASSES, count)


def rounds_of(task: Task, who: str, device: str) -> Iterator[None]:
    """Give an iterator that trains on every picture once, each time that it is advanced."""
    if who.startswith("torch"):
        return torch_rounds(task, who, device)
    os.environ["KERAS_BACKEND"] = "jax" if who == "jax" else "tensorflow"
    return fit_rounds(task, device) if who == "fit" else kerascnn_rounds(task, device)


def keras_model(task: Task, device: str) -> tuple[Any, Any]:
    """Build a model from pixels to logits, and its optimizer."""
    from kerascnn.training.config import TrainConfig
    from kerascnn.training.distribution.device import choose_device
    from kerascnn.training.mixed_precision import set_precision
    from kerascnn.training.networks import build_network, find_network
    from kerascnn.training.networks.from_pixels import from_pixels
    from kerascnn.training.optimizers import make_optimizer

    choose_device(device)
    core = build_network(task.model, CLASSES, task.size)
    set_precision(core, task.precision)
    whole = from_pixels(core, find_network(task.model).normalization)
    return whole, make_optimizer(core, TrainConfig(), RATE, 10_000)


def fit_rounds(task: Task, device: str) -> Iterator[None]:
    """Train with Keras' fit."""
    import keras

    whole, optimizer = keras_model(task, device)
    images, labels = pictures_of(task.size, task.pictures)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    whole.compile(optimizer, loss, metrics=["accuracy"], jit_compile=device == "gpu")
    while True:
        whole.fit(images, labels, batch_size=task.batch, verbose=0)
        yield


def kerascnn_rounds(task: Task, device: str) -> Iterator[None]:
    """Train with kerascnn's own steps."""
    from kerascnn.training.data.pack import Pack
    from kerascnn.training.trainer.epoch import Trainer
    from kerascnn.training.trainer.loss import Loss
    from kerascnn.training.trainer.make_backend import make_backend

    whole, optimizer = keras_model(task, device)
    images, labels = pictures_of(task.size, task.pictures)
    backend = make_backend(whole, optimizer, Loss(CLASSES, 0.0, None), task.batch)
    pack = Pack(images, labels, (), (), "")
    trainer = Trainer(whole, optimizer, backend, pack, task.batch, resident=True)
    epoch = 0
    while True:
        epoch += 1
        for _ in trainer.epoch(0, epoch):
            pass
        yield


def torch_rounds(task: Task, who: str, device: str) -> Iterator[None]:
    """Train with a plain PyTorch loop."""
    try:
        import torch
    except ModuleNotFoundError:
        sys.exit(f"{sys.executable} has no PyTorch. Name a Python that has it: --torch PYTHON")
    from bench_torch_networks import build

    place = "cuda" if device == "gpu" else "cpu"
    layout = torch.contiguous_format if who == "torch" else torch.channels_last
    drawn, numbers = pictures_of(task.size, task.pictures)
    images = torch.from_numpy(drawn).permute(0, 3, 1, 2).to(place).contiguous()
    images, labels = images.to(memory_format=layout), torch.from_numpy(numbers).to(place)
    net = build(task.model, task.size, CLASSES).to(place, memory_format=layout).train()
    step_net = torch.compile(net) if who == "torch-compile" else net
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    loss_of = torch.nn.CrossEntropyLoss()
    low = torch.autocast(place, torch.bfloat16, enabled=task.precision == "mixed_bfloat16")
    whole = task.pictures // task.batch * task.batch
    while True:
        total = torch.zeros((), device=place)
        for chosen in torch.randperm(task.pictures, device=place)[:whole].split(task.batch):
            pictures = images[chosen].float().div_(127.5).sub_(1).contiguous(memory_format=layout)
            optimizer.zero_grad(set_to_none=True)
            with low:
                loss = loss_of(step_net(pictures), labels[chosen])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()
        yield


def work(name: str, who: str, device: str) -> None:
    """Run a round whenever the other side says so; answer with its seconds."""
    rounds = rounds_of(task_of(name), who, device)
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        next(rounds)
        spent = time.perf_counter() - began, time.process_time() - used
        print(json.dumps(spent), flush=True)
