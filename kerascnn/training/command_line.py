"""The command lines that repeat a run, from its configuration.

Knows: the option names of the command line. Does not know: Click.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from kerascnn import __version__
from kerascnn.card import ModelCard
from kerascnn.printable import command_line
from kerascnn.training.config import TrainConfig
from kerascnn.training.run.folder import Run
from kerascnn.training.run.resume import removed_options


def commands(run: Run, card: ModelCard, config: TrainConfig) -> Iterator[str]:
    """Yield the commands that repeat a run."""
    yield f"pip install 'kerascnn[train]=={card.versions.get('kerascnn', __version__)}'"
    again = f"{run.folder}-again"  # the run's own folder is taken
    yield train_command(replace(config, out=again), removed_options(run))
    yield command_line(["kerascnn", "export", again, "--onnx"])


def train_command(config: TrainConfig, gone: Mapping[str, Any] | None = None) -> str:
    """Return the command line that trains with a configuration.

    ``gone``: options of the version that made the run, which this one lacks.

    Returns:
        ``kerascnn train ...``, quoted for a POSIX shell; options at their default are left out.
    """
    words = ["kerascnn", "train", config.data]
    # Defaults that follow from the data and the network need not be typed.
    plain = TrainConfig(data=config.data, model=config.model)
    model = TrainConfig(data=config.data).model
    for option in fields(config):
        value = getattr(config, option.name)
        if option.name == "time":
            continue  # repeated by the epochs that did fit
        usual = model if option.name == "model" else getattr(plain, option.name)
        if option.name != "data" and (value != usual or option.name == "seed"):
            words += _option(option.name, value)
    for name, value in (gone or {}).items():
        flag = _option(name, value)
        if flag[0] in words:
            words[words.index(flag[0]) + 1] = flag[1]
        else:
            words += flag
    return command_line(words)


def _option(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, tuple):
        return [word for one in value for word in (flag, str(one))]
    if value is False:
        return ["--no-" + flag.removeprefix("--")]
    return [flag] if value is True else [flag, str(value)]
