"""The training and validation pictures of a run, decoded and resized.

Knows: where they come from, their size, and what makes them unusable. Does not know: devices,
weights.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.dataset import ArrayPictures, Dataset, Split
from kerascnn.dataset.check.fingerprints import concatenate, fingerprint_pictures
from kerascnn.dataset.check.near_duplicates import find_nearest
from kerascnn.dataset.check.outliers import DARK
from kerascnn.errors import DataError
from kerascnn.inference.learned import remember
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.cache import open_cache
from kerascnn.training.data.pack import Pack, joined, pack
from kerascnn.training.data.splits import run_dataset
from kerascnn.training.networks import Network, find_network

log = logging.getLogger(__name__)

_LOOKED_AT = 256
"""Number of pictures that are enough to see whether all are nearly black."""

COPY = 0.99
"""Minimum similarity of copies; most reach it at two sizes of one picture, neighboring crops do
not."""


@dataclass(frozen=True)
class Feed:
    """The data of one run, ready for batching.

    Attributes:
        dataset: Data set with a validation split.
        size: Size of the network's input, in pixels.
    """

    dataset: Dataset
    train: Pack
    val: Pack
    size: int
    resize: images.Resize

    @property
    def packs(self) -> dict[str, Pack]:
        """Both packs, by the names of their splits."""
        return {"train": self.train, "val": self.val}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that the network sees; see :func:`fingerprint`."""
        return fingerprint(self.dataset.classes, self.packs)

    @cached_property
    def leaked(self) -> int:
        """How many validation pictures are also training pictures."""
        return count_leaks(self.train.images, self.val.images)

    def remembered(self, learned: Split) -> list[str]:
        """Hash some training pictures for the card; ``learned``: the split of the training pack."""
        pack = self.train
        alike = pack.images.shape[1] == self.size and not pack.skipped
        return remember(learned, self.size, self.resize, pack.images if alike else None)


def prepare(
    config: TrainConfig,
    progress: Callback,
    dataset: Dataset | None = None,
    network: Network | None = None,
) -> Feed:
    """Load, split, decode and resize the data of a run.

    Args:
        dataset: Result of :func:`kerascnn.training.data.splits.run_dataset`, if it is loaded
            already.
        network: Row of the configuration's network; None: looked up.

    Raises:
        DataError: There is no usable data.
    """
    dataset = dataset or run_dataset(config)
    size = config.image_size or (network or find_network(config.model)).image_size
    longest = dataset.splits["train"].longest_side()
    resize = config.resize or images.default_resize(
        "imagenet" if config.weights == "imagenet" else "none", longest, size
    )
    cache, packs = open_cache(config.cache), {}
    # Only random crops use more pixels than the network takes.
    sizes = {"train": stored_size(size, longest) if config.random_crop else size, "val": size}
    for name in ("train", "val"):
        split = dataset.splits[name]
        tell = partial(_tell, progress, name, len(split))
        packs[name] = pack(
            split, sizes[name], resize, strict=config.strict, cache=cache, progress=tell
        )
    check_classes(dataset, packs["train"])
    _check_validation(dataset, packs["val"])
    _warn_if_dark(dataset, packs["train"])
    return Feed(dataset, packs["train"], packs["val"], size, resize)


def with_all_pictures(feed: Feed) -> Feed:
    """Add the validation pictures to the training pictures, for a second training."""
    split, val, size = feed.dataset.splits["val"], feed.val, feed.train.images.shape[1]
    if val.images.shape[1] != size:  # random crops use more pixels than validation
        known = set(val.names)
        readable = [n for n in range(len(split)) if split.pictures.name(n) in known]
        val = pack(split.take(np.array(readable)), size, feed.resize)
    return replace(feed, train=joined(feed.train, val))


def _tell(progress: Callback, name: str, total: int, done: int) -> None:
    progress.on_read(name, done, total)


def stored_size(size: int, longest: int) -> int:
    """Choose the size at which pictures are stored for random crops, in pixels.

    A seventh more than the input's, as ImageNet's 256 for 224; ``size`` itself if no picture's
    ``longest`` side is larger.
    """
    return size if longest <= size else (8 * size + 6) // 7


def _check_validation(dataset: Dataset, val: Pack) -> None:
    if not len(val):
        first = f" The first: {val.skipped[0]}" if val.skipped else ""
        raise DataError(
            f"{dataset.name}: no validation picture can be read. Add some, or remove the split; "
            f"then some training pictures are held out for it.{first}"
        )


def _warn_if_dark(dataset: Dataset, train: Pack) -> None:
    highest = int(train.images[:: max(1, len(train) // _LOOKED_AT)].max())
    if highest < DARK:
        log.warning(
            "%s: all pictures are nearly black, with values up to %s of 255. Scale them first: "
            "16-bit pictures reach 65,535, even if they were taken with 10 or 12 bits.",
            dataset.name,
            highest,
        )


def check_classes(dataset: Dataset, train: Pack) -> None:
    """Check that there are two classes, and readable pictures of each.

    Raises:
        DataError: There are not; the message names the classes and a broken picture of theirs.
    """
    counts = np.bincount(train.labels, minlength=len(dataset.classes))
    empty = [name for name, count in zip(dataset.classes, counts, strict=True) if not count]
    if empty:
        told = [reason for reason in train.skipped if any(name in reason for name in empty)]
        first = f" The first one: {told[0]}" if told else ""
        raise DataError(
            f"{dataset.name}: no usable picture in {', '.join(empty)}. Add pictures or remove the "
            f"class.{first}"
        )
    if len(dataset.classes) < 2:
        raise DataError(
            f"{dataset.name}: one class only ({dataset.classes[0]}). Expected at least two."
        )


def fingerprint(classes: tuple[str, ...], packs: dict[str, Pack]) -> str:
    """Hash what the network sees (class names, resized pictures, labels): hexadecimal SHA-256."""
    digest = hashlib.sha256("\0".join(classes).encode())
    for name in sorted(packs):
        digest.update(name.encode())
        digest.update(packs[name].labels.tobytes())
        digest.update(packs[name].digest.encode())
    return digest.hexdigest()


def count_leaks(train: npt.NDArray[np.uint8], val: npt.NDArray[np.uint8]) -> int:
    """Count the validation pictures that are equal to a training picture.

    Args:
        train: uint8 ``[pictures, side, side, 3]``.
        val: As ``train``; of another side if training pictures are stored larger for random crops.
            Then nearly equal pictures are counted, which misses some.
    """
    if train.shape[1:] != val.shape[1:]:
        parts = [fingerprint_pictures(ArrayPictures(part, "")) for part in (val, train)]
        fingerprints = concatenate(parts)
        found = find_nearest(fingerprints, range(len(val)), range(len(val), len(fingerprints)))
        return sum(one.similarity >= COPY for one in found.values())
    side = train.shape[1]
    rows = [side // 4, side // 2, 3 * side // 4]
    train, val = np.asarray(train), np.asarray(val)  # each row of a memmap takes 10 us more
    # Most pictures differ in these rows, so the others need not be read from disk.
    wanted = {one[rows].tobytes() for one in val}
    known = {hash(one.tobytes()) for one in train if one[rows].tobytes() in wanted}
    return sum(hash(one.tobytes()) in known for one in val)
