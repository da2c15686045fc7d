"""One run, from decoded pictures to its folder.

Knows: the order of the steps: network, epochs, report. Does not know: which run folder
(:mod:`kerascnn.training.train`), the loop over epochs, how progress is displayed.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from kerascnn.errors import TrainingError
from kerascnn.language import sentence, tr
from kerascnn.report.causes import leaked
from kerascnn.training.auto.hyperparameters import (
    batch_size_for,
    resolve_auto,
    resolve_extend,
    resolve_keep,
    resolve_refit,
)
from kerascnn.training.callbacks import Callback
from kerascnn.training.clock import Deadline
from kerascnn.training.config import AUTO, TrainConfig
from kerascnn.training.data.feed import Feed
from kerascnn.training.distribution.device import start_deterministically
from kerascnn.training.distribution.local_devices import sharing
from kerascnn.training.distribution.processes import (
    broadcast_state,
    check_same_options,
    count_processes,
    is_first,
)
from kerascnn.training.evaluation.final import evaluate_kept, will_refit
from kerascnn.training.evaluation.report import report_or_warn
from kerascnn.training.mixed_precision import set_precision, warn_if_slow
from kerascnn.training.networks import Network
from kerascnn.training.prepared_data import PreparedData
from kerascnn.training.run.checkpoint import Checkpoint
from kerascnn.training.run.folder import Run
from kerascnn.training.run.resume import record_moved_data
from kerascnn.training.setup import assemble, check_scopes
from kerascnn.training.trainer.loop import TrainingLoop
from kerascnn.training.trainer.parts import RunParts
from kerascnn.training.trainer.plan import plan
from kerascnn.training.trainer.refit import refit
from kerascnn.training.trainer.time_limit import shorten_to_limit

log = logging.getLogger(__name__)


def train_on(
    config: TrainConfig,
    run: Run,
    checkpoint: Checkpoint | None,
    progress: Callback,
    network: Network | None,
    data: PreparedData | None,
    deadline: Deadline | None = None,
) -> None:
    """Train a network on decoded pictures, and write the run folder.

    Args:
        checkpoint: Checkpoint to resume from; None: start from the beginning.
        network: Row of the configuration's network; None: looked up.
        data: Data of the run; None: decoded once the devices are known to exist.
        deadline: Deadline of the run; None: no limit.
    """
    with sharing(config.device, config.devices):
        parts = _prepare_run(config, progress, network, data)
        if deadline:
            more = config.epochs == AUTO and not config.phase
            parts, deadline = shorten_to_limit(parts, deadline, more, progress)
        loop = TrainingLoop(parts, run, progress, deadline)
        _begin(loop, checkpoint)
        config, feed, device = parts.config, parts.feed, parts.device
        progress.on_run_begin(run.folder, len(loop.history))
        progress.on_plan(plan(parts, run))
        if is_first() and (copies := leaked(feed.leaked, len(feed.val))):
            log.warning("%s", copies)
        trained = loop.run_all()
        if not is_first():
            return
        _judge(config, run, feed, loop if trained else None, progress)
        del loop, parts  # the memory of the network is needed for the second one
        if will_refit(config, run.card):
            _refit(run, feed, device, progress, deadline)
        run.finish()
        progress.on_run_end(run.folder)


def _begin(loop: TrainingLoop, checkpoint: Checkpoint | None) -> None:
    """Begin a run, or restore it, with the state of rank 0 in every process."""
    checkpoint = broadcast_state(loop.core, checkpoint)
    if checkpoint:
        loop.restore(checkpoint)
        if is_first():
            record_moved_data(loop.run, loop.parts.config)
    elif is_first():
        loop.run.begin(loop.parts.config)


def _refit(
    run: Run, feed: Feed, device: str, progress: Callback, deadline: Deadline | None
) -> None:
    try:
        refit(run, feed, device, progress, deadline)
    except TrainingError as error:
        log.warning("the second training, on all pictures, failed: %s", error)


def _judge(
    config: TrainConfig, run: Run, feed: Feed, trained: TrainingLoop | None, progress: Callback
) -> None:
    if trained:
        run.save_machine(trained.facts())
    batch_size = batch_size_for(config.batch_size, len(feed.train))
    kept = evaluate_kept(run, feed, batch_size, config.calibration, progress)
    progress.on_work(sentence("writing the report"), 0, 0)
    report_or_warn(run, feed.dataset, feed.train, feed.val, kept)


def _prepare_run(
    config: TrainConfig, progress: Callback, network: Network | None, data: PreparedData | None
) -> RunParts:
    """Assemble data and network in their precision; resolve what was left to ``auto`` or advice."""
    parts = _resolved(config, progress, network, data)
    check_scopes(parts.config, parts.start)
    set_precision(parts.start.core, parts.config.precision)
    warn_if_slow(parts.config.precision, parts.device)
    return parts


def _resolved(
    asked: TrainConfig, progress: Callback, network: Network | None, data: PreparedData | None
) -> RunParts:
    start_deterministically(asked.seed, asked.deterministic)
    parts = assemble(asked, progress, network, data)
    feed = parts.feed
    config = resolve_keep(parts.config, len(feed.val))
    classes, pictures = len(feed.dataset.classes), len(feed.train) + len(feed.val)
    possible = feed.dataset.held_out and count_processes() == 1
    config = resolve_refit(config, pictures, classes, possible)
    config = resolve_extend(config, len(feed.train), parts.start.network)
    config = resolve_auto(config, len(feed.train), parts.start.network, classes)
    check_same_options(config)
    parts = replace(parts, config=config)
    if config.trainable != "auto":
        return parts
    settled = _with_advice(parts, asked, progress)
    if settled.weights == config.weights:
        return replace(parts, config=settled)
    # Advised against transfer: start again as if no weights had been named, pictures included,
    # whose resize rule depends on the weights.
    del parts, feed, data
    return _resolved(settled, progress, None, None)


def _with_advice(parts: RunParts, asked: TrainConfig, progress: Callback) -> TrainConfig:
    """Apply the advice, which is recorded in ``config.json``."""
    # Imported here, because few runs need it.
    from kerascnn.training.advising.advise import (
        FEW_VALIDATION,
        advise_on,
        apply_advice,
        apply_advice_for_network,
        too_few_to_judge,
    )

    config = parts.config
    if asked.model == AUTO and not parts.start.fresh_head:
        return replace(config, trainable="all")  # it is a classifier of these classes already
    if asked.model == AUTO:
        return apply_advice_for_network(parts, asked, progress)
    advice = advise_on(parts, progress)
    for doubt in advice.doubts:
        log.warning("auto: %s", tr(doubt))
    if advice.depth == "all" and too_few_to_judge(asked, parts.feed):
        progress.on_choice("trainable", "head", FEW_VALIDATION)
        advice = replace(advice, depth="head")
    else:
        progress.on_choice("trainable", advice.scope, " ".join(map(tr, advice.reasons)))
    return apply_advice(config, advice)
