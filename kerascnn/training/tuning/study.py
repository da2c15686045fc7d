"""The search: trials until the time is up, in a study that processes may share.

Knows: Optuna. Does not know: the search space (:mod:`kerascnn.training.tuning.search_space`), how a
run is trained, which trial is the best (:mod:`kerascnn.training.tuning.selection`).
"""

from __future__ import annotations

import gc
import json
import logging
import math
import platform
import shutil
import time
import warnings
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerascnn import __version__
from kerascnn.errors import (
    BusyError,
    ConfigError,
    DataError,
    KerascnnError,
    kind_and_line,
    needs_extra,
    one_line,
)
from kerascnn.files import writing
from kerascnn.training.callbacks import Callback, CallbackList, EpochRecord, Plan
from kerascnn.training.command_line import train_command
from kerascnn.training.config import AUTO, TrainConfig
from kerascnn.training.run.locking import check_out
from kerascnn.training.train import fit
from kerascnn.training.tuning.request import Search
from kerascnn.training.tuning.search_space import (
    AUGMENTATIONS,
    first_trial,
    search_start,
    suggested,
)
from kerascnn.training.tuning.selection import best_trial, top1, within_chance

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from kerascnn.training.run.folder import Run

log = logging.getLogger(__name__)

STUDY = "kerascnn"
"""Name of the study in its storage."""

_FREE_TRIALS = 4
"""Number of first trials that are not pruned, since later ones are compared with them."""

_FREE_SHARE = 1 / 3
"""Share of a trial's epochs before it may be pruned: with a lower learning rate or more
augmentation a network learns more slowly at first, and may still be the best in the end."""


@dataclass(frozen=True)
class SearchResult:
    """The result of a search, with all earlier and other starts of the same study.

    Attributes:
        run: Folder of the best run, on the machine that trained it: the first trial unless another
            is clearly better.
        machine: Name of the machine on which the best run was trained.
        val_top1: Validation accuracy of the best run, 0 to 1.
        command: Command line that repeats the best run.
        params: Suggested values of the best run.
        pictures: Number of validation pictures.
        within_chance: Number of other finished trials whose accuracy is in the 95 % interval of the
            best one's.
        failed: Reason of each failed trial, by its number.
        importances: Share of each parameter in the differences between trials; empty: too few
            trials.
    """

    run: Path
    machine: str
    val_top1: float
    command: str
    params: dict[str, Any]
    pictures: int
    within_chance: int
    trials: dict[str, int]
    failed: dict[int, str]
    importances: dict[str, float]


def search(asked: Search, progress: Callback | None = None) -> SearchResult:
    """Train one run after the other, and return the best.

    Raises:
        MissingExtraError: Optuna is not installed.
        ConfigError: The study in the storage is about something else.
        DataError: The data cannot be used.
        KerascnnError: No trial was finished.
    """
    progress = progress or Callback()
    check_out(str(asked.out), asked.config.data)
    # Trials are compared by their first networks; the best command trains a second one again.
    asked = replace(asked, config=replace(asked.config, refit="no"))
    named = asked.model or ((asked.config.model,) if asked.config.model != AUTO else ())
    start, networks = search_start(asked.config, named, progress)
    with ExitStack() as opened:
        study = _open(asked, networks, opened)
        end, begun = time.monotonic() + asked.seconds, 0
        while time.monotonic() < end and (asked.trials is None or begun < asked.trials):
            trial, begun = study.ask(), begun + 1
            if trial.number == 0:
                config = first_trial(asked.config, named)
            else:
                config = suggested(trial, start, networks)
            _try(Path(asked.out), study, trial, config, end, progress)
        return _found(study)


