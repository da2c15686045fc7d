"""What a training run is told: one frozen dataclass, checked before anything starts.

Knows: the options, their limits and defaults. Does not know Keras.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

from kerascnn.card import LARGEST_SIDE
from kerascnn.dataset import BUILTIN
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.images import RESIZE_RULES, Resize
from kerascnn.training.clock import seconds_of
from kerascnn.training.phases import BASELINE, phases
from kerascnn.typed_json import build, parse_json

BATCHNORMS = ("frozen", "train")
STEMS = ("standard", "small")
Augment = Literal["auto", "none", "shift", "light", "strong-shift", "strong", "trivial"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
Device = Literal["auto", "cpu", "gpu"]
DEVICES: tuple[Device, ...] = get_args(Device)
FeedKind = Literal["auto", "resident", "streamed"]
FEEDS: tuple[FeedKind, ...] = get_args(FeedKind)
AUGMENTATIONS: tuple[Augment, ...] = get_args(Augment)
OptimizerName = Literal["adamw", "sgd"]
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
ScheduleName = Literal["cosine", "one-cycle"]
SCHEDULES: tuple[ScheduleName, ...] = get_args(ScheduleName)
Keep = Literal["auto", "best", "newest"]
KEEPS: tuple[Keep, ...] = get_args(Keep)
ClassWeights = Literal["none", "balanced"]
CLASS_WEIGHTS: tuple[ClassWeights, ...] = get_args(ClassWeights)
Auto = Literal["auto"]
AUTO: Auto = "auto"
"""What suits the data; see :mod:`kerascnn.training.auto.hyperparameters` for numbers, and
:mod:`kerascnn.training.auto.model` for the network and what is changed in pictures."""
AUTOMATIC = ("batch_size", "epochs", "learning_rate", "model", "weights", "augment", "keep")
"""Options that may be left to the data, and are settled when a run begins."""


@dataclass(frozen=True)
class TrainConfig:
    """All that is needed to repeat a training run.

    Attributes:
        data: A folder, or a built-in name; see :func:`kerascnn.dataset.load_dataset`.
        model: A name from ``kerascnn models``; ``auto``: the baseline for built-in data and small
            pictures, else a backbone with ImageNet weights if they can be had, see
            :func:`kerascnn.training.auto.model.choose_network`. The run's own configuration then
            holds the name.
        out: The run folder; None: ``runs/DATA-MODEL``, numbered if that exists.
        weights: What the network starts from: ``none``, ``imagenet``, or a file of weights; see
            :func:`kerascnn.training.weights.start_network`. ``auto``: what suits ``--model auto``;
            none with a network that is named.
        stem: ``small`` gives a ResNet a stem for pictures of about 32 pixels.
        trainable: Which blocks learn; see :func:`kerascnn.training.set_trainable`. ``auto``: what
            :func:`kerascnn.training.advise` says; the run's own configuration then holds that.
        phase: ``SCOPE:EPOCHS`` or ``SCOPE:EPOCHS:RATE``, one after another, in place of
            ``trainable`` and ``epochs``; see :func:`kerascnn.training.phases.phases`.
        batchnorm: ``train`` lets BatchNormalization of frozen blocks go on moving its statistics.
        layer_decay: Of the learning rate from one block to the next, from the head down; 1: all
            learn alike.
        image_size: Height and width of the network's input in pixels; None: the network's own.
        resize: ``squash``, ``crop`` or ``pad``; None: chosen from the pictures, see
            :func:`kerascnn.images.default_resize`.
        epochs: Passes over the training pictures; ``auto``: 10, or more where that would be few
            steps. See :func:`kerascnn.training.auto.hyperparameters.settle`.
        time: The longest that the run may take, from reading the pictures to the report, e.g.
            ``10m``: as many epochs as fit, at most those that were asked for. See
            :mod:`kerascnn.training.trainer.time_limit`.
        batch_size: Pictures a step; ``auto``: 64, or fewer of few pictures. The run's own
            configuration then holds the number, as for ``epochs``.
        learning_rate: The highest rate, reached after the warm-up; None: the network's own, see
            :class:`kerascnn.training.networks.Network`; ten times that for SGD; lower where
            ``batch_size`` is left to the data and becomes a small one.
        optimizer: ``adamw``, or ``sgd``: with Nesterov's momentum of 0.9.
        weight_decay: Of the weights, not of biases and BatchNormalization, times the learning
            rate in every step; None: 0.05 for AdamW, 0.005 for SGD.
        clip_norm: Longest gradient, all variables together; None: any.
        schedule: ``cosine``: a line up over a tenth of the steps, then a cosine down to 0;
            ``one-cycle``: the line takes three tenths.
        ema: Momentum of a moving average of the weights, which is validated and kept in their
            place; None: no average. See :mod:`kerascnn.training.optimizers.ema`.
        accumulate: Batches whose gradients are gathered for one step of the optimiser.
        augment: ``none``, ``shift``, ``light``, ``strong-shift``, ``strong`` or ``trivial``; see
            :func:`kerascnn.training.augmentation.presets.augmentation_layers`. Wrong for digits and
            letters, which a flip turns into other things, but for ``shift`` and ``strong-shift``,
            which have none. ``auto``: none of built-in data, nor with frozen blocks; else as
            :func:`kerascnn.training.auto.model.choose_changes` finds.
        random_crop: The smallest share of a picture's area that a crop takes, above 0 and at most
            1, e.g. 0.35; 0: pictures stay whole. See
            :mod:`kerascnn.training.augmentation.random_resized_crop`.
        mixup: Alpha of mixup, above 0, e.g. 0.2; 0: none. See
            :mod:`kerascnn.training.augmentation.mixup`.
        cutmix: Alpha of CutMix, above 0, e.g. 1.0; 0: none.
        class_weights: ``balanced``: each class weighs as much as every other, however many
            pictures it has. The weights' mean over the training pictures is 1.
        label_smoothing: Share of each label that is spread evenly over all classes, from 0 and
            below 1.
        patience: Epochs without a better one after which a phase ends; None: it never does.
        keep: Which epoch's network: ``best``, of the highest validation accuracy, then the lowest
            loss; ``newest``, the newest whose accuracy is not significantly lower. ``auto``:
            ``newest`` where epochs are left to ``auto`` and validation pictures are few, see
            :func:`kerascnn.training.auto.hyperparameters.choose_kept`.
        val: A share of the training pictures, between 0 and 1, kept for validation when the data
            has none; or data of its own, as ``data`` is. None: 0.1, or 0.05 above 20,000 pictures.
        calibration: Fit the temperature on the validation pictures after training; see
            :mod:`kerascnn.training.evaluation.calibration`.
        precision: Of the arithmetic inside the network while training; weights, loss and the file
            that is saved are float32 in any case.
        device: ``auto``: a GPU if there is one.
        devices: How many share each batch, or ``all``; of each machine, where there are several.
        feed: ``resident``: the pictures lie in the device's memory; ``streamed``: they are brought
            to it in time; ``auto``: resident if they fit. The result is the same.
        cache: Folder for the decoded and sized pictures, for the next run; ``none``: none; None:
            see :func:`kerascnn.training.data.cache.open_cache`.
        cache_limit: Of that folder, in gigabytes (10**9 bytes).
        seed: Of weights, shuffling, augmentation and the validation split.
        deterministic: Same seed, same machine: same history, bit by bit. Slower on some devices.
        strict: A picture that cannot be read is an error instead of being left out.
    """

    data: str = "fashion-mini"
    model: str = AUTO
    out: str | None = None
    weights: str = AUTO
    stem: Literal["standard", "small"] = "standard"
    trainable: str = "all"
    phase: tuple[str, ...] = ()
    batchnorm: Literal["frozen", "train"] = "frozen"
    layer_decay: float = 1.0
    image_size: int | None = None
    resize: Resize | None = None
    epochs: int | Auto = AUTO
    time: str | None = None
    batch_size: int | Auto = AUTO
    learning_rate: float | None = None
    optimizer: OptimizerName = "adamw"
    weight_decay: float | None = None
    clip_norm: float | None = None
    schedule: ScheduleName = "cosine"
    ema: float | None = None
    accumulate: int = 1
    augment: Augment = AUTO
    random_crop: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    class_weights: ClassWeights = "none"
    label_smoothing: float = 0.0
    patience: int | None = None
    keep: Keep = AUTO
    val: float | str | None = None
    calibration: bool = True
    precision: Precision = "float32"
    device: Device = "auto"
    devices: str = "1"
    feed: FeedKind = "auto"
    cache: str | None = None
    cache_limit: float = 20.0
    seed: int = 0
    deterministic: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        # JSON knows lists only, and a command line words only.
        object.__setattr__(self, "phase", tuple(self.phase))
        object.__setattr__(self, "val", _number_or_word(self.val))
        for name, value in _known_beforehand(self).items():
            object.__setattr__(self, name, value)
        _check(self)
        phases(self)

    def to_json(self) -> str:
        """Write the configuration as JSON for people and for ``--resume``."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> TrainConfig:
        """Read a configuration.

        Args:
            text: JSON as :meth:`to_json` writes it.
            source: Where it came from, for messages.

        Returns:
            The configuration.

        Raises:
            ModelFileError: Not JSON, or not these fields.
        """
        names = [field.name for field in fields(cls)]
        try:
            values = parse_json(text)
            unknown = [name for name in values if name not in names]
            if unknown:
                raise ValueError(f"{unknown[0]!r} is no option of it")
            return build(cls, values)
        except (TypeError, ValueError) as error:
            raise ModelFileError(
                f"{source}: not a configuration of this kerascnn ({error}). "
                f"Expected JSON with: {', '.join(names)}."
            ) from error


