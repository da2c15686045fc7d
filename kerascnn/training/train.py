"""Training: from a configuration to a run folder.

Knows: which folder, which processes, and that pictures are decoded before Keras is imported. Does
not know: how a network is trained (:mod:`.one_run`), how progress is displayed.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

from kerascnn.errors import ConfigError
from kerascnn.language import sentence
from kerascnn.training.callbacks import Callback, CallbackList
from kerascnn.training.clock import Deadline, seconds_of
from kerascnn.training.config import AUTO, TrainConfig, expect_config
from kerascnn.training.display import shown
from kerascnn.training.distribution.detection import initialized_cluster
from kerascnn.training.distribution.processes import check_cluster, process_group
from kerascnn.training.distribution.rendezvous import Cluster
from kerascnn.training.keras_backend import import_keras
from kerascnn.training.networks import Network, find_network
from kerascnn.training.prepared_data import prepare_data
from kerascnn.training.run.checkpoint import Checkpoint, latest_checkpoint
from kerascnn.training.run.folder import Run
from kerascnn.training.run.locking import check_out, locked_run
from kerascnn.training.run.resume import check_options_unchanged, with_stored_values
from kerascnn.training.trackers import tracking
from kerascnn.training.weights.check import check_weights
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
        config: Configuration of the run.
        progress: Callback for progress; None: display on standard error or in the notebook, as the
            command line does. ``Callback()`` shows nothing.
        resume: Whether to continue the run in ``config.out`` from its latest checkpoint; if there
            is none, one is started.
        cluster: The processes that train together, including this one; None: those that JAX was
            initialized for, else this one alone. Only rank 0 writes the run folder.
        overwrite: Whether to replace a run in ``config.out``, once the data and the network of the
            new one are ready.

    Returns:
        The run folder, with the network of the epoch chosen by ``keep``: the best (highest
        validation accuracy, then lowest validation loss), or the newest that is as good; and with
        the network of a second training on all pictures, if ``refit`` says so.

    Raises:
        BusyError: Another process is writing to the run folder.
        ConfigError: An option is invalid or differs from those of the resumed run, the run folder
            exists already, or both ``resume`` and ``overwrite`` are given.
        DataError: There is no usable data, or other data than that of the resumed run.
        TrainingError: The loss is not finite; the best epoch so far is kept.
        KeyboardInterrupt: Interrupted by the user; the run so far is kept.
    """
    expect_config(config)
    if config.out:
        check_out(config.out, config.data)
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
        return _train_as_peer(cluster, config, progress, network)
    with locked_run(config, resume, overwrite) as run:
        checkpoint = None
        if resume and run.config_path.exists():
            deadline = None  # its epochs are already chosen
            config, checkpoint = _resumed(run, config)
        if run.is_finished and not overwrite:
            log.warning("%s: this run is finished already; nothing was done.", run.folder)
            return run
        with process_group(cluster, config), tracking(config.track) as tracked:
            callbacks = CallbackList(progress, tracked)
            _train(config, run, checkpoint, callbacks, network, deadline)
    return run


def _train_as_peer(
    cluster: Cluster, config: TrainConfig, progress: Callback, network: Network | None
) -> Run:
    """Take part in a run that another process writes."""
    run = Run(Path(config.out or "runs"))
    with process_group(cluster, config):
        _train(config, run, None, progress, network)
    return run


def _resumed(run: Run, config: TrainConfig) -> tuple[TrainConfig, Checkpoint | None]:
    config = with_stored_values(run, config)
    check_options_unchanged(run, config)
    return run.located(config), latest_checkpoint(run.checkpoint_folder)


def _train(
    config: TrainConfig,
    run: Run,
    checkpoint: Checkpoint | None,
    progress: Callback,
    network: Network | None,
    deadline: Deadline | None = None,
) -> None:
    """Decode the pictures, then import Keras: their memory is not needed at the same time."""
    data = None
    # Missing devices are reported before the pictures are decoded.
    if config.device != "gpu" and config.devices == "1":
        data = prepare_data(config, progress, network)
    if "keras" not in sys.modules:
        progress.on_work(sentence("loading Keras …"), 0, 0)
        import_keras()
    from kerascnn.training.one_run import train_on

    train_on(config, run, checkpoint, progress, network, data, deadline)
