"""Phases: what is parsed, and what a run does with them."""

import logging
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from kerascnn import training
from kerascnn.errors import ConfigError
from kerascnn.training.config import TrainConfig
from kerascnn.training.networks import build_network, find_network
from kerascnn.training.optimizers.adamw import AdamW, block_factors
from kerascnn.training.phases import Phase, phases, total_epochs
from kerascnn.training.setup import check_scopes
from kerascnn.training.trainer import loop
from kerascnn.training.trainer.parts import RunParts
from kerascnn.training.weights.start import StartingNetwork


def test_without_phases_there_is_one() -> None:
    assert phases(TrainConfig(trainable="head", epochs=4)) == (Phase("head", 4, 0.008),)


def test_each_phase_has_its_rate() -> None:
    config = TrainConfig(phase=("head:3", "from:conv5:2", "all:1:0.5"), learning_rate=0.1)
    first, second, third = phases(config)
    assert first == Phase("head", 3, 0.1)
    assert (second.scope, second.epochs) == ("from:conv5", 2)
    assert second.learning_rate == pytest.approx(0.01)
    assert third == Phase("all", 1, 0.5)
    assert total_epochs(config) == 6


def test_a_fitted_head_says_so_and_survives_the_run_folder() -> None:
    config = TrainConfig(phase=("head:fit", "all:2"))
    head, rest = phases(TrainConfig.from_json(config.to_json(), "here"))
    assert head == Phase("head", 1, 0.0, is_fit=True)
    assert (head.written(9), rest.is_fit) == ("head:fit", False)


@pytest.mark.parametrize("text", ["head", "head:", "head:x", "head:0", ":3", "head:1:2:3",
                                  "from:conv5", "head:2:-1", "all:fit",
                                  "head:fit:0.1"])  # fmt: skip
def test_a_wrong_phase_is_refused_before_anything_starts(text: str) -> None:
    with pytest.raises(ConfigError, match="SCOPE:EPOCHS"):
        TrainConfig(phase=(text,))


def test_phases_survive_the_run_folder() -> None:
    config = TrainConfig(phase=("head:1", "all:2"))
    assert TrainConfig.from_json(config.to_json(), "here") == config


def test_a_run_goes_through_its_phases(tmp_path: Path) -> None:
    run = training.fit(
        TrainConfig(out=str(tmp_path / "r"), phase=("head:1", "from:hidden:1"), layer_decay=0.5)
    )
    first, second = run.history
    assert (first.epoch, second.epoch) == (1, 2)
    # At the end of a phase its own cosine has come down.
    assert second.learning_rate < first.learning_rate + 1e-6 < 0.001


def test_after_every_change_of_scope_the_optimizer_has_the_right_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    moved: list[set[str]] = []
    real = loop.prepare_phase

    def hooked(parts: RunParts, *rest: object) -> object:
        start = parts.start
        weights = {w.path: np.array(w) for w in start.core.weights}
        prepared = real(parts, *rest)  # type: ignore[arg-type]
        epoch = prepared.trainer.epoch

        def watching(*numbers: int) -> Iterator[object]:
            yield from epoch(*numbers)
            variables = prepared.trainer.optimizer._trainable_variables
            seen[-1] |= {variable.path.split("/")[0] for variable in variables}
            changed = {w.path for w in start.core.weights if np.any(np.array(w) != weights[w.path])}
            moved[-1] |= {path.split("/")[0] for path in changed}

        monkeypatch.setattr(prepared.trainer, "epoch", watching)
        seen.append(set())
        moved.append(set())
        return prepared

    monkeypatch.setattr(loop, "prepare_phase", hooked)
    training.fit(
        TrainConfig(
            out=str(tmp_path / "r"), batch_size=1200, phase=("head:1", "hidden:1", "from:block2:1")
        )
    )
    last = {"block2_conv", "block2_bn", "hidden", "head"}
    assert seen == [{"head"}, {"hidden"}, last]
    assert moved == seen


def test_an_unknown_block_leaves_no_run_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no block 'conv9'"):
        training.fit(TrainConfig(out=str(tmp_path / "r"), phase=("head:1", "conv9:1")))
    assert not (tmp_path / "r").exists()


def test_a_new_head_that_no_phase_trains_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    training.fit(TrainConfig(out=str(tmp_path / "r"), trainable="block2", epochs=1))
    assert "block2,head" in caplog.text


@pytest.mark.parametrize(
    ("phase", "weights", "told"),
    [
        (("head:1", "from:block2:1"), "none", True),
        (("head:1", "all:1"), "none", False),
        (("head:1",), "flowers.keras", False),
    ],
)
def test_frozen_blocks_with_random_weights_are_told(
    phase: tuple[str, ...], weights: str, told: bool,
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    row = find_network("cnn")
    start = StartingNetwork(build_network(row, 3, 10), row, row.normalization, fresh_head=True)
    check_scopes(TrainConfig(model="cnn", phase=phase, weights=weights), start)
    assert ("keep their random weights" in caplog.text) == told


def test_layer_decay_scales_every_step_by_its_depth() -> None:
    model = build_network("cnn", 3, 10)
    factors = block_factors(model, 0.5)
    plain = build_network("cnn", 3, 10)
    plain.set_weights(model.get_weights())
    options = {"learning_rate": 0.01, "weight_decay": 0.1}
    before = [np.array(w) for w in model.trainable_weights]
    pictures = np.random.default_rng(0).normal(size=(8, 10, 10, 3)).astype(np.float32)
    labels = np.arange(8) % 3
    for network, optimizer in (
        (model, AdamW(factors, **options)),
        (plain, keras.optimizers.AdamW(**options)),
    ):
        network.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        network.train_on_batch(pictures, labels)
    depth = {"head": 1, "hidden": 0.5, "block2": 0.25, "block1": 0.125}
    for old, slow, fast in zip(
        before, model.trainable_weights, plain.trainable_weights, strict=True
    ):
        factor = depth[slow.path.split("/")[0].split("_")[0]]
        np.testing.assert_allclose(
            np.array(slow) - old, factor * (np.array(fast) - old), rtol=0.02, atol=2e-6
        )
