"""What is trained on what: a device, the data of a run, decoded and sized, and a network.

Knows: where each comes from, and what has to fit. Does not know: what is done with them.
"""

from __future__ import annotations

from kerascnn import images
from kerascnn.dataset import Dataset
from kerascnn.errors import DataError
from kerascnn.training.augmentation.random_resized_crop import stored_size
from kerascnn.training.auto.model import choose_changes, choose_network
from kerascnn.training.callbacks import Progress
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.cache import open_cache
from kerascnn.training.data.pack import Feed, Pack, check_classes, pack
from kerascnn.training.data.splits import run_dataset
from kerascnn.training.distribution.device import choose_device
from kerascnn.training.distribution.local_devices import check_devices
from kerascnn.training.distribution.processes import refuse_other_data
from kerascnn.training.networks import find_network
from kerascnn.training.weights import Start, check_weights, start_network


def assemble(config: TrainConfig, progress: Progress) -> tuple[TrainConfig, str, Feed, Start]:
    """Bring together what is trained on what: a device, the data, the network.

    Args:
        config: Of the run.
        progress: Who listens.

    Returns:
        The configuration with a network and changes of pictures in the place of ``auto``, the
        device's name, the feed and the network, still float32 and with everything trainable.

    Raises:
        ConfigError: A device, a network or a size that cannot be had or does not fit.
        DataError: No usable data, or other data than that of the other processes.
        ModelFileError: Weights that cannot be used.
    """
    device = choose_device(config.device)
    dataset = run_dataset(config)
    config = choose_network(config, dataset, progress)
    check_weights(config.model, config.weights)
    feed = prepare(config, progress, dataset)
    config = choose_changes(config, feed, progress)
    check_devices(config, len(feed.train))
    refuse_other_data(feed.fingerprint)
    classes = len(feed.dataset.classes)
    start = start_network(
        config.model, classes, feed.size, config.weights, config.stem,
        lambda done, total: progress.fetching(config.model, done, total),
    )  # fmt: skip
    return config, device, feed, start


def prepare(config: TrainConfig, progress: Progress, dataset: Dataset | None = None) -> Feed:
    """Load, split, decode and size the data of a run.

    Args:
        config: Of the run, with its network.
        progress: Who listens.
        dataset: Of :func:`kerascnn.training.data.splits.run_dataset`, where it is loaded already.

    Returns:
        The feed.

    Raises:
        DataError: No usable data.
    """
    dataset = dataset or run_dataset(config)
    size = config.image_size or find_network(config.model).image_size
    longest = dataset.splits["train"].longest_side()
    resize = config.resize or images.default_resize(_kind(config), longest, size)
    cache, packs = open_cache(config.cache, config.cache_limit), {}
    # Of crops alone more is seen than the network takes.
    sizes = {"train": stored_size(size, longest) if config.random_crop else size, "val": size}
    for name in ("train", "val"):
        split = dataset.splits[name]
        total = len(split)
        packs[name] = pack(
            split,
            sizes[name],
            resize,
            strict=config.strict,
            cache=cache,
            progress=lambda done, name=name, total=total: progress.reading(name, done, total),  # type: ignore[misc]
        )
    check_classes(dataset, packs["train"])
    _check_validation(dataset, packs["val"])
    return Feed(dataset, packs["train"], packs["val"], size, resize)


def _check_validation(dataset: Dataset, val: Pack) -> None:
    if not len(val):
        first = f" The first: {val.skipped[0]}" if val.skipped else ""
        raise DataError(
            f"{dataset.name}: no validation picture can be read. Add some, or leave the split out; "
            f"then some training pictures are kept for it.{first}"
        )


def _kind(config: TrainConfig) -> str:
    return "imagenet" if config.weights == "imagenet" else "none"