def _known_beforehand(config: TrainConfig) -> dict[str, str]:
    """Settle what needs no look at the data."""
    known, builtin = {}, config.data in BUILTIN
    model = BASELINE if builtin and config.model == AUTO else config.model
    if model != config.model:
        known["model"] = model
    if model != AUTO and config.weights == AUTO:
        known["weights"] = "none"
    if builtin and config.augment == AUTO:
        known["augment"] = "none"
    return known


def _number_or_word(value: float | str | None) -> float | str | None:
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _is_count(value: int | str) -> bool:
    return value == AUTO if isinstance(value, str) else value >= 1


def _check(config: TrainConfig) -> None:
    limits = {
        "epochs": (_is_count(config.epochs), "at least 1, or auto"),
        "batch_size": (_is_count(config.batch_size), "at least 1, or auto"),
        "time": (
            config.time is None or seconds_of(config.time) is not None,
            "a duration, e.g. 10m, 90s or 1h30m",
        ),
        "learning_rate": (
            config.learning_rate is None or 0 < config.learning_rate < 100,
            "above 0 and below 100",
        ),
        "optimizer": (config.optimizer in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}"),
        "weight_decay": (
            config.weight_decay is None or 0 <= config.weight_decay < 1,
            "from 0 and below 1, e.g. 0.05",
        ),
        "clip_norm": (config.clip_norm is None or config.clip_norm > 0, "above 0, e.g. 1.0"),
        "schedule": (config.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
        "ema": (config.ema is None or 0 < config.ema < 1, "above 0 and below 1, e.g. 0.99"),
        "accumulate": (config.accumulate >= 1, "at least 1"),
        "image_size": (
            config.image_size is None or 1 <= config.image_size <= LARGEST_SIDE,
            f"from 1 to {LARGEST_SIDE:,}",
        ),
        "val": (
            config.val is None or isinstance(config.val, str) or 0 < config.val < 1,
            "between 0 and 1, e.g. 0.1, or a folder",
        ),
        "precision": (config.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        "device": (config.device in DEVICES, f"one of {', '.join(DEVICES)}"),
        "devices": (
            config.devices == "all" or (config.devices.isdecimal() and int(config.devices) >= 1),
            "a number from 1, or all",
        ),
        "feed": (config.feed in FEEDS, f"one of {', '.join(FEEDS)}"),
        "cache_limit": (config.cache_limit >= 0, "at least 0 (gigabytes)"),
        "patience": (config.patience is None or config.patience >= 1, "at least 1"),
        "keep": (config.keep in KEEPS, f"one of {', '.join(KEEPS)}"),
        "label_smoothing": (0 <= config.label_smoothing < 1, "from 0 and below 1, e.g. 0.1"),
        "class_weights": (
            config.class_weights in CLASS_WEIGHTS,
            f"one of {', '.join(CLASS_WEIGHTS)}",
        ),
        "random_crop": (0 <= config.random_crop <= 1, "0 (none) or a share up to 1, e.g. 0.35"),
        "mixup": (0 <= config.mixup <= 100, "0 (none) or above, e.g. 0.2"),
        "cutmix": (0 <= config.cutmix <= 100, "0 (none) or above, e.g. 1.0"),
        "seed": (0 <= config.seed < 2**32, "from 0 to 4294967295"),
        "resize": (
            config.resize is None or config.resize in RESIZE_RULES,
            f"one of {', '.join(RESIZE_RULES)}",
        ),
        "layer_decay": (0 < config.layer_decay <= 1, "above 0 and at most 1"),
        "stem": (config.stem in STEMS, f"one of {', '.join(STEMS)}"),
        "batchnorm": (config.batchnorm in BATCHNORMS, f"one of {', '.join(BATCHNORMS)}"),
        "augment": (config.augment in AUGMENTATIONS, f"one of {', '.join(AUGMENTATIONS)}"),
    }
    if config.trainable == "auto" and config.weights == "none":
        raise ConfigError(
            "--trainable auto asks how similar the pictures are to what the backbone has learned, "
            "and random weights have learned nothing. Name --weights, or leave --trainable out."
        )
    if config.trainable == "auto" and config.phase:
        raise ConfigError("--trainable auto plans the phases itself; leave --phase out.")
    if config.trainable == "auto" and config.random_crop:
        raise ConfigError(
            "--trainable auto looks at whole pictures, and --random-crop keeps larger ones. Ask "
            "`kerascnn advise` first, and name its scope or phases."
        )
    if config.mixup and config.cutmix:
        raise ConfigError("--mixup and --cutmix: a batch is mixed in one way; take one of them.")
    for name, (good, expected) in limits.items():
        if not good:
            raise ConfigError(f"{name} is {getattr(config, name)!r}; expected {expected}.")
