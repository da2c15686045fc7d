"""The second training of a run, on training and validation pictures together.

Knows: what it has in common with the first, and what differs. Does not know: whether there is one
(:mod:`kerascnn.training.one_run`), what its network is used for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from kerascnn.dataset.split import join
from kerascnn.inference.learned import REMEMBERED
from kerascnn.training.callbacks import Callback, EpochRecord
from kerascnn.training.clock import Deadline
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.feed import Feed, with_all_pictures
from kerascnn.training.distribution.device import start_deterministically
from kerascnn.training.mixed_precision import set_precision
from kerascnn.training.networks import Network
from kerascnn.training.phases import phase_ends, phases
from kerascnn.training.run.checkpoint import latest_checkpoint
from kerascnn.training.run.folder import Run
from kerascnn.training.trainer.loop import TrainingLoop
from kerascnn.training.trainer.parts import RunParts
from kerascnn.training.trainer.time_limit import with_epochs
from kerascnn.training.weights.start import start_network


def refit(
    run: Run, feed: Feed, device: str, progress: Callback, deadline: Deadline | None = None
) -> None:
    """Train a second network with the configuration and the seed of the first, on all pictures.

    It is written to ``run.second`` after its last epoch. If it was begun before, it continues; if
    it has ended, nothing is done.

    Args:
        deadline: Deadline of the run; None: no limit.

    Raises:
        TrainingError: The loss is not finite.
        KeyboardInterrupt: Interrupted by the user; it can be resumed.
    """
    second = run.second
    if run.exported == second:
        return
    feed, config = with_all_pictures(feed), run.config
    start_deterministically(config.seed, config.deterministic)
    start = start_network(config.model, len(feed.dataset.classes), feed.size, config.weights)
    set_precision(start.core, config.precision)
    begun = second.config_path.exists()
    config = second.config if begun else _as_long(config, run.history, start.network)
    checkpoint = latest_checkpoint(second.checkpoint_folder) if begun else None
    parts = RunParts(config, device, feed, start)
    loop = _Refit(parts, second, _LiveOnly(progress), deadline)
    split = join([feed.dataset.splits[name] for name in ("train", "val")])
    about = {"refit": True, REMEMBERED: feed.remembered(split)}
    loop.card = replace(run.card, data=run.card.data | about)
    progress.on_refit_begin(len(feed.train))
    if checkpoint:
        loop.restore(checkpoint)
    else:
        second.begin(config)
    loop.run_all()


def _as_long(config: TrainConfig, history: Sequence[EpochRecord], network: Network) -> TrainConfig:
    """Plan the epochs that the first training took; no early stopping, which needs validation."""
    done = list(phase_ends(phases(config, network), history, config.patience))
    epochs = [last - first + 1 for _, first, last in done]
    config = replace(config, patience=None, extend="no", phase=config.phase[: len(done)])
    return with_epochs(config, [phase for phase, _, _ in done], epochs)


class _Refit(TrainingLoop):
    """Keeps the last epoch: no pictures are left to validate on."""

    def _validate(self) -> tuple[float, float]:
        return math.nan, math.nan

    def _is_kept(self) -> bool:
        return self.position.phase == len(self.phases)

    def _keep(self, metrics: dict[str, float]) -> None:  # noqa: ARG002 - not measured
        """Write the network once it is complete, with the first one's figures in its card."""
        if self._is_kept():
            super()._keep(self.card.metrics)

    def _advice_if_not_finite(self) -> str:
        return "The first network is exported instead."


class _LiveOnly(Callback):
    """Passes on what the live line shows: tables and trackers have the epochs of the first."""

    def __init__(self, progress: Callback) -> None:
        for name in ("on_read", "on_work", "on_phase_begin", "on_speed", "on_step_end"):
            setattr(self, name, getattr(progress, name))
