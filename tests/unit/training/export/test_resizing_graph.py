"""The exported graph sizes as ``size_picture`` does, whatever library is followed."""

import itertools

import numpy as np
import onnxruntime
import pytest

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.resizing import FILTERS, PRESETS, Resizing, choose
from kerascnn.training.export.preprocessing import preprocessing_model

PICTURES = [(23, 61), (61, 23), (90, 31), (31, 90), (12, 9), (40, 40), (7, 64), (33, 48), (128, 96)]

RULES = {
    **{f"{name} preset": preset.sizing for name, preset in PRESETS.items()},
    **{
        f"{rule} {kind} {'with' if antialias else 'without'}": choose(
            resize=rule, filter=kind, antialias=antialias
        )
        for rule, kind, antialias in itertools.product(
            ("squash", "crop", "pad"), FILTERS, (True, False)
        )
    },
    "keras crop": choose("keras", resize="crop"),
    "load_img crop": choose("load_img", resize="crop", filter="bicubic"),
    "fit share": choose("teachable-machine", crop_share=0.9),
    "pad enlarge": choose(enlarge=True, pad_color=(1, 200, 255), filter="bicubic"),
}


def _sized_by_graph(card: ModelCard, pictures: list[np.ndarray]) -> list[np.ndarray]:
    model = preprocessing_model(card).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return [
        session.run(None, {"image": picture[None]})[0][0].transpose(1, 2, 0) for picture in pictures
    ]


@pytest.mark.parametrize("shape", [(32, 32), (20, 47), (45, 18)], ids=str)
@pytest.mark.parametrize("sizing", RULES.values(), ids=RULES)
def test_the_graph_sizes_as_the_slim_half(sizing: Resizing, shape: tuple[int, int]) -> None:
    height, width = shape
    card = ModelCard(
        "a",
        "b",
        ("c", "d"),
        height,
        sizing.resize,
        image_width=None if height == width else width,
        sizing=sizing,
    )
    numbers = np.random.default_rng(0)
    pictures = [numbers.integers(0, 256, (*size, 3), np.uint8) for size in PICTURES]
    for picture, found in zip(pictures, _sized_by_graph(card, pictures), strict=True):
        expected = images.size_picture(picture, shape, sizing)
        np.testing.assert_array_equal(found, expected, err_msg=str(picture.shape))
