"""card.py: what is written is read again, and nothing unsound is accepted."""

import json

import pytest

from kerascnn.card import ModelCard, Normalization, Parity, Probe
from kerascnn.errors import ModelFileError

CARD = ModelCard(
    name="애완동물",
    network="cnn",
    classes=("고양이", "<b>dog</b>", "T-shirt/top"),
    image_size=32,
    resize="pad",
    normalization=Normalization((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "BGR"),
    temperature=1.5,
    metrics={"val_top1": 0.9},
    data={"name": "pets", "train": 10},
    versions={"keras": "3"},
    probes=(Probe("00", (0.2, 0.3, 0.5)), Probe("01", (0.5, 0.3, 0.2))),
    parity=Parity(10, 1e-6, 0, "pets (test)"),
)


def test_round_trip() -> None:
    assert ModelCard.from_json(CARD.to_json()) == CARD
    assert "고양이" in CARD.to_json()


def changed(**fields) -> str:
    return json.dumps({**json.loads(CARD.to_json()), **fields})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        (changed(schema=99), "schema 99.*reads schema 1"),
        (changed(classes=[]), "classes must be at least one"),
        (changed(classes=["a", "a", "b"]), "classes must differ"),
        (changed(image_size="32"), "image_size"),
        (changed(image_size=0), "image_size"),
        (changed(resize="stretch"), "resize"),
        (changed(temperature=0), "temperature"),
        (changed(normalization={"mean": [0, 0], "std": [1, 1, 1]}), "normalization"),
        (changed(normalization={"std": [0, 1, 1]}), "normalization"),
        (changed(probes=[{"sha256": "", "probabilities": [1.0]}]), "probe"),
    ],
)
def test_unsound_cards_are_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        ModelCard.from_json(text, "file.onnx")