def _open(asked: Search, networks: tuple[str, ...], opened: ExitStack) -> optuna.Study:
    with needs_extra("tune", "to search"):
        import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    out = Path(asked.out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    study = _stored_study(asked.storage or f"sqlite:///{out.absolute() / 'study.db'}", opened)
    _check(asked, study, networks)
    return study


def _stored_study(storage: str, opened: ExitStack) -> optuna.Study:
    import optuna

    try:
        rows = optuna.storages.RDBStorage(storage)
        opened.callback(rows.engine.dispose)
        opened.callback(rows.remove_session)
        # Without a seed: processes that share a study would suggest the same.
        sampler = optuna.samplers.TPESampler()
        pruner = optuna.pruners.MedianPruner(_FREE_TRIALS, n_warmup_steps=1)
        return optuna.create_study(
            storage=rows, study_name=STUDY, direction="maximize", load_if_exists=True,
            sampler=sampler, pruner=pruner,
        )  # fmt: skip
    except Exception as error:
        known = (optuna.exceptions.StorageInternalError, ImportError, ValueError, OSError)
        if not isinstance(error, known) and not type(error).__module__.startswith("sqlalchemy"):
            raise
        raise KerascnnError(f"{storage}: cannot be opened ({one_line(error, None)}).") from error


def _check(asked: Search, study: optuna.Study, networks: tuple[str, ...]) -> None:
    """Refuse a study of other data, options or version: its trials cannot be compared."""
    alike = asdict(replace(asked.config, out=None, cache=None))
    about = {"kerascnn": __version__, "networks": networks, "augmentations": AUGMENTATIONS}
    now = json.loads(json.dumps({**about, **alike}))  # as the storage returns it
    then = study.user_attrs.get("about")
    if then is None:
        study.set_user_attr("about", now)
    elif then != now:
        name = next(name for name in now if then.get(name) != now[name])
        raise ConfigError(
            f"{asked.out}: the study there has {name} {then.get(name)}, but this search has "
            f"{now[name]}. Expected the same for all trials: give another folder or storage."
        )


def _try(
    out: Path,
    study: optuna.Study,
    trial: optuna.Trial,
    config: TrainConfig,
    end: float,
    progress: Callback,
) -> None:
    """Train one run; if it fails, warn and continue."""
    from optuna.trial import TrialState

    folder = out / f"trial-{trial.number:04}"
    kept = False
    try:
        pruning = _Pruning(study, trial, end)
        run = fit(replace(config, out=str(folder)), CallbackList(progress, pruning))
        _describe(trial, folder, run, pruning.pictures)
        study.tell(trial, run.card.metrics["val_top1"])
        kept = True
    except _Pruned:
        study.tell(trial, state=TrialState.PRUNED)
    except (DataError, BusyError, KeyboardInterrupt):
        study.tell(trial, state=TrialState.FAIL)
        raise
    except Exception as error:  # noqa: BLE001 - of any library; logged, and stored in the study
        reason = str(error) if isinstance(error, KerascnnError) else kind_and_line(error)
        trial.set_user_attr("error", reason)
        study.tell(trial, state=TrialState.FAIL)
        log.warning("trial %d failed: %s", trial.number, reason)
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
        keras.backend.clear_session()
        gc.collect()


def _describe(trial: optuna.Trial, folder: Path, run: Run, pictures: int) -> None:
    """Store in the study what the result of the search tells of a run."""
    for name, value in {
        "folder": str(folder.absolute()),
        "machine": platform.node(),
        "command": train_command(replace(run.config, out=None, refit=AUTO)),
        "pictures": pictures,
        "val_loss": run.card.metrics["val_loss"],
    }.items():
        trial.set_user_attr(name, value)


class _Pruned(Exception):
    """Ends a run that is pruned."""


class _Pruning(Callback):
    """Reports each epoch to the study, and ends a run that is worse than others."""

    pictures = 0
    _free_epochs = 1

    def __init__(self, study: optuna.Study, trial: optuna.Trial, end: float) -> None:
        self._study, self._trial, self._end = study, trial, end

    def on_plan(self, plan: Plan) -> None:
        """Store the number of validation pictures and of epochs."""
        self.pictures = plan.pictures["val"]
        epochs = sum(phase_epochs for phase_epochs, _ in plan.phases)
        self._free_epochs = max(1, math.ceil(epochs * _FREE_SHARE))

    def on_epoch_end(self, record: EpochRecord, kept: bool) -> None:  # noqa: ARG002 - as in Callback
        """Report an epoch."""
        self._trial.report(record.val_accuracy, record.epoch)
        late = time.monotonic() > self._end and _complete(self._study.get_trials(deepcopy=False))
        if late or (record.epoch > self._free_epochs and self._trial.should_prune()):
            raise _Pruned


def _complete(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [one for one in trials if one.state.name == "COMPLETE"]


def _found(study: optuna.Study) -> SearchResult:
    trials = study.get_trials(deepcopy=False)
    complete = _complete(trials)
    failed = {one.number: one.user_attrs["error"] for one in trials if "error" in one.user_attrs}
    if not complete:
        reasons = "; ".join(f"trial {number}: {why}" for number, why in failed.items())
        raise KerascnnError(
            f"no trial was finished ({reasons or 'the time was too short'}). The study is kept; "
            "run the search again with more time."
        )
    best = best_trial(complete)
    return SearchResult(
        Path(best.user_attrs["folder"]),
        best.user_attrs["machine"],
        top1(best),
        best.user_attrs["command"],
        best.params,
        best.user_attrs["pictures"],
        within_chance(complete, best),
        dict(Counter(one.state.name.lower() for one in trials)),
        failed,
        _importances(study, complete),
    )


def _importances(study: optuna.Study, complete: list[FrozenTrial]) -> dict[str, float]:
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    # All but the first trial, which has settings that were not suggested.
    suggested_ones = [one for one in complete if one.params]
    if len({one.value for one in suggested_ones}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the method being experimental
        found = get_param_importances(
            study, evaluator=PedAnovaImportanceEvaluator(), params=list(suggested_ones[0].params)
        )
    return {name: float(share) for name, share in found.items()}
