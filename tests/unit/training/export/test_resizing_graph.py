"""The exported graph sizes as ``size_picture`` does, whatever library is followed."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
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
    "transformers crop": Resizing("crop", library="transformers", crop_share=0.9),
    "transformers squash": Resizing("squash", library="transformers", crop_share=0.82),
    "pad enlarge": choose(enlarge=True, pad_color=(1, 200, 255), filter="bicubic"),
}


def _card(sizing: Resizing | None, resize: str, height: int, width: int) -> ModelCard:
    """Make a card; without ``sizing`` pictures are resized as for a network trained here."""
    wide = None if height == width else width
    return ModelCard("a", "b", ("c", "d"), height, resize, image_width=wide, sizing=sizing)


def _sized_by_graph(card: ModelCard, pictures: list[np.ndarray]) -> list[np.ndarray]:
    model = preprocessing_model(card).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return [
        session.run(None, {"image": picture[None]})[0][0].transpose(1, 2, 0) for picture in pictures
    ]


@pytest.mark.parametrize("shape", [(32, 32), (20, 47), (45, 18)], ids=str)
@pytest.mark.parametrize("sizing", RULES.values(), ids=RULES)
def test_the_graph_sizes_as_the_slim_half(sizing: Resizing, shape: tuple[int, int]) -> None:
    card = _card(sizing, sizing.resize, *shape)
    numbers = np.random.default_rng(0)
    pictures = [numbers.integers(0, 256, (*size, 3), np.uint8) for size in PICTURES]
    for picture, found in zip(pictures, _sized_by_graph(card, pictures), strict=True):
        expected = images.size_picture(picture, shape, sizing)
        np.testing.assert_array_equal(found, expected, err_msg=str(picture.shape))


@pytest.mark.parametrize(
    ("sizing", "resize"),
    [*((sizing, sizing.resize) for sizing in RULES.values()),
     *((None, resize) for resize in ("squash", "crop", "pad"))],
    ids=[*RULES, "squash", "crop", "pad"],
)  # fmt: skip
def test_onnxruntime_runs_it_with_operators_of_onnx(sizing, resize, tmp_path: Path) -> None:
    # Those of its own that it puts in their place are not there for each type in each version:
    # up to 1.25 the joined Transpose and MatMul of float64 kept a file from loading.
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    model = preprocessing_model(_card(sizing, resize, 32, 32)).SerializeToString()
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    nodes = list(_nodes(onnx.load(tmp_path / "optimized.onnx").graph))
    assert {node.domain for node in nodes} == {""}


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g)
