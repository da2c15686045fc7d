"""The classifier: runs an exported file on pictures.

Knows: card, session, batches. Does not know Keras, how pictures are read, or printing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

from kerascnn import notebook
from kerascnn.card import ModelCard
from kerascnn.errors import ConfigError, PictureError
from kerascnn.inference.arguments import check_count, check_share
from kerascnn.inference.batch_outputs import BatchOutputs, run_batch
from kerascnn.inference.checked_session import open_checked, run_network
from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.inference.model_file.signature import Signature
from kerascnn.inference.prediction import Prediction, rank_all
from kerascnn.inference.reading import Picture, PictureReader, SizedPicture, as_many
from kerascnn.inference.runtime.providers import Arithmetic
from kerascnn.inference.runtime.selection import Choice, RequestedProvider, choose
from kerascnn.inference.signature_of_foreign import open_signature
from kerascnn.inference.streaming import BATCH_TIMEOUT, in_batches
from kerascnn.language import tr
from kerascnn.parallel import usable_cpus
from kerascnn.uris import local_file

T = TypeVar("T")

BATCH_SIZE = 32
"""Default pictures per run. Not larger, because onnxruntime keeps the memory of the largest batch
that it has run."""


class AnswerOptions(TypedDict, total=False):
    """Keyword options of predictions, explained at :meth:`Classifier.stream`."""

    top_k: int
    batch_size: int
    min_probability: float


class Classifier:
    """Classifies pictures with onnxruntime only.

    Args:
        path: Path of a file written by ``kerascnn export``; or ``hf://OWNER/NAME[@REVISION][/FILE]``
            on the Hugging Face Hub, or another URI.
        provider: Execution provider: ``cpu``, ``openvino``, ``cuda``, ``tensorrt``, or ``auto``:
            the fastest that ``kerascnn bench --save`` measured here, else ``cpu``.
        threads: Threads per inference, and threads that read pictures. None: as many as were
            measured to be fastest for the network, else one for a network that is faster than
            decoding, else (and for reading) one per available processor.
        foreign: Class names and preprocessing of a file that kerascnn did not export.
        arithmetic: ``exact`` (float32, no top-1 prediction changed) or ``fast`` (the provider's
            bfloat16, TF32 or float16; ``kerascnn bench`` counts changed predictions).
        full_batch: Pictures in most calls of :meth:`run`, if known. OpenVINO compiles the network
            for this batch size too, which makes such calls faster and takes memory.

    Attributes:
        card: The model card: the file's own, or made from ``foreign``.
        signature: Type, layout and meaning of the graph's input and outputs.
        provider (ProviderName): The execution provider in use; its ``why`` says why.
        arithmetic: ``exact`` or ``fast``, as given.

    Several threads may use one classifier at once. A forked process must open its own.
    ``close()``, or leaving a ``with`` block, frees the model's memory.

    Raises:
        ConfigError: ``threads`` or ``full_batch`` is below 1.
        ModelFileError: No such file, or kerascnn did not export it and ``foreign`` is missing.
        ProviderError: The provider cannot run here, or its outputs differ from the trained model's.

    Examples:
        >>> classifier = Classifier("exported/flowers.onnx")      # doctest: +SKIP
        >>> classifier.predict(["rose.jpg"])[0].label             # doctest: +SKIP
        'rose'
    """

    def __init__(
        self,
        path: str | Path,
        provider: RequestedProvider | Choice = "auto",
        threads: int | None = None,
        foreign: ForeignModel | None = None,
        arithmetic: Arithmetic = "exact",
        full_batch: int | None = None,
    ) -> None:
        for name, count in (("threads", threads), ("full_batch", full_batch)):
            if count is not None:
                check_count(name, count)
        self.arithmetic: Arithmetic = arithmetic
        with local_file(path) as file:
            self.signature: Signature = open_signature(file, foreign)
            self.card: ModelCard = self.signature.card
            choices = choose(file, provider, arithmetic, threads)
            self._session, self.provider = open_checked(
                file, self.signature, choices, arithmetic, full_batch
            )
        self._reader = PictureReader(self.card, threads or usable_cpus(), self._session.usable)

    def __repr__(self) -> str:
        card = self.card
        return (
            f"Classifier(name={card.name!r}, network={card.network!r}, "
            f"classes={len(card.classes)}, provider={str(self.provider)!r})"
        )

    def _repr_html_(self) -> str:
        card, provider = self.card, self.provider
        accuracy = card.metrics.get("val_top1")
        height, width = card.shape
        sizing = tr(
            "{resize} to {height} x {width} pixels",
            resize=card.resize, height=height, width=width,
        )  # fmt: skip
        rows = {
            tr("network"): card.network,
            tr("classes"): f"{len(card.classes):,}: {', '.join(card.classes[:10])}"
            f"{' …' if len(card.classes) > 10 else ''}",
            tr("pictures"): sizing,
            tr("validation accuracy"): accuracy if accuracy is None else f"{accuracy:.2%}",
            tr("runs on"): f"{provider}, {self.arithmetic}",
        }
        return notebook.card(card.name, rows)

    def close(self) -> None:
        """Free the model's memory; the classifier cannot be used after that."""
        self._session.close()
        self._reader.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise ConfigError(
            "a Classifier cannot be pickled or copied: it holds a network in memory. Send the "
            "path of its file, and open Classifier(path) once in each process."
        )

    def __enter__(self) -> Classifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the outputs."""
        return self.card.classes

    def classify(
        self, picture: Picture, top_k: int = 5, min_probability: float = 0.0
    ) -> Prediction:
        """Classify one picture.

        Args:
            picture: One picture, as for :meth:`predict`.
            top_k: How many classes to list.
            min_probability: Below this, the prediction's label is None.

        Raises:
            PictureError: It cannot be read.
            ConfigError: A number is out of its range.
        """
        return self.predict([picture], top_k, min_probability=min_probability)[0]

    def predict(
        self,
        pictures: Iterable[Picture] | Picture,
        top_k: int = 5,
        batch_size: int = BATCH_SIZE,
        min_probability: float = 0.0,
    ) -> list[Prediction]:
        """Classify some pictures.

        Args:
            pictures: Paths, bytes, open files, Pillow images or uint8 arrays, of any size; or one
                of them. Arrays are RGB; OpenCV's are BGR: give ``array[..., ::-1]``.
            top_k: How many classes to list for each.
            batch_size: Pictures per run of the network.
            min_probability: Below this, a prediction's label is None.

        Returns:
            One prediction per picture, in order; for a single picture, a list of one.

        Raises:
            PictureError: A picture cannot be read, or the network's output for it is not finite.
                :meth:`stream` continues in these cases.
            ConfigError: A number is out of its range.
        """
        answers = []
        for answer in self.stream(pictures, top_k, batch_size, min_probability):
            if isinstance(answer, PictureError):
                raise answer
            answers.append(answer)
        return answers

    def stream(
        self,
        pictures: Iterable[Picture] | Picture,
        top_k: int = 5,
        batch_size: int = BATCH_SIZE,
        min_probability: float = 0.0,
    ) -> Iterator[Prediction | PictureError]:
        """Classify any number of pictures, a few at a time.

        Pictures are decoded in threads while the network runs, and never held all at once.

        Args:
            pictures: As for :meth:`predict`, also from an endless or slow iterator: pictures that
                have arrived are classified without waiting for more. The iterator is read in a
                separate thread.
            top_k: How many classes to list for each.
            batch_size: Maximum pictures per run of the network.
            min_probability: Below this, a prediction's label is None.

        Yields:
            For each picture, in order, its prediction or the error that prevented one.

        Raises:
            ConfigError: A number is out of its range.
        """
        for answers in self.stream_batches(pictures, top_k, batch_size, min_probability):
            yield from answers

    def stream_batches(
        self,
        pictures: Iterable[Picture] | Picture,
        top_k: int = 5,
        batch_size: int = BATCH_SIZE,
        min_probability: float = 0.0,
    ) -> Iterator[list[Prediction | PictureError]]:
        """Classify as :meth:`stream` does, and yield the predictions of each batch as a list."""
        check_count("top_k", top_k)
        check_count("batch_size", batch_size)
        check_share("min_probability", min_probability)
        reader, many = self._reader, as_many(pictures)
        for outputs in self.run_batches(reader.read, many, batch_size, reader.weigh):
            ranked = rank_all(outputs.probabilities, self.classes, top_k, min_probability)
            rows, count = iter(ranked), len(ranked) + len(outputs.errors)
            yield [outputs.errors.get(place) or next(rows) for place in range(count)]

    def run_batches(
        self,
        read: Callable[[T], SizedPicture],
        items: Iterable[T],
        size: int,
        weigh: Callable[[T], int],
        timeout: float | None = BATCH_TIMEOUT,
    ) -> Iterator[BatchOutputs]:
        """Read pictures in threads, and run the network on batches of them.

        The arguments are those of :func:`in_batches`, with ``read`` as its ``work``.
        """
        pool, threads = self._reader.pool, self._reader.threads
        for batch in in_batches(read, items, size, weigh, pool, threads, timeout):
            yield run_batch(self.run, batch, self.card.shape)

    def run(
        self, batch: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Run the network on pictures that have its input size.

        Args:
            batch: uint8 ``[batch, height, width, 3]``, RGB, of the card's ``shape``; may be empty.

        Returns:
            Logits and probabilities, each float32 ``[batch, classes]``. They may be NaN or
            infinite; see :func:`kerascnn.inference.prediction.finite_rows`.

        Raises:
            PictureError: Another type or shape.
            ConfigError: The classifier was closed.
            ProviderError: The process was forked since it was opened, or the provider fails.
        """
        height, width = self.card.shape
        if not isinstance(batch, np.ndarray):
            raise PictureError(f"a batch that is a {type(batch).__name__}; expected a uint8 array.")
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (height, width, 3):
            raise PictureError(
                f"a batch of {batch.dtype} {list(batch.shape)}; expected uint8 "
                f"[batch, {height}, {width}, 3]."
            )
        if not len(batch):
            nothing = np.empty((0, len(self.classes)), np.float32)
            return nothing, nothing.copy()
        return run_network(self._session, self.signature, batch)
