"""Cards and settings that somebody edited: one clear line, or the same answer as before.

Every value of a real card is replaced in turn by what JSON can hold and no card does.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerascnn import Classifier
from kerascnn.card import ModelCard
from kerascnn.errors import KerascnnError, ModelFileError
from kerascnn.inference.model_file.metadata import read_card
from kerascnn.inference.runtime.tuned_settings import (
    ARITHMETICS,
    TunedSettings,
    load_settings,
    save_settings,
    settings_path,
)
from kerascnn.typed_json import parse_json

ODD = [
    "null", "true", "-1", "0", "3", "2.5", "1e999", "-1e999", "NaN", "Infinity", "9" * 400,
    "1" + "0" * 17, '""', '"x"', r'"\ud800"', r'"\u001b[2J"', "[]", "[1, 2, 3]", '["a", "a"]', "{}",
    '{"a": 1}',
]  # fmt: skip

MARK = '"@@@"'


def edited(value: Any) -> Iterator[str]:
    """Give the JSON of a value with each of its parts replaced, and left out, in turn."""
    for where, whole in _marked(value, value, []):
        for odd in ODD:
            yield json.dumps(whole).replace(MARK, odd)
        if where and isinstance(where[-1], str):
            yield json.dumps(_without(value, where))


def _marked(whole: Any, part: Any, where: list) -> Iterator[tuple[list, Any]]:
    yield where, _replaced(whole, where)
    items: Any = ()
    if isinstance(part, dict):
        items = part.items()
    elif isinstance(part, list):
        items = list(enumerate(part))[:2]  # the others are like these
    for key, inner in items:
        yield from _marked(whole, inner, [*where, key])


def _replaced(whole: Any, where: list) -> Any:
    if not where:
        return "@@@"
    copy: Any = dict(whole) if isinstance(whole, dict) else list(whole)
    copy[where[0]] = _replaced(whole[where[0]], where[1:])
    return copy


def _without(whole: Any, where: list) -> Any:
    copy: Any = dict(whole) if isinstance(whole, dict) else list(whole)
    if len(where) == 1:
        del copy[where[0]]
    else:
        copy[where[0]] = _without(whole[where[0]], where[1:])
    return copy


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def with_card(model: bytes, text: str) -> bytes:
    """Append an entry of metadata: of two with one key, protobuf's readers take the last."""
    key, value = b"kerascnn", text.encode()
    entry = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(len(value)) + value
    return model + b"\x72" + varint(len(entry)) + entry


def clean(error: BaseException) -> bool:
    text = str(error)
    return "\n" not in text and "Traceback" not in text and len(text) < 1000


def test_every_value_of_a_card_in_turn(exported: Path, tmp_path: Path) -> None:
    card = json.loads(read_card(exported).to_json())
    model, path = exported.read_bytes(), tmp_path / "edited.onnx"
    picture = np.full((1, *read_card(exported).shape, 3), 77, np.uint8)
    expected = Classifier(exported).run(picture)
    texts = [*edited(card)]
    assert len(texts) > 900
    opened = refused = 0
    for text in texts:
        try:
            ModelCard.from_json(text, str(path)).to_json().encode()
        except ModelFileError as error:
            assert clean(error), text[:300]
            refused += 1
            continue
        opened += 1
        if opened % 6:
            continue  # a session takes longer than a hundred cards
        path.write_bytes(with_card(model, text))
        try:
            found = Classifier(path).run(picture)
        except KerascnnError as error:
            assert clean(error), text[:300]
        else:
            np.testing.assert_array_equal(found[1], expected[1], err_msg=text[:300])
    path.write_bytes(with_card(model, "[" * 400_000))
    with pytest.raises(ModelFileError, match=r"edited\.onnx: .*nested too deeply"):
        Classifier(path)
    # Free text, free numbers and what is only told stay free.
    assert refused > 3 * opened > 0


def test_every_value_of_saved_settings_in_turn(exported: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(exported.read_bytes())
    save_settings(model, {"exact": TunedSettings("cpu", 1, True, 4, 100.0)})
    saved = json.loads(settings_path(model).read_text())
    assert set(load_settings(model)[0]) == {"exact"}
    for text in edited(saved):
        settings_path(model).write_text(text)
        try:
            found, why = load_settings(model)
        except ModelFileError as error:
            assert clean(error), text[:300]
            continue
        assert (not found) == bool(why) or "exact" not in json.loads(text)["best"], text[:300]
        assert set(found) <= set(ARITHMETICS)
        for setting in found.values():
            assert (setting.provider, 1 <= setting.threads <= 1024) == ("cpu", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("9" * 400, "400 digits"),
        ("[1e999]", "not finite"),
        ("[NaN]", "not finite"),
        (r'["\udfff"]', "half of a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff", "utf-8"),
    ],
)
def test_json_that_no_file_of_ours_holds(text: str | bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_json(text)


def test_a_card_without_probes_or_with_another_number_of_them(exported: Path) -> None:
    card = json.loads(read_card(exported).to_json())
    for count in (1, 3):
        probes = (card["probes"] * 2)[:count]
        with pytest.raises(ModelFileError, match="probes must be 2 or none"):
            ModelCard.from_json(json.dumps(card | {"probes": probes}))
