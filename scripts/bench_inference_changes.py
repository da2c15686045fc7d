"""How many answers a provider changes: for scripts/bench_inference --trained.

Knows: pictures of odd sizes, resize rules, providers and grades of arithmetic. Does not know speed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from kerascnn import Classifier, images
from kerascnn.card import ModelCard
from kerascnn.dataset import load_dataset
from kerascnn.inference.model_file.signature import normalized
from kerascnn.inference.runtime.providers import Arithmetic, Provider

Floats = npt.NDArray[np.float32]
WAYS: tuple[tuple[Provider, Arithmetic], ...] = (
    ("cpu", "exact"),
    ("openvino", "exact"),
    ("openvino", "fast"),
)
BATCH = 50


def odd_pictures(data: str | None, count: int = 500) -> list[images.UInt8Array]:
    """Give real pictures in odd sizes: photographs, or test pictures of DATA."""
    from skimage import data as samples

    rng = np.random.default_rng(0)
    photographs = [samples.astronaut(), samples.coffee(), samples.cat()]
    clothes = load_dataset(data).splits["test"].pictures if data else None
    found = []
    for number in range(count):
        width, height = (int(2 * rng.integers(20, 300) + 1) for _ in range(2))
        if clothes:
            picture = Image.fromarray(clothes[number])
        else:
            picture = Image.fromarray(photographs[number % 3]).rotate(number)
        found.append(np.asarray(picture.resize((width, height))))
    return found


def changed_answers(path: str, network: str | None, data: str | None) -> None:
    """Print what changes on 500 pictures of odd sizes, by rule, provider and grade.

    Args:
        path: A trained .onnx file.
        network: Its Keras model, whose answers are the right ones; None: those of `cpu exact`.
        data: Whose test pictures; None: photographs.
    """
    raw = odd_pictures(data)
    opened = {" ".join(way): Classifier(path, way[0], arithmetic=way[1]) for way in WAYS}
    card = opened["cpu exact"].card
    first = "Keras" if network else "cpu exact"
    for rule in images.RESIZE_RULES:
        sized = np.stack([images.size_picture(one, card.image_size, rule) for one in raw])
        answers = {way: answers_of(one, sized) for way, one in opened.items()}
        if network:
            answers["Keras"] = keras_answers(network, card, sized)
        for way in [way for way in answers if way != first]:
            print(f"{rule}, {way}: {difference(answers[way], answers[first], first)}", flush=True)


def answers_of(classifier: Classifier, sized: images.UInt8Array) -> Floats:
    """Give probabilities [pictures, classes]."""
    parts = [classifier.run(sized[at : at + BATCH])[1] for at in range(0, len(sized), BATCH)]
    return np.concatenate(parts)


def keras_answers(network: str, card: ModelCard, sized: images.UInt8Array) -> Floats:
    """Give the probabilities of the Keras model that the file was exported from."""
    import keras

    trained = keras.saving.load_model(network, compile=False)
    pixels = normalized(sized, card.normalization)
    logits = trained.predict(pixels, batch_size=BATCH, verbose=0) / card.temperature
    powers: Floats = np.exp(logits - logits.max(1, keepdims=True))
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def difference(answers: Floats, right: Floats, name: str) -> str:
    """Say how far answers are from the right ones, whose name is given."""
    changed = int((answers.argmax(1) != right.argmax(1)).sum())
    largest = float(np.abs(answers - right).max())
    return (
        f"{changed} of {len(answers)} top-1 predictions are not those of {name}, largest "
        f"difference of a probability {largest:.1g}"
    )
