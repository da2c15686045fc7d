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
from kerascnn.training.trainer.plan import plan
from kerascnn.training.trainer.refit import refit
from kerascnn.training.trainer.time_limit import shorten_to_limit
from kerascnn.training.weights.start import StartingNetwork

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
        config: Configuration of the run.
        run: Its folder.
        checkpoint: Checkpoint to resume from; None: start from the beginning.
        progress: Callback for progress.
        network: Row of the configuration's network; None: looked up.
        data: Data of the run; None: decoded once the devices are known to exist.
        deadline: Deadline of the run; None: no limit.
    """
    with sharing(config.device, config.devices):
        loop = _loop(config, run, checkpoint, progress, network, data, deadline)
        config, feed, device = loop.config, loop.feed, loop.device
        progress.on_run_begin(run.folder, len(loop.history))
        progress.on_plan(plan(config, feed, loop.start, run, device))
        if is_first() and (copies := leaked(feed.leaked, len(feed.val))):
            log.warning("%s", copies)
        trained = loop.run_all()
        if not is_first():
            return
        _judge(config, run, feed, loop if trained else None, progress)
        del loop  # its memory is needed for the second network
        if will_refit(config, run.card):
            _refit(run, feed, device, progress, deadline)
        run.finish()
        progress.on_run_end(run.folder)


def _loop(
    config: TrainConfig,
    run: Run,
    checkpoint: Checkpoint | None,
    progress: Callback,
    network: Network | None,
    data: PreparedData | None,
    deadline: Deadline | None,
) -> TrainingLoop:
    """Make the loop over epochs, and begin or restore the run; arguments as in `train_on`."""
    asked = config
    config, device, feed, start = _prepare_run(config, progress, network, data)
    check_scopes(config, start)
    set_precision(start.core, config.precision)
    warn_if_slow(config.precision, device)
    checkpoint = broadcast_state(start.core, checkpoint)
    if deadline:
        more = asked.epochs == AUTO and not asked.phase
        config, deadline = shorten_to_limit(config, deadline, more, feed, start, device, progress)
    loop = TrainingLoop(config, feed, start, run, device, progress, deadline)
    if checkpoint:
        loop.restore(checkpoint)
        if is_first():
            record_moved_data(run, config)
    elif is_first():
        run.begin(config)
    return loop


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
    config: TrainConfig,
    progress: Callback,
    network: Network | None = None,
    data: PreparedData | None = None,
) -> tuple[TrainConfig, str, Feed, StartingNetwork]:
    """Assemble data and network, and resolve what was left to ``auto`` or to advice."""
    start_deterministically(config.seed, config.deterministic)
    asked = config
    config, device, feed, start = assemble(config, progress, network, data)
    config = resolve_keep(config, len(feed.val))
    classes, pictures = len(feed.dataset.classes), len(feed.train) + len(feed.val)
    possible = feed.dataset.held_out and count_processes() == 1
    config = resolve_refit(config, pictures, classes, possible)
    config = resolve_auto(config, len(feed.train), start.network, classes)
    check_same_options(config)
    if config.trainable != "auto":
        return config, device, feed, start
    settled = _with_advice(config, asked, feed, start, progress)
    if settled.weights == config.weights:
        return settled, device, feed, start
    # Advised against transfer: start again as if no weights had been named, pictures included,
    # whose resize rule depends on the weights.
    del feed, start, data
    return _prepare_run(settled, progress)


def _with_advice(
    config: TrainConfig, asked: TrainConfig, feed: Feed, start: StartingNetwork, progress: Callback
) -> TrainConfig:
    """Apply the advice, which is recorded in ``config.json``."""
    # Imported here, because few runs need it.
    from kerascnn.training.advising.advise import (
        FEW_VALIDATION,
        advise_on,
        apply_advice,
        apply_advice_for_network,
        too_few_to_judge,
    )

    if asked.model == AUTO and not start.fresh_head:
        return replace(config, trainable="all")  # it is a classifier of these classes already
    if asked.model == AUTO:
        return apply_advice_for_network(config, asked, feed, start, progress)
    advice = advise_on(config, feed, start, progress)
    for doubt in advice.doubts:
        log.warning("auto: %s", tr(doubt))
    if advice.depth == "all" and too_few_to_judge(asked, feed):
        progress.on_choice("trainable", "head", FEW_VALIDATION)
        advice = replace(advice, depth="head")
    else:
        progress.on_choice("trainable", advice.scope, " ".join(map(tr, advice.reasons)))
    return apply_advice(config, advice)
