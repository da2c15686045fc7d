"""Epochs over a pack that is resident in device memory or streamed to it.

Knows: the two feeds, and how many steps go into one call. Does not know: TensorFlow, JAX, files.

Both feeds run the same compiled steps over the same pictures in the same order. Resident: the whole
pack is in device memory, and each call indexes into it. Streamed: a thread prefetches the pictures
of the next few steps while the device works on the current ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerascnn.training.augmentation.batch import BatchAugmentation, Draws
from kerascnn.training.data.pack import Pack, read_ahead, shuffled_order, steps_per_epoch
from kerascnn.training.optimizers.ema import ExponentialMovingAverage
from kerascnn.training.trainer.backend import Array, Backend, Losses

SECONDS = 1.0
"""Target duration of one compiled call, in seconds: short enough for progress and for Ctrl-C."""

BUFFER_BYTES = 2**26
"""Bytes of pictures per streamed transfer; two such buffers are in use. To bound the memory is its
purpose: between 1 and 256 MB, the processor time of an epoch did not depend on it on a CPU. Not
measured on a GPU."""


class Trainer:
    """A model being trained on a pack.

    Args:
        model: Network from uint8 ``[batch, size, size, 3]`` (or features) to logits.
        optimizer: Optimizer of the model.
        backend: The compiled steps.
        pack: Training pictures.
        batch_size: Pictures per step; the last batch of an epoch is padded with repeated pictures.
        resident: Whether the pack is kept in device memory.
        changing: Random crops and mixing of the pictures; None for neither.
        averages: Moving averages (EMA) that the backend updates in every step.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        backend: Backend,
        pack: Pack,
        batch_size: int,
        resident: bool,
        changing: BatchAugmentation | None = None,
        averages: ExponentialMovingAverage | None = None,
    ) -> None:
        self.model, self.optimizer, self.batch_size = model, optimizer, batch_size
        self.averages = averages
        self.steps = steps_per_epoch(len(pack), batch_size)
        self.resident, self.xla = resident, backend.xla
        self._backend, self._pack, self._changing = backend, pack, changing
        self._labels = pack.labels.astype(np.int32)
        self._data = backend.put(pack.images, self._labels) if resident else None
        self._pace = _Pace()

    def epoch(self, seed: int, epoch: int) -> Iterator[tuple[int, Losses, Losses]]:
        """Train for one epoch on every picture; those that pad the last batch are seen twice.

        Args:
            epoch: Number of the epoch, from 1; with the seed it determines the order.

        Yields:
            After every call: the number of steps done, and for each step of the call the mean loss
            in nats (smoothed and weighted if configured) and the number of correct predictions.
        """
        order = shuffled_order(len(self._pack), self.batch_size, seed, epoch)
        draws = None
        if self._changing:
            draws = self._changing.draw(self.steps, self.batch_size, seed, epoch)
        if self.resident:
            feed = self._calls(self._data, order, self.steps, draws)
        else:
            feed = self._streamed(order, draws)
        done = 0
        for losses, right in feed:
            done += len(losses)
            yield done, losses, right

    def learning_rate(self) -> float:
        """Return the learning rate of the next step."""
        return float(keras.ops.convert_to_numpy(self.optimizer.learning_rate))

    def _streamed(
        self, order: npt.NDArray[np.int32], draws: Draws | None
    ) -> Iterator[tuple[Losses, Losses]]:
        size = int(self._pack.images[:1].nbytes) * self.batch_size
        steps = min(self.steps, max(1, BUFFER_BYTES // size))
        numbers = np.arange(steps * self.batch_size, dtype=np.int32)
        with ThreadPoolExecutor(1) as thread:
            waiting: Future[Any] = thread.submit(self._gather, order, 0, len(numbers))
            for start in range(0, self.steps, steps):
                # The next buffer is gathered and copied while the device works on this one.
                data = waiting.result()
                following = (start + steps) * self.batch_size
                waiting = thread.submit(self._gather, order, following, len(numbers))
                # Padded to a constant number of rows, like the pictures.
                rows = None if draws is None else draws.rows(start, steps)
                yield from self._calls(data, numbers, min(steps, self.steps - start), rows)

    def _gather(self, order: npt.NDArray[np.int32], start: int, count: int) -> Any:
        chosen = order[start : start + count]
        if not len(chosen):
            return None
        # A constant number of rows, so that the function compiles once; surplus rows are unused.
        chosen = np.resize(chosen, count)
        read_ahead(self._pack.images, chosen)
        return self._backend.put(self._pack.images[chosen], self._labels[chosen])

    def _calls(
        self, data: Any, order: Array, steps: int, draws: Draws | None
    ) -> Iterator[tuple[Losses, Losses]]:
        start = 0
        while start < steps:
            stop = min(steps, start + self._backend.broadcast(self._pace.steps))
            with self._pace.timing(stop - start):
                found = self._backend.run(data, order, start, stop, draws)
            yield found
            start = stop


_TIMED = 8
"""Steps of the second call, the first that is timed: enough for a mean, few enough to be short."""

_GROWTH = 64
"""Maximum growth of the steps from one call to the next; a call that seemed to take no time would
otherwise ask for millions of steps, and progress would stall."""


class _Pace:
    """The number of steps that fit into :data:`SECONDS`, measured call by call."""

    def __init__(self) -> None:
        self.steps = 1  # the first call compiles: its time does not count
        self._calls = 0
        self._count, self._began = 0, 0.0

    def timing(self, count: int) -> _Pace:
        self._count = count
        return self

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        seconds = (time.perf_counter() - self._began) / self._count
        self._calls += 1
        wanted = _TIMED if self._calls == 1 else int(SECONDS / max(seconds, 1e-9))
        self.steps = max(1, min(wanted, _GROWTH * max(self.steps, self._count)))
