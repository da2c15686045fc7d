"""The models that are served: loaded, warmed, and replaced when their files are.

Knows: files, versions, and that a newer one is switched to only when it works. Does not know
HTTP.
"""

from __future__ import annotations

import asyncio
import io
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.errors import KerascnnError, ModelFileError
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.probes import probe_pictures
from kerascnn.parallel import usable_cpus
from kerascnn.serving.batching import Batcher, batch_sizes
from kerascnn.serving.config import ServeConfig
from kerascnn.serving.http.errors import Refusal
from kerascnn.serving.metrics import Metrics
from kerascnn.serving.model_file import ModelFile, Signature

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One version of one model, ready to answer.

    Attributes:
        name: The file's stem.
        version: The first 12 digits of the file's SHA-256 (of all files, if weights lie beside
            it): the same on every machine.
        card: All that the file says about itself.
        provider: What really runs.
        batcher: Takes pictures of the model's size.
        copies: Of the network; they are closed with it.
    """

    name: str
    version: str
    card: ModelCard
    provider: str
    batcher: Batcher
    copies: list[Classifier]

    def close(self) -> None:
        """Let go of its memory and its thread, when the last run is done."""
        self.batcher.close()
        for copy in self.copies:
            copy.close()


class Models:
    """All models, by name.

    Args:
        config: Which files, and how they are run.
        metrics: Told of runs, versions and reloads.
    """

    def __init__(self, config: ServeConfig, metrics: Metrics) -> None:
        self._config, self._metrics = config, metrics
        self._files = {
            name: ModelFile(path) for name, path in zip(config.names, config.models, strict=True)
        }
        self._served: dict[str, ServedModel] = {}
        self._seen: dict[str, Signature] = {}
        self._problems: dict[str, str] = {}
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loading")
        self._reloading = asyncio.Lock()
        for name in self._files:
            metrics.ready.labels(name).set(0)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all models, in the order in which they were given."""
        return tuple(self._files)

    @property
    def ready(self) -> bool:
        """Whether every model answers."""
        return len(self._served) == len(self._files)

    def stalled(self, seconds: float) -> bool:
        """Tell whether one of them has been running for so long without an end."""
        return any(served.batcher.stalled(seconds) for served in self._served.values())

    @property
    def problem(self) -> str | None:
        """Why a model that does not answer could not be loaded; None: there is none such."""
        missing = (self._problems.get(name) for name in self._files if name not in self._served)
        return next(filter(None, missing), None)

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """Find the newest version of a model.

        Args:
            name: Of the model.
            version: That it must be; None: any.

        Returns:
            The model. It goes on answering even if it is replaced meanwhile.

        Raises:
            Refusal: 404: no such model or version; 503: it is being loaded, or could not be.
        """
        if name not in self._files:
            raise Refusal(
                404, f"unknown model {name[:80]!r}; served here: {', '.join(self._files)}."
            )
        served = self._served.get(name)
        if served is None:
            problem = self._problems.get(name)
            state = f"could not be loaded: {problem}" if problem else "is being loaded. Try again."
            raise Refusal(503, f"model {name!r} {state}", retry_after=1)
        if version is not None and version != served.version:
            raise Refusal(
                404,
                f"model {name!r} has no version {version[:80]!r} here; served is {served.version}.",
            )
        return served

    async def load(self) -> None:
        """Load and warm all models.

        One that cannot be used keeps no other from being loaded; it is tried again when its file
        is replaced.

        Raises:
            KerascnnError: Why the first that cannot be used cannot.
        """
        async with self._reloading:
            tried = [(name, await self._try(name)) for name in self._files]
        failed = [(name, error) for name, error in tried if error is not None]
        for name, error in failed[1:]:
            log.error("%s: is not served. %s", name, error)
        if failed:
            raise failed[0][1]

    async def reload(self, force: bool = False) -> None:
        """Load the newer version of every file that was replaced, and switch to it.

        A file that cannot be used is reported, and the older version goes on.

        Args:
            force: Look into files that seem to be the same, too.
        """
        async with self._reloading:
            for name, file in self._files.items():
                if not file.exists or not (force or file.signature() != self._seen.get(name)):
                    continue  # in the middle of being replaced, perhaps: the older one goes on
                error = await self._try(name)
                if error is not None:
                    goes_on = "the older version goes on" if name in self._served else "not served"
                    log.error("%s: %s. %s", name, goes_on, error)
            self._metrics.reload_checks.inc()

    async def watch(self) -> None:
        """Look for newer files for ever."""
        while True:
            await asyncio.sleep(self._config.reload_seconds)
            await self.reload()

    def close(self) -> None:
        """Let all threads end when they are done."""
        self._loader.shutdown(wait=False, cancel_futures=True)
        for served in self._served.values():
            served.close()

    async def _try(self, name: str) -> KerascnnError | None:
        """Load a file and switch to it; whatever goes wrong is counted, and nothing ends by it."""
        self._seen[name] = self._files[name].signature()
        try:
            await self._switch(name)
        except KerascnnError as error:
            failure = error
        except Exception as error:
            log.exception("%s: loading failed", name)
            reason = " ".join(str(error).split()) or "no reason given"
            path = self._files[name].path
            failure = ModelFileError(f"{path}: loading failed ({type(error).__name__}: {reason}).")
        else:
            self._problems.pop(name, None)
            return None
        self._problems[name] = str(failure)
        self._metrics.reloads.labels(name, "failed").inc()
        return failure

    async def _switch(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._loader, self._files[name].look)
        self._seen[name] = self._files[name].signature()
        new = await loop.run_in_executor(self._loader, self._open, name)
        old = self._served.get(name)
        if old is not None and old.version == new.version:
            new.close()
            return
        self._served[name] = new
        self._tell(new, old)
        if old is not None:
            self._metrics.reloads.labels(name, "ok").inc()
            log.warning("%s: switched from version %s to %s", name, old.version, new.version)
            await _idle(old.batcher)
            old.close()

    def _open(self, name: str) -> ServedModel:
        file, config = self._files[name], self._config
        before, path = file.signature(), file.path
        version = file.version()
        copies = [self._copy(path) for _ in range(config.copies)]
        for classifier in copies:
            _warm(classifier, batch_sizes(config.max_batch))
        if file.signature() != before:
            raise ModelFileError(f"{path}: was replaced while it was being loaded.")
        first = copies[0]
        return ServedModel(
            name, version, first.card, first.provider, self._batcher(name, copies), copies
        )

    def _copy(self, path: Path) -> Classifier:
        config, threads = self._config, self._config.threads
        if threads is None and config.copies > 1:
            threads = max(1, usable_cpus() // config.copies)
        return Classifier(path, config.provider, threads, config.foreign, config.arithmetic)

    def _batcher(self, name: str, copies: list[Classifier]) -> Batcher:
        config = self._config
        sizes = self._metrics.batches.labels(name)
        seconds = self._metrics.run_seconds.labels(name)

        def observe(size: int, took: float) -> None:
            sizes.observe(size)
            seconds.observe(took)

        return Batcher(
            [copy.run for copy in copies],
            config.max_batch,
            config.max_wait_ms / 1000,
            config.max_queue,
            observe,
        )

    def _tell(self, new: ServedModel, old: ServedModel | None) -> None:
        if old is not None:
            self._metrics.info.remove(*_labels(old))
        self._metrics.info.labels(*_labels(new)).set(1)
        self._metrics.ready.labels(new.name).set(1)
        self._metrics.taken.labels(new.name).set_function(lambda: new.batcher.taken)


def _warm(classifier: Classifier, sizes: tuple[int, ...]) -> None:
    # The first run of a size is slow: memory is laid out, and some providers compile.
    picture = probe_pictures(classifier.card.shape)[:1]
    file = io.BytesIO()
    Image.fromarray(picture[0]).save(file, "PNG")
    images.decode(file.getvalue())  # Pillow loads its formats at the first picture
    for size in sizes:
        classifier.run(picture.repeat(size, axis=0))


def _labels(served: ServedModel) -> tuple[str, str, str, str, str]:
    card = served.card
    return served.name, served.version, card.network, card.precision, served.provider


async def _idle(batcher: Batcher) -> None:
    while batcher.users:
        await asyncio.sleep(0.05)
