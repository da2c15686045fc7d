"""The served models: loads and warms them up, and reloads them when their files are replaced.

Knows: files, versions, and that a new version is used only if it works. Does not know HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from kerascnn.errors import KerascnnError, ModelFileError, kind_and_line
from kerascnn.serving.admission import AdmissionControl
from kerascnn.serving.config import ServeConfig
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.metrics import Metrics
from kerascnn.serving.model_file import ModelFile, Signature
from kerascnn.serving.served_model import ServedModel, open_model
from kerascnn.serving.sources import versions_in
from kerascnn.serving.stall_detector import StallDetector

log = logging.getLogger(__name__)

Slot = tuple[str, str]
"""A model's name, and the number of a version in its folder; empty for a single file."""

_POLL = 0.05
"""Interval in seconds at which it is checked whether a replaced version is still used: its memory
is freed a little later than it could be."""


class ModelRepository:
    """All served models, by name."""

    def __init__(self, config: ServeConfig, metrics: Metrics) -> None:
        self._config, self._metrics = config, metrics
        self._models = {model.name: model for model in config.served}
        self._files: dict[Slot, ModelFile] = {}
        self._served: dict[Slot, ServedModel] = {}
        self._seen: dict[Slot, Signature] = {}
        self._problems: dict[Slot, str] = {}
        self._loaded = False
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loading")
        self._reloading = asyncio.Lock()
        for name in self._models:
            metrics.ready.labels(name).set(0)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all models, in the given order."""
        return tuple(self._models)

    @property
    def ready(self) -> bool:
        """Whether every model is loaded."""
        return self._loaded and {name for name, _ in self._served} == self._models.keys()

    @property
    def runs(self) -> list[StallDetector]:
        """Detect runs that hang, one for each loaded version."""
        return [served.batcher.runs for served in self._served.values()]

    @property
    def problem(self) -> str | None:
        """Why a model could not be loaded, if one of them has no version loaded; else None."""
        missing = self._models.keys() - {name for name, _ in self._served}
        return next((why for slot, why in self._problems.items() if slot[0] in missing), None)

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """Find a model, which stays usable even if it is replaced.

        Raises:
            HttpError: 404: no such model or version; 503: it is loading, or could not be loaded.
        """
        versions = self.versions(name)
        if not versions:
            raise HttpError(503, f"model {name!r} {self._state(name)}", retry_after=1)
        for served in versions:
            if version in (None, served.version):
                return served
        raise HttpError(
            404,
            f"model {name!r} has no version {str(version)[:80]!r} here; expected "
            f"{', '.join(served.version for served in versions)}.",
        )

    def versions(self, name: str) -> list[ServedModel]:
        """List the loaded versions of a model, newest first.

        Raises:
            HttpError: 404: no such model.
        """
        if name not in self._models:
            raise HttpError(
                404, f"unknown model {name[:80]!r}; served here: {', '.join(self._models)}."
            )
        slots = [slot for slot in self._served if slot[0] == name]
        # A folder may have replaced a file, which has no version number.
        slots.sort(key=lambda slot: int(slot[1] or 0), reverse=True)
        return [self._served[slot] for slot in slots]

    def _state(self, name: str) -> str:
        """Say why no version of a model is loaded."""
        problem = next((self._problems[slot] for slot in self._problems if slot[0] == name), None)
        if problem is not None:
            return f"could not be loaded: {problem}"
        if not self._loaded and not self._reloading.locked():
            return "is not loaded: the application that mounts this one must run its lifespan."
        return "is being loaded. Try again."

    def index(self) -> list[dict[str, str]]:
        """List all versions of all models with their state, as Triton's repository index does."""
        rows = []
        for name in self._models:
            slots = [slot for slot in self._files if slot[0] == name] or [(name, "")]
            rows += [self._index_row(slot) for slot in slots]
        return rows

    def _index_row(self, slot: Slot) -> dict[str, str]:
        served, problem = self._served.get(slot), self._problems.get(slot)
        row = {"name": slot[0], "version": served.version if served else slot[1]}
        if served is not None:
            return {**row, "state": "READY", "reason": ""}
        if problem is not None:
            return {**row, "state": "UNAVAILABLE", "reason": problem}
        return {**row, "state": "LOADING", "reason": ""}

    async def load(self) -> None:
        """Load and warm up all models; raise the first error at the end.

        A model that fails does not prevent others from loading; it is tried again when its file is
        replaced.

        Raises:
            KerascnnError: The error of the first model that failed.
        """
        async with self._reloading:
            self._update_versions()
            tried = [(slot, await self._try_load(slot)) for slot in self._files]
            self._loaded = True
        failed = [(slot, error) for slot, error in tried if error is not None]
        for slot, error in failed[1:]:
            log.error("%s: is not served. %s", _shown(slot), error)
        if failed:
            raise failed[0][1]

    async def reload(self, force: bool = False) -> None:
        """Load the new version of every replaced file, or with ``force`` of every file.

        If a file cannot be used, this is logged, and the old version stays in use.
        """
        async with self._reloading:
            self._update_versions()
            for slot, file in self._files.items():
                if not file.exists or not (force or file.signature() != self._seen.get(slot)):
                    continue  # unchanged, or being replaced: keep the old version
                error = await self._try_load(slot)
                if error is not None:
                    now = "the older version stays in use" if slot in self._served else "not served"
                    log.error("%s: %s. %s", _shown(slot), now, error)
            for slot in (self._seen.keys() | self._served.keys()) - self._files.keys():
                await self._retire(slot)
            self._metrics.reload_checks.inc()

    async def watch(self) -> None:
        """Check for newer files forever; a repeated error is logged once."""
        reported = ""
        while True:
            await asyncio.sleep(self._config.reload_seconds)
            try:
                await self.reload()
                reported = ""
            except Exception as error:
                if reported != kind_and_line(error):
                    reported = kind_and_line(error)
                    log.exception("looking for newer files failed")

    def close(self) -> None:
        """Stop all threads after their current work."""
        self._loader.shutdown(wait=False, cancel_futures=True)
        for served in self._served.values():
            served.close()

    def _update_versions(self) -> None:
        """Update the list of versions."""
        for name, model in self._models.items():
            known = [slot for slot in self._files if slot[0] == name]
            try:
                found = versions_in(Path(model.path))
            except OSError as error:
                log.error("%s: cannot look for versions in it (%s).", model.path, error.strerror)
                continue
            single = found.get("")
            if not found or (single and (name, "") not in known and known and not single.is_file()):
                continue  # an empty or missing folder may be about to be replaced
            for slot in known:
                if slot[1] not in found:
                    del self._files[slot]
            for number, path in found.items():
                self._files.setdefault((name, number), ModelFile(path))

    async def _try_load(self, slot: Slot) -> KerascnnError | None:
        """Load a file and switch to it; return the error if that fails."""
        self._seen[slot] = self._files[slot].signature()
        try:
            await self._switch(slot)
        except KerascnnError as error:
            failure = error
        except Exception as error:
            log.exception("%s: loading failed", _shown(slot))
            path = self._files[slot].path
            failure = ModelFileError(f"{path}: loading failed ({kind_and_line(error)}).")
        else:
            self._problems.pop(slot, None)
            return None
        self._problems[slot] = str(failure)
        self._metrics.reloads.labels(slot[0], "failed").inc()
        return failure

    async def _switch(self, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._loader, self._files[slot].find_companions)
        self._seen[slot] = self._files[slot].signature()
        file, model = self._files[slot], self._models[slot[0]]
        work = partial(open_model, file, model, slot[1], self._metrics)
        new = await loop.run_in_executor(self._loader, work)
        old = self._served.get(slot)
        if old is not None and old.digest == new.digest:
            new.close()
            return
        self._served[slot] = new
        self._log_switch(new, old)
        if old is not None:
            self._metrics.reloads.labels(new.name, "ok").inc()
            log.warning("%s: switched from version %s to %s", _shown(slot), old.digest, new.digest)
            await _idle(old.admission)
            old.close()

    async def _retire(self, slot: Slot) -> None:
        """Stop serving a version, unless it is the last of its model."""
        self._seen.pop(slot, None)
        self._problems.pop(slot, None)
        old = self._served.get(slot)
        if old is None or len(self.versions(slot[0])) < 2:
            return
        del self._served[slot]
        self._metrics.info.remove(*_labels(old))
        log.warning("%s: its file is gone, and it is no longer served", _shown(slot))
        await _idle(old.admission)
        old.close()

    def _log_switch(self, new: ServedModel, old: ServedModel | None) -> None:
        if old is not None:
            self._metrics.info.remove(*_labels(old))
        self._metrics.info.labels(*_labels(new)).set(1)
        self._metrics.ready.labels(new.name).set(1)
        self._metrics.taken.labels(new.name).set_function(
            lambda: sum(served.admission.taken for served in self.versions(new.name))
        )


def _shown(slot: Slot) -> str:
    return "/".join(filter(None, slot))


def _labels(served: ServedModel) -> tuple[str, str, str, str, str]:
    card = served.card
    return served.name, served.version, card.network, card.precision, served.provider


async def _idle(admission: AdmissionControl) -> None:
    while admission.users:
        await asyncio.sleep(_POLL)
