"""Advice follows the optimizer, and the command that is printed asks for the same run."""

import shlex
from dataclasses import fields

import numpy as np
import pytest

from kerascnn.training import TrainConfig
from kerascnn.training.advising.advise import apply_advice, command, sample
from kerascnn.training.advising.decision import DEEPER, advise_from
from kerascnn.training.advising.facts import Facts, StageFacts
from kerascnn.training.data.pack import Pack
from kerascnn.training.phases import SGD_TIMES, highest_rate, phases


def _advice(config: TrainConfig, flipped: float = 0.0):
    stages = tuple(StageFacts(f"conv{n}", probe) for n, probe in enumerate((0.5, 0.9)))
    facts = Facts((1000,) * 4, 1500, 0.4, stages, True, flipped)
    return advise_from(facts, highest_rate(config))


def _config(**options) -> TrainConfig:
    return TrainConfig(data="pictures", model="cnn", weights="w.keras", **options)


def test_auto_learns_at_the_rates_of_its_optimizer() -> None:
    rates = {}
    for optimizer in ("adamw", "sgd"):
        config = _config(optimizer=optimizer, trainable="auto", epochs=8)
        run = apply_advice(config, _advice(config))
        assert "auto" not in (run.trainable, *run.phase)
        head, deeper = phases(run)
        assert head.is_fit
        rates[optimizer] = deeper.learning_rate
    assert rates["sgd"] == pytest.approx(SGD_TIMES * rates["adamw"])


def test_a_rate_that_was_asked_for_holds_for_both() -> None:
    for optimizer in ("adamw", "sgd"):
        config = _config(optimizer=optimizer, trainable="auto", epochs=8, learning_rate=0.02)
        deeper = phases(apply_advice(config, _advice(config)))[1]
        assert deeper.learning_rate == pytest.approx(DEEPER * 0.02)


@pytest.mark.parametrize(("flipped", "augment"), [(0.95, "light"), (0.05, "none")])
def test_the_printed_command_keeps_what_advice_was_asked_for_with(
    flipped: float, augment: str
) -> None:
    from kerascnn.cli.train import command as train

    config = _config(val="held out/", seed=7, resize="crop", image_size=48)
    words = shlex.split(command(config, _advice(config, flipped=flipped)))
    options = train.make_context("train", words[2:]).params
    typed = TrainConfig(**{one.name: options[one.name] for one in fields(TrainConfig)})
    for name in ("data", "model", "weights", "val", "seed", "resize", "image_size"):
        assert getattr(typed, name) == getattr(config, name), name
    assert (typed.phase, typed.augment) == (_advice(config).phases, augment)


def test_of_every_class_two_pictures_are_looked_at() -> None:
    labels = np.repeat(np.arange(300), 5)
    labels[-1] = 300  # one picture is all there is of this one
    pack = Pack(np.zeros((1500, 1, 1, 3), np.uint8), labels, ("",) * 1500, (), "")
    counts = np.bincount(labels[sample(pack, 100, 0)], minlength=301)
    assert counts[:300].min() == 2
    assert counts[300] == 1
    assert counts.sum() <= 100 + 2 * 301
