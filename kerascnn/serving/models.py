"""The models that are served: loaded, warmed, and replaced when their files are.

Knows: files, versions, and that a newer one is switched to only when it works. Does not know
HTTP.
"""

from __future__ import annotations

import asyncio
import hashlib
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
from kerascnn.serving.metrics import Metrics
from kerascnn.serving.refusal import Refusal

log = logging.getLogger(__name__)

Signature = tuple[int, int, int, int]
"""Device, inode, size and time of change: another file has another one."""

_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One version of one model, ready to answer.

    Attributes:
        name: The file's stem.
        version: The first 12 digits of the file's SHA-256: the same on every machine.
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
        self._paths = {
            name: Path(path) for name, path in zip(config.names, config.models, strict=True)
        }
        self._served: dict[str, ServedModel] = {}
        self._seen: dict[str, Signature | None] = {}
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loading")
        self._reloading = asyncio.Lock()
        for name in self._paths:
            metrics.ready.labels(name).set(0)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all models, in the order in which they were given."""
        return tuple(self._paths)

    @property
    def ready(self) -> bool:
        """Whether every model answers."""
        return len(self._served) == len(self._paths)

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """Find the newest version of a model.

        Args:
            name: Of the model.
            version: That it must be; None: any.

        Returns:
            The model. It goes on answering even if it is replaced meanwhile.

        Raises:
            Refusal: 404: no such model or version; 503: it is being loaded.
        """
        if name not in self._paths:
            raise Refusal(
                404, f"unknown model {name[:80]!r}; served here: {', '.join(self._paths)}."
            )
        served = self._served.get(name)
        if served is None:
            raise Refusal(503, f"model {name!r} is being loaded. Try again.", retry_after=1)
        if version is not None and version != served.version:
            raise Refusal(
                404,
                f"model {name!r} has no version {version[:80]!r} here; served is {served.version}.",
            )
        return served

    async def load(self) -> None:
        """Load and warm all models.

        Raises:
            KerascnnError: One cannot be used.
        """
        for name in self._paths:
            self._seen[name] = signature(self._paths[name])
            await self._switch(name)

    async def reload(self, force: bool = False) -> None:
        """Load the newer version of every file that was replaced, and switch to it.

        A file that cannot be used is reported, and the older version goes on.

        Args:
            force: Look into files that seem to be the same, too.
        """
        async with self._reloading:
            for name, path in self._paths.items():
                found = signature(path)
                if found is None or not (force or found != self._seen.get(name)):
                    continue  # in the middle of being replaced, perhaps: the older one goes on
                self._seen[name] = found
                try:
                    await self._switch(name)
                except KerascnnError as error:
                    self._metrics.reloads.labels(name, "failed").inc()
                    log.error("%s: the older version goes on. %s", name, error)
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

    async def _switch(self, name: str) -> None:
        loop = asyncio.get_running_loop()
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
        path, config = self._paths[name], self._config
        before = signature(path)
        version = _version(path)
        copies = [self._copy(path) for _ in range(config.copies)]
        for classifier in copies:
            _warm(classifier, batch_sizes(config.max_batch))
        if signature(path) != before:
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


def signature(path: Path) -> Signature | None:
    """Tell one file from another without reading it.

    Args:
        path: Of the file.

    Returns:
        Its signature; None: it is not there.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _version(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file.") from error
    except OSError as error:
        raise ModelFileError(f"{path}: cannot read it ({error.strerror or error}).") from error
    return digest.hexdigest()[:12]


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
