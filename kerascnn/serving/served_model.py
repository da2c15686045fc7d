"""One loaded version of a model: the copies of its network, their batcher, and its limits.

Knows: how a file is opened and warmed up. Does not know other versions or models, or HTTP.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.errors import ModelFileError
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.probes import probe_pictures
from kerascnn.parallel import usable_cpus
from kerascnn.serving.admission import AdmissionControl
from kerascnn.serving.batching import Batcher, batch_sizes
from kerascnn.serving.metrics import Metrics
from kerascnn.serving.model_file import ModelFile
from kerascnn.serving.sources import ModelConfig
from kerascnn.serving.statistics import Statistics


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One version of a model, loaded and warmed up."""

    name: str
    version: str  # its number in a model repository; else the digest
    # first 12 hexadecimal digits of the SHA-256 of the file and its weight files, the same on every
    # machine
    digest: str
    config: ModelConfig
    card: ModelCard
    provider: str
    batcher: Batcher
    admission: AdmissionControl
    copies: list[Classifier]  # instances of the network; closed with the model
    statistics: Statistics

    def close(self) -> None:
        """Free its memory and threads after the last run."""
        self.batcher.close()
        for copy in self.copies:
            copy.close()


def open_model(file: ModelFile, model: ModelConfig, number: str, metrics: Metrics) -> ServedModel:
    """Open and warm up a version of a model.

    ``number``: its number in a model repository; empty: the digest is the version.

    Raises:
        KerascnnError: It cannot be used, or was replaced while loading.
    """
    before, path = file.signature(), file.path
    digest = file.version()
    copies = [_copy(model, path) for _ in range(model.copies)]
    for classifier in copies:
        _warm(classifier, batch_sizes(model.max_batch))
    if file.signature() != before:
        raise ModelFileError(f"{path}: was replaced while it was being loaded.")
    first, statistics = copies[0], Statistics()
    batcher = _batcher(model, copies, statistics, metrics)
    version = number or digest
    return ServedModel(
        model.name, version, digest, model, first.card, first.provider, batcher,
        AdmissionControl(model.max_queue), copies, statistics,
    )  # fmt: skip


def _batcher(
    model: ModelConfig, copies: list[Classifier], statistics: Statistics, metrics: Metrics
) -> Batcher:
    sizes = metrics.batches.labels(model.name)
    seconds = metrics.run_seconds.labels(model.name)

    def observe(size: int, took: float) -> None:
        sizes.observe(size)
        seconds.observe(took)
        statistics.runs[size].add(took)

    runs = [copy.run for copy in copies]
    return Batcher(runs, model.max_batch, model.max_wait_ms / 1000, observe)


def _copy(model: ModelConfig, path: Path) -> Classifier:
    threads = model.threads
    if threads is None and model.copies > 1:
        threads = max(1, usable_cpus() // model.copies)
    return Classifier(
        path, model.provider, threads, model.foreign, model.arithmetic, model.max_batch
    )


def _warm(classifier: Classifier, sizes: tuple[int, ...]) -> None:
    # The first run of each batch size is slow: it allocates memory, and some providers compile.
    picture = probe_pictures(classifier.card.shape)[:1]
    file = io.BytesIO()
    Image.fromarray(picture[0]).save(file, "PNG")
    images.decode(file.getvalue())  # Pillow loads its plugins at the first picture
    for size in sizes:
        classifier.run(picture.repeat(size, axis=0))
