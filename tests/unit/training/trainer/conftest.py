"""What the tests of the steps share."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

Step = Callable[..., tuple[Any, list[Any], Any]]


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
