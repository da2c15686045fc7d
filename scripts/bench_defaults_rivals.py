"""What others do on the data sets of bench_defaults: plain Keras, and two methods of scikit-learn.

Knows: how each is used by people who take its own tutorial. Does not know kerascnn but for its
baseline network.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from bench_defaults_sets import Pictures, Task

SIDE = 16
"""Pixels, of what scikit-learn's methods are given."""

EPOCHS = 10
BATCH = 32
"""Of Keras' tutorials."""

Answers = np.ndarray


def tutorial(task: Task, seed: int) -> Answers:
    """Train the network of TensorFlow's tutorial "Image classification" with `fit`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    size, classes = max(32, task.train.shape[1]), int(task.labels.max()) + 1
    model = keras.Sequential(
        [
            keras.Input((*task.train.shape[1:3], 3)),
            layers.Resizing(size, size),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.1),
            layers.Rescaling(1 / 255),
            *(
                layer
                for filters in (16, 32, 64)
                for layer in (
                    layers.Conv2D(filters, 3, padding="same", activation="relu"),
                    layers.MaxPooling2D(),
                )
            ),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(classes),
        ]
    )
    return _fitted(model, task)


def plain_fit(task: Task, seed: int) -> Answers:
    """Train the network that kerascnn takes by default as the tutorial trains its own."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    from keras import layers

    from kerascnn.training.networks import build_network

    keras.utils.set_random_seed(seed)
    network = build_network("cnn", int(task.labels.max()) + 1, 32)
    pixels = [keras.Input((*task.train.shape[1:3], 3)), layers.Resizing(32, 32)]
    return _fitted(keras.Sequential([*pixels, layers.Rescaling(1 / 255), network]), task)


def _fitted(model: Any, task: Task) -> Answers:
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(task.train, task.labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    answers: Answers = model.predict(task.test, verbose=0).argmax(1)
    return answers


def logistic(task: Task, seed: int) -> Answers:
    """Fit scikit-learn's logistic regression to pixels."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000, random_state=seed)
    answers: Answers = model.fit(_flat(task.train), task.labels).predict(_flat(task.test))
    return answers


def forest(task: Task, seed: int) -> Answers:
    """Grow scikit-learn's random forest on pixels."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(200, random_state=seed)
    answers: Answers = model.fit(_flat(task.train), task.labels).predict(_flat(task.test))
    return answers


def _flat(pictures: Pictures) -> np.ndarray:
    from PIL import Image

    side = min(SIDE, pictures.shape[1])
    small = [Image.fromarray(one).resize((side, side)) for one in pictures]
    return np.stack([np.asarray(one) for one in small]).reshape(len(pictures), -1) / 255


RIVALS: dict[str, Callable[[Task, int], Answers]] = {
    "Keras tutorial": tutorial,
    "its own network, plain fit": plain_fit,
    "logistic regression": logistic,
    "random forest": forest,
}


def main() -> int:
    """Answer for one rival in a process of its own: NAME FILE SEED; print the share right."""
    name, file, seed = sys.argv[1:]
    with np.load(file) as arrays:
        names = ("x_train", "y_train", "x_test", "y_test")
        task = Task(*(arrays[one] for one in names))
    print(f"{(RIVALS[name](task, int(seed)) == task.test_labels).mean():.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
