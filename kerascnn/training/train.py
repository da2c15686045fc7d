"""Training: from a configuration to a run folder.

Knows: the order of things. Does not know: where pictures come from (data), how batches are dealt
(feeding), the loop over epochs (loop), how progress is shown.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

from kerascnn.errors import ConfigError
from kerascnn.files import write_text
from kerascnn.language import tr
from kerascnn.training.auto.hyperparameters import batch_size_for, resolve_auto, resolve_keep
from kerascnn.training.callbacks import Callback, CallbackList
from kerascnn.training.clock import Deadline, seconds_of
from kerascnn.training.config import AUTO, TrainConfig, expect_config
from kerascnn.training.data.feed import Feed
from kerascnn.training.display import shown
from kerascnn.training.distribution.detection import initialized_cluster
from kerascnn.training.distribution.device import start_deterministically
from kerascnn.training.distribution.local_devices import sharing
from kerascnn.training.distribution.processes import (
    broadcast_state,
    check_cluster,
    check_same_options,
    is_first,
    process_group,
)
from kerascnn.training.distribution.rendezvous import Cluster
from kerascnn.training.evaluation.final import evaluate_kept
from kerascnn.training.evaluation.report import report_or_warn
from kerascnn.training.mixed_precision import set_precision, warn_if_slow
from kerascnn.training.networks import Network, find_network
from kerascnn.training.run.checkpoint import Checkpoint, latest_checkpoint
from kerascnn.training.run.folder import Run
from kerascnn.training.run.locking import locked_run
from kerascnn.training.run.resume import check_options_unchanged, with_stored_values
from kerascnn.training.setup import assemble, check_scopes
from kerascnn.training.trackers import tracking
from kerascnn.training.trainer.loop import TrainingLoop
from kerascnn.training.trainer.plan import plan
from kerascnn.training.trainer.time_limit import shorten_to_limit
from kerascnn.training.weights import StartingNetwork, check_weights
from kerascnn.training.weights_location import pinned

log = logging.getLogger(__name__)


def fit(
    config: TrainConfig,
    progress: Callback | None = None,
    resume: bool = False,
    cluster: Cluster | None = None,
    overwrite: bool = False,
) -> Run:
    """Train a classifier.

    Args:
        config: What to do.
        progress: Callback for progress; None: shown as the command line shows it, on standard
            error or in the notebook. ``Callback()`` shows nothing.
        resume: Go on with the run in ``config.out``, from its latest checkpoint, as if it had
            never stopped; a folder without a run begins one.
        cluster: The processes that train together, this one included; None: those of a JAX that is
            initialized for several, else it is alone. Only rank 0 writes the run folder.
        overwrite: Replace a run that lies in ``config.out``, as soon as the data and the network of
            this one are there.

    Returns:
        The run folder, with the network of the epoch that ``keep`` says: the best (highest
        validation accuracy, then lowest validation loss), or the newest that is as good.

    Raises:
        BusyError: Another process is writing to the run folder.
        ConfigError: An option that does not fit, or differs from those of the run that shall go
            on, or a run folder that is taken; or ``resume`` and ``overwrite`` together.
        DataError: No usable data, or other data than the run that shall go on began with.
        TrainingError: The loss is not finite; the best epoch so far is kept.
        KeyboardInterrupt: Stopped by hand; what was learned so far is kept.
    """
    expect_config(config)
    if resume and overwrite:
        raise ConfigError("`resume` continues a run and `overwrite` replaces it: use one of them.")
    with shown(progress) as callback:
        return _fit(config, callback, resume, cluster, overwrite)


def _fit(
    config: TrainConfig, progress: Callback, resume: bool, cluster: Cluster | None, overwrite: bool
) -> Run:
    deadline = Deadline(seconds_of(config.time) or 0) if config.time else None
    config = replace(config, weights=pinned(config.weights))
    network = None if config.model == AUTO else find_network(config.model)
    if network:
        check_weights(network, config.weights)
    cluster = cluster or initialized_cluster()
    check_cluster(cluster, config)
    if cluster and cluster.rank:
        run = Run(Path(config.out or "runs"))
        with process_group(cluster, config):
            _train(config, run, None, progress, network)
        return run
    with locked_run(config, resume, overwrite) as run:
        checkpoint = None
        if resume:
            if run.config_path.exists():
                deadline = None  # its epochs have been chosen
            config = with_stored_values(run, config)
            checkpoint = _earlier(run, config)
        if run.is_finished and not overwrite:
            log.warning("%s: this run is finished already; nothing was done.", run.folder)
            return run
        with process_group(cluster, config), tracking(config.track) as tracked:
            callbacks = CallbackList(progress, tracked)
            _train(config, run, checkpoint, callbacks, network, deadline)
    return run


def _train(
    config: TrainConfig,
    run: Run,
    checkpoint: Checkpoint | None,
    progress: Callback,
    network: Network | None,
    deadline: Deadline | None = None,
) -> None:
    asked = config
    with sharing(config.device, config.devices):
        config, device, feed, start = _opened(config, progress, network)
        check_scopes(config, start)
        set_precision(start.core, config.precision)
        warn_if_slow(config.precision, device)
        checkpoint = broadcast_state(start.core, checkpoint)
        if deadline:
            more = asked.epochs == AUTO and not asked.phase
            config, deadline = shorten_to_limit(
                config, deadline, more, feed, start, device, progress
            )
        loop = TrainingLoop(config, feed, start, run, device, progress, deadline)
        if checkpoint:
            loop.restore(checkpoint)
        elif is_first():
            run.begin(config)
        progress.on_run_begin(run.folder, len(loop.history))
        progress.on_plan(plan(config, feed, start, run, device))
        trained = loop.run_all()
        if is_first():
            _finish(config, run, feed, loop if trained else None, progress)


def _finish(
    config: TrainConfig, run: Run, feed: Feed, trained: TrainingLoop | None, progress: Callback
) -> None:
    if trained:
        write_text(run.machine_path, json.dumps(trained.facts(), indent=2) + "\n")
    batch_size = batch_size_for(config.batch_size, len(feed.train))
    kept = evaluate_kept(run, feed, batch_size, config.calibration, progress)
    progress.on_work("writing the report", 0, 0)
    report_or_warn(run, feed.dataset, feed.train, feed.val, kept)
    run.finish()
    progress.on_run_end(run.folder)


def _opened(
    config: TrainConfig, progress: Callback, network: Network | None = None
) -> tuple[TrainConfig, str, Feed, StartingNetwork]:
    """Assemble data and network, and settle what was left to ``auto`` or to advice."""
    start_deterministically(config.seed, config.deterministic)
    asked = config
    config, device, feed, start = assemble(config, progress, network)
    config = resolve_auto(resolve_keep(config, len(feed.val)), len(feed.train), start.network)
    check_same_options(config)
    if config.trainable != "auto":
        return config, device, feed, start
    settled = _advised(config, asked, feed, start, progress)
    if settled.weights == config.weights:
        return settled, device, feed, start
    # Not to be transferred: all begins again as if no weights had been named, pictures included,
    # which are resized as the weights want them.
    del feed, start
    return _opened(settled, progress)


def _advised(
    config: TrainConfig, asked: TrainConfig, feed: Feed, start: StartingNetwork, progress: Callback
) -> TrainConfig:
    """Ask for advice; what is decided stands in config.json."""
    # Here, because few runs need it.
    from kerascnn.training.advising.advise import advise_on, apply_advice, apply_advice_for_network

    if asked.model == AUTO:
        return apply_advice_for_network(config, asked, feed, start, progress)
    advice = advise_on(config, feed, start, progress)
    for told in (*advice.doubts, *advice.reasons):
        log.warning("auto: %s", tr(told))
    return apply_advice(config, advice)


def _earlier(run: Run, config: TrainConfig) -> Checkpoint | None:
    if not run.config_path.exists():
        return None
    check_options_unchanged(run, config)
    return latest_checkpoint(run.checkpoint_folder)
