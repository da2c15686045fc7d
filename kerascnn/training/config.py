"""The configuration of a run: one frozen dataclass, checked before anything starts.

Knows: the options, each declared once: type, default, limits, help, heading. The command line, the
table in docs/training.md and all checks come from here. Does not know: Keras, Click.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

from kerascnn.card import LARGEST_SIDE
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.option_kinds import Choice, Either, Flag, Number, Several, Text
from kerascnn.options import option, read_all
from kerascnn.resizing import RESIZE_RULES, Resize
from kerascnn.training.clock import seconds_of
from kerascnn.training.networks import NETWORKS, find_network
from kerascnn.training.old_config import upgraded
from kerascnn.training.phases import BASELINE, parse_phases
from kerascnn.training.trackers import TRACKERS
from kerascnn.typed_json import parse_json

BatchNorm = Literal["frozen", "train"]
Augment = Literal["auto", "none", "shift", "light", "strong-shift", "strong"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
Device = Literal["auto", "cpu", "gpu"]
OptimizerName = Literal["adamw", "sgd"]
Keep = Literal["auto", "best", "newest"]
Refit = Literal["auto", "yes", "no"]
Extend = Literal["auto", "yes", "no"]
ClassWeights = Literal["none", "balanced"]
Auto: TypeAlias = Literal["auto"]
AUTO: Auto = "auto"
"""Value of options that are chosen to suit the data; see
:mod:`kerascnn.training.auto.hyperparameters` for numbers, and :mod:`kerascnn.training.auto.model`
for network and augmentation."""
AUTOMATIC = (
    "batch_size", "epochs", "learning_rate", "model", "weights", "augment", "keep", "refit",
    "extend",
)  # fmt: skip
"""Options that may be left to the data, and are resolved when a run begins."""

WEIGHT_DECAY: dict[OptimizerName, float] = {"adamw": 0.05, "sgd": 5e-3}
"""Default decoupled weight decay, multiplied by the learning rate in every step. SGD's has the
effect of 5e-4 inside the gradient, which a momentum of 0.9 multiplies by ten."""

DATA, NETWORK, SCHEDULE = "Data", "Network", "Schedule"
OPTIMIZER, AUGMENTATION = "Optimizer", "Augmentation"
DEVICE, OUTPUT = "Device and speed", "Output"
GROUPS = (DATA, NETWORK, SCHEDULE, OPTIMIZER, AUGMENTATION, DEVICE, OUTPUT)
"""Headings of the options, in order."""

DURATION = Text(
    "a duration, e.g. 10m, 90s or 1h30m", "DURATION", lambda text: seconds_of(text) is not None
)
"""A length of time."""

_NAME = Text("a name, or a path", "NAME")
_COUNT_OR_AUTO = Number(int, lambda n: n >= 1, "at least 1, or auto", "N|auto", (AUTO,))
_ALPHA = Number(float, lambda x: 0 <= x <= 100, "0 (off) or above, at most 100", "ALPHA")


@dataclass(frozen=True)
class TrainConfig:
    """The configuration of a training run, which is all that is needed to repeat it.

    Values are converted where that is safe (``"3"`` to 3, a ``Path`` to text, NumPy's numbers to
    Python's) and refused otherwise, naming the field. Each field's declaration says what it does.

    Raises:
        ConfigError: A value cannot be used, or two do not fit together.
    """

    # fmt: off
    data: str = option("fashion-mini", Text("a folder, a file or a built-in name", "DATA"),
        "The pictures: a folder, a CSV file, an .npz file or a built-in name.", DATA)
    val: float | str | None = option(None, Either((
        Number(float, lambda x: 0 < x < 1, "a share", "SHARE"), Text("a folder", "DATA")),
        "between 0 and 1, e.g. 0.1, or a folder", "SHARE|DATA"),
        "Share of the training pictures to hold out when DATA has no validation split, or a folder "
        "(or other data) to validate on.", DATA, without="0.1; 0.05 above 20,000 pictures")
    image_size: int | None = option(None,
        Number(int, lambda n: 1 <= n <= LARGEST_SIDE, f"from 1 to {LARGEST_SIDE:,}", "PIXELS"),
        "Height and width of the network's input.", DATA, without="the network's own")
    resize: Resize | None = option(None, Choice(RESIZE_RULES),
        "How pictures are resized: stretched, cropped at the center, or padded with black.", DATA,
        without="crop with ImageNet weights; pad for pictures smaller than the input; else squash")
    class_weights: ClassWeights = option("none", Choice(get_args(ClassWeights)),
        "balanced: weight the loss so that every class counts the same, whatever its size.",
        DATA)
    strict: bool = option(False, Flag(),
        "Stop at a picture that cannot be read, instead of skipping it.", DATA)
    model: str = option(AUTO, Text("a name from `kerascnn models`, or auto", "NAME|auto"),
        "A name from `kerascnn models`. auto: cnn for the built-in data; for photographs "
        "mobilenet_v3_large with ImageNet weights; without them, and for pictures up to 64 pixels, "
        "cnn4 (cnn for few steps).", NETWORK)
    weights: str = option(AUTO, Text("auto, none, imagenet or a file", "auto|none|imagenet|FILE"),
        "Initial weights. auto: none, unless `model` is auto and finds ImageNet weights. FILE: "
        ".keras, .weights.h5, .h5, .safetensors or .pth; also on the Hugging Face Hub: "
        "hf://OWNER/NAME, with @REVISION or /FILE.", NETWORK)
    trainable: str = option("all",
        Text("all, head, from:BLOCK, a comma-separated list of blocks, or auto", "SCOPE"),
        "Blocks to train: all, head, from:BLOCK, or a comma-separated list of blocks from "
        "`kerascnn summary`. auto: what `kerascnn advise` recommends.", NETWORK)
    batchnorm: BatchNorm = option("frozen", Choice(get_args(BatchNorm)),
        "Moving statistics of BatchNormalization in frozen blocks: keep them, or update them.",
        NETWORK)
    epochs: int | Auto = option(AUTO, _COUNT_OR_AUTO,
        "Passes over the training pictures. auto: 10, or more if that would be too few steps.",
        SCHEDULE)
    extend: Extend = option(AUTO, Choice(get_args(Extend)),
        "Train for as many epochs again if the training accuracy is below 97 % in the last one. "
        "auto: if `epochs` is auto, the network is cnn or cnn4, and the pictures are few.",
        SCHEDULE)
    time: str | None = option(None, DURATION,
        "Time limit of the run, e.g. 10m or 1h30m: train as many epochs as fit (at most `epochs`), "
        "with a learning-rate schedule of that length.", SCHEDULE, without="no limit")
    phase: tuple[str, ...] = option((),
        Several(Text("SCOPE:EPOCHS or SCOPE:EPOCHS:RATE", "SCOPE:EPOCHS[:RATE]")),
        "Train in phases, in place of `trainable` and `epochs`; may be repeated. A phase after the "
        "first uses a tenth of `learning_rate` unless it names a rate. head:fit: fit the head by "
        "logistic regression.", SCHEDULE)
    batch_size: int | Auto = option(AUTO, _COUNT_OR_AUTO,
        "Pictures per step. auto: 64, or fewer if there are few pictures.", SCHEDULE)
    patience: int | None = option(None,
        Number(int, lambda n: n >= 1, "at least 1", "EPOCHS"),
        "Early stopping: end a phase after this many epochs without improvement.", SCHEDULE,
        without="never")
    keep: Keep = option(AUTO, Choice(get_args(Keep)),
        "Which epoch's network to keep: the best on the validation pictures, or the newest that is "
        "not significantly worse. auto: newest if there are few validation pictures and `epochs` "
        "is auto, else best.", SCHEDULE)
    refit: Refit = option(AUTO, Choice(get_args(Refit)),
        "Train a second network for export, on training and validation pictures together; all "
        "metrics are those of the first. auto: below nine pictures per class, if DATA has no "
        "validation "
        "pictures of its own.", SCHEDULE)
    learning_rate: float | None = option(None,
        Number(float, lambda x: 0 < x < 100, "above 0 and below 100", "RATE"),
        "Peak learning rate, reached after the warm-up.", OPTIMIZER,
        without="the network's own; ten times that for sgd; lower if `batch_size` auto makes small "
        "batches")
    optimizer: OptimizerName = option("adamw", Choice(get_args(OptimizerName)),
        "AdamW, or SGD with Nesterov momentum of 0.9.", OPTIMIZER)
    weight_decay: float | None = option(None,
        Number(float, lambda x: 0 <= x < 1, "from 0 and below 1, e.g. 0.05", "DECAY"),
        "Decoupled weight decay, multiplied by the learning rate in every step; not applied to "
        "biases and BatchNormalization.", OPTIMIZER, without="0.05 for adamw, 0.005 for sgd")
    layer_decay: float = option(1.0,
        Number(float, lambda x: 0 < x <= 1, "above 0 and at most 1", "FACTOR"),
        "Layer-wise learning-rate decay: from the head down, each block's learning rate is this "
        "factor times that of the block above it, e.g. 0.7.", OPTIMIZER)
    clip_norm: float | None = option(None,
        Number(float, lambda x: x > 0, "above 0, e.g. 1.0", "NORM"),
        "Clip the global norm of the gradient, e.g. at 1.0.", OPTIMIZER, without="no clipping")
    ema: float | None = option(None,
        Number(float, lambda x: 0 < x < 1, "above 0 and below 1, e.g. 0.99", "MOMENTUM"),
        "Validate and keep an exponential moving average of the weights, e.g. 0.99.", OPTIMIZER,
        without="off")
    accumulate: int = option(1,
        Number(int, lambda n: n >= 1, "at least 1", "BATCHES"),
        "Accumulate the gradients of this many batches for one step: less memory than a large "
        "batch.", OPTIMIZER)
    label_smoothing: float = option(0.0,
        Number(float, lambda x: 0 <= x < 1, "from 0 and below 1, e.g. 0.1", "SHARE"),
        "Share of each label that is spread evenly over all classes, e.g. 0.1.", OPTIMIZER)
    augment: Augment = option(AUTO, Choice(get_args(Augment)),
        "shift: random shifts by up to a 32nd of the side; light: that and horizontal flips; "
        "strong-shift: shifts by up to an eighth, brightness, contrast and random erasing; strong: "
        "that and horizontal flips. A flip changes the meaning of digits and letters. auto: none "
        "for the built-in data and with frozen blocks, strong for few color photographs, else "
        "light; strong-shift or shift if flips may change the class.", AUGMENTATION)
    random_crop: float = option(0.0,
        Number(float, lambda x: 0 <= x <= 1, "0 (off) or a share up to 1, e.g. 0.35", "SHARE"),
        "Train on a random crop of each picture with at least this share of its area, e.g. 0.35; "
        "0: off, unless `model` and `augment` are auto and choose otherwise.", AUGMENTATION)
    uncropped: float = option(0.0,
        Number(float, lambda x: 0 <= x < 1, "from 0 and below 1, e.g. 0.33", "SHARE"),
        "Share of the epochs, the last ones, that train on whole pictures although `random_crop` "
        "is set, e.g. 0.33; 0: none, unless `model` and `augment` are auto and choose otherwise.",
        AUGMENTATION)
    mixup: float = option(0.0, _ALPHA,
        "Alpha of mixup, e.g. 0.2; 0: off, unless `model` and `augment` are auto and choose "
        "otherwise.", AUGMENTATION)
    cutmix: float = option(0.0, _ALPHA, "Alpha of CutMix, e.g. 1.0; 0: off.", AUGMENTATION)
    precision: Precision = option("float32", Choice(PRECISIONS),
        "Arithmetic during training; the saved model is always float32.", DEVICE)
    device: Device = option("auto", Choice(get_args(Device)),
        "gpu: fail with the reason if no GPU can be used.", DEVICE)
    devices: str = option("1",
        Number(int, lambda n: n >= 1, "a number from 1, or all", "N|all", ("all",)),
        "How many GPUs of the machine share each batch.", DEVICE)
    cache: str | None = option(None, Text("a folder, or none", "DIR|none"),
        "Where decoded and resized pictures are kept for the next run; see `kerascnn cache`.",
        DEVICE, without="KERASCNN_CACHE, or the user's cache folder")
    seed: int = option(0, Number(int, lambda n: 0 <= n < 2**32, "from 0 to 4294967295", "N"),
        "Seed of initial weights, shuffling, augmentation and the validation split.", DEVICE)
    deterministic: bool = option(False, Flag(),
        "Same seed on the same machine: bit-identical results. Slower on some devices.", DEVICE)
    track: tuple[str, ...] = option((),
        Several(Choice(tuple(TRACKERS), "|".join(TRACKERS))),
        "Also log options, the metrics of each epoch, the report and the exported file to mlflow, "
        "wandb or tensorboard; may be repeated. See docs/tracking.md.", OUTPUT)
    out: str | None = option(None, Text("a folder", "RUN"), "Run folder.", OUTPUT,
        without="runs/DATA-MODEL, numbered if that exists")
    calibration: bool = option(True, Flag(),
        "Fit a temperature on the validation pictures after training, so that about nine in ten "
        "predictions with a probability of 0.9 are correct.", OUTPUT)
    # fmt: on

    def __post_init__(self) -> None:
        read_all(self)
        # As text: a number of devices, or ``all``.
        object.__setattr__(self, "devices", str(self.devices))
        for name, value in _known_beforehand(self).items():
            object.__setattr__(self, name, value)
        _check(self)
        parse_phases(self.phase)

    def to_json(self) -> str:
        """Return the configuration as JSON, for ``config.json`` and ``--resume``."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> TrainConfig:
        """Read a configuration, also one of an earlier version.

        Raises:
            ModelFileError: It is not JSON, or has other fields.
        """
        names = [field.name for field in fields(cls)]
        try:
            values = upgraded(parse_json(text))
            unknown = [name for name in values if name not in names]
            if unknown:
                raise ValueError(f"{unknown[0]!r} is not an option of it")
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise ModelFileError(
                f"{source}: not a configuration of this kerascnn ({error}). "
                f"Expected JSON with: {', '.join(names)}."
            ) from error


def weight_decay(config: TrainConfig) -> float:
    """Return the given weight decay, or the optimizer's default."""
    given = config.weight_decay
    return WEIGHT_DECAY[config.optimizer] if given is None else given


def expect_config(given: object) -> None:
    """Check the type of a configuration: ``fit("flowers")`` is what people try first."""
    if not isinstance(given, TrainConfig):
        raise ConfigError(
            f"`config` is of type {type(given).__name__}; expected a training.TrainConfig, such as "
            'TrainConfig(data="flowers", epochs=10).'
        )


def _known_beforehand(config: TrainConfig) -> dict[str, Any]:
    """Resolve the options that do not depend on the data."""
    # Imported here, because it needs NumPy, and `kerascnn train --help` does not.
    from kerascnn.dataset import BUILTIN

    known, builtin = {}, config.data in BUILTIN
    model = BASELINE if builtin and config.model == AUTO else config.model
    if model != config.model:
        known["model"] = model
    if model != AUTO and config.weights == AUTO:
        known["weights"] = "none"
    if builtin and config.augment == AUTO:
        known["augment"] = "none"
    return known


def _check(config: TrainConfig) -> None:
    """Refuse options that contradict each other, and a network that does not exist."""
    if config.model != AUTO and config.model not in NETWORKS:
        find_network(config.model)  # raises, and names similar ones
    if config.trainable == "auto" and config.weights == "none":
        raise ConfigError(
            "`trainable` auto measures how similar the pictures are to what the backbone was "
            "trained on, but there are no weights. Set `weights`, or leave `trainable` out."
        )
    if config.trainable == "auto" and config.phase:
        raise ConfigError("`trainable` auto plans the phases itself; leave `phase` out.")
    if config.trainable == "auto" and config.random_crop:
        raise ConfigError(
            "`trainable` auto needs pictures of the network's size, but `random_crop` keeps "
            "larger ones. Run `kerascnn advise` first, and set its scope or phases."
        )
    if config.mixup and config.cutmix:
        raise ConfigError(
            "`mixup` and `cutmix`: a batch is mixed in one way only; use one of them."
        )
