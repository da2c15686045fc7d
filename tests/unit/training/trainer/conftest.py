"""What the tests of the steps share."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.training.run.folder import Run

Step = Callable[..., tuple[Any, list[Any], Any]]


@pytest.fixture(scope="session")
def train_by_command() -> Callable[[Path, Path, dict[str, Any]], tuple[Run, str, str]]:
    """Train at the command line; return the run, and what was said on stderr and stdout."""

    def train(data: Path, folder: Path, options: dict[str, Any]) -> tuple[Run, str, str]:
        words = ["train", str(data), "--out", str(folder)]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.stderr
        return Run(folder), done.stderr, done.stdout

    return train


@pytest.fixture
def step() -> Step:
    """Take gradients in a compiled function, as a training step does; return its graph, too."""
    import keras
    import tensorflow as tf

    from kerascnn.training.trainer.fused_batchnorm import fused_batchnorm
    from kerascnn.training.trainer.small_maps import split_convolutions

    def take(model: keras.Model, fused: bool) -> tuple[Any, list[Any], Any]:
        random = np.random.default_rng(0)
        pictures = random.normal(2, 3, (4, *model.input_shape[1:])).astype(np.float32)

        @tf.function(autograph=False)
        def run() -> tuple[Any, list[Any]]:
            with tf.GradientTape() as tape:
                with ExitStack() as replaced:
                    for faster in (fused_batchnorm, split_convolutions) if fused else ():
                        replaced.enter_context(faster(model))
                    logits = model(pictures, training=True)
                loss = tf.reduce_sum(tf.cast(logits, tf.float32) ** 2)
            return logits, tape.gradient(loss, model.trainable_variables)

        logits, gradients = run()
        graph = run.get_concrete_function().graph
        return np.asarray(logits), [np.asarray(one) for one in gradients], graph

    return take
