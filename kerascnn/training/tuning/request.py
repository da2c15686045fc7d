"""Options of ``tune``, each declared once, for the command line and all checks.

Knows: the options. Does not know what they do, Optuna, Keras.
"""

from __future__ import annotations

from dataclasses import dataclass

from kerascnn.option_kinds import Number, Several, Text
from kerascnn.options import option, read_all
from kerascnn.training.clock import seconds_of
from kerascnn.training.config import DURATION, TrainConfig

SEARCH = "Search"
"""Heading of the options."""


@dataclass(frozen=True)
class Search:
    """Arguments of one invocation; the declarations of the options describe the other fields.

    Attributes:
        config: Configuration that all trials share; its ``out`` is not used.

    Raises:
        ConfigError: A value is invalid.
    """

    config: TrainConfig
    # fmt: off
    out: str = option("runs/tune", Text("a folder", "DIR"),
        "Folder of the study and of all runs.", SEARCH)
    time: str = option("30m", DURATION,
        "How long this invocation may search.", SEARCH)
    trials: int | None = option(None, Number(int, lambda n: n >= 1, "at least 1", "N"),
        "Maximum number of trials in this invocation.", SEARCH)
    model: tuple[str, ...] = option((), Several(Text("a name from `kerascnn models`", "NAME")),
        "Network to try; may be repeated.", SEARCH, without="cnn, cnn4 and resnet20; with "
        "`weights` imagenet mobilenet_v3_large, efficientnet_b0 and resnet50")
    storage: str | None = option(None, Text("an address", "URL"),
        "Optuna storage that several machines share, e.g. postgresql://…", SEARCH,
        without="study.db in `out`")
    # fmt: on

    def __post_init__(self) -> None:
        read_all(self)

    @property
    def seconds(self) -> float:
        """Time in which new trials begin, in seconds."""
        return seconds_of(self.time) or 0.0
