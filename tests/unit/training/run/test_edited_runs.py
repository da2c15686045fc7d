"""Run folders whose files somebody edited: one clear line, whichever command meets them."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kerascnn.card import ModelCard
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.config import TrainConfig
from kerascnn.training.run.checkpoint import Checkpoint, Position, latest_checkpoint
from kerascnn.training.run.folder import Run
from kerascnn.training.weights.start import file_normalization

ODD = [
    "null", "true", "-1", "3", "2.5", "1e999", "NaN", "9" * 400, '"x"', r'"\ud800"', "[]", "[1, 2]",
    "{}",
]  # fmt: skip


def edited(values: dict[str, Any]) -> Iterator[str]:
    for name in values:
        for odd in ODD:
            yield json.dumps(values | {name: "@@@"}).replace('"@@@"', odd)


def test_every_option_of_a_configuration_in_turn(tmp_path: Path) -> None:
    run = Run(tmp_path)
    refused = 0
    for text in edited(json.loads(TrainConfig().to_json())):
        run.config_path.write_text(text)
        try:
            assert run.config.to_json().encode()
        except ModelFileError as error:
            refused += 1
            assert "\n" not in str(error)
            assert "config.json: not a configuration" in str(error)
    assert refused > 300
    for text in ("[" * 100_000, "[]", "7", "\x00"):
        run.config_path.write_text(text)
        with pytest.raises(ModelFileError, match=r"config\.json"):
            _ = run.config
    run.config_path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelFileError, match="cannot read it"):
        _ = run.config


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch, 0.1, 1.0, 0.5, 1.1, 0.4, 99.0, 2.5)


ROW = "1,0.1,1.0,0.5,1.1,0.4,99.0,2.5"


@pytest.mark.parametrize(
    "change",
    [
        (ROW, "x" + ROW), (ROW, "1.5" + ROW[1:]), (ROW, "9" * 400 + ROW[1:]), (ROW, "2" + ROW[1:]),
        (ROW, ROW + ",7"), (ROW, ROW[:-4]), (ROW, ROW.replace("0.5", "cat")), (ROW, '"'),
        ("epoch,", "era,"), (ROW, f"{ROW}\r\n{ROW}"), (ROW, ROW.replace("0.5", "[0.5]")),
    ],
    ids=lambda change: change[1][:20],
)  # fmt: skip
def test_a_history(change: tuple[str, str], tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save_history([record(1)])
    assert run.history == [record(1)]
    run.history_path.write_text(run.history_path.read_text().replace(*change))
    with pytest.raises(ModelFileError, match=r"history\.csv: not the history of a run") as caught:
        _ = run.history
    assert "\n" not in str(caught.value)


def test_a_loss_that_was_not_finite_is_history(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save_history([record(1), EpochRecord(2, 0.1, 1.0, 0.5, float("inf"), 0.4, 99.0, 2.5)])
    assert run.history[1].val_loss == float("inf")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    part = {"pictures": 3, "names": "00", "labels": "11"}
    data = {"fingerprint": "22", "classes": ["a", "b"], "splits": {"train": part, "val": part}}
    arrays = (np.ones((2, 3), np.float32),)
    versions = {"backend": "tensorflow"}
    whole = Checkpoint(Position(0, 1), (record(1),), 1, data, versions, arrays, arrays)
    whole.save(tmp_path)
    (path,) = tmp_path.glob("*.npz")
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert (found.position, found.history, found.best, found.data) == (
        whole.position, whole.history, whole.best, whole.data,
    )  # fmt: skip
    return path


def rewrite(path: Path, packed: int = zipfile.ZIP_STORED, **parts: bytes) -> None:
    with zipfile.ZipFile(path) as file:
        old = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", packed) as file:
        for name, data in (old | {f"{name}.npy": data for name, data in parts.items()}).items():
            file.writestr(name, data)


def as_npy(text: bytes) -> bytes:
    out = io.BytesIO()
    np.save(out, np.frombuffer(text, np.uint8))
    return out.getvalue()


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key in value if isinstance(value, dict) else range(len(value)):
        yield (*where, key)
        if isinstance(value[key], dict | list):
            yield from places(value[key], (*where, key))


def test_every_value_of_a_checkpoint_in_turn(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with np.load(checkpoint) as arrays:
        about = arrays["about"].tobytes()
    refused = 0
    for where in places(json.loads(about)):
        for odd in ODD:
            changed = json.loads(about)
            inner = changed
            for key in where[:-1]:
                inner = inner[key]
            inner[where[-1]] = "@@@"
            text = json.dumps(changed).replace('"@@@"', odd)
            rewrite(checkpoint, about=as_npy(text.encode()))
            try:
                latest_checkpoint(checkpoint.parent)
            except ModelFileError as error:
                refused += 1
                assert "no checkpoint in it can be read" in str(error)
    assert refused > 200
    assert all("\n" not in line.getMessage() for line in caplog.records)


LARGE = b"\x93NUMPY\x01\x00\x76\x00" + (
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (900000000000,)}".ljust(0x75) + b"\n"
)


@pytest.mark.parametrize(
    ("parts", "packed", "words"),
    [
        ({"core-000000": as_npy(bytes(10**7))}, zipfile.ZIP_DEFLATED, "it would unpack to"),
        ({"core-000000": LARGE}, zipfile.ZIP_STORED, "cannot be read"),
        ({"about": as_npy(b"[" * 100_000)}, zipfile.ZIP_STORED, "nested too deeply"),
        ({"about": as_npy(b"[]")}, zipfile.ZIP_STORED, "not a JSON object"),
        ({"about": b"\x93NUMPY\x01\x00\x04\x00((()"}, zipfile.ZIP_STORED, "cannot be read"),
    ],
)
def test_an_archive_that_lies(
    parts: dict[str, bytes], packed: int, words: str, checkpoint: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    rewrite(checkpoint, packed, **parts)
    with pytest.raises(ModelFileError, match="no checkpoint in it can be read"):
        latest_checkpoint(checkpoint.parent)
    assert words in caplog.text


def test_a_card_beside_weights_that_is_no_card(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(b"\xff")
    with pytest.raises(ModelFileError, match=r"card\.json: cannot read it"):
        file_normalization(tmp_path / "w.keras", None)  # type: ignore[arg-type]
    (tmp_path / "card.json").write_text("[" * 100_000)
    with pytest.raises(ModelFileError, match=r"card\.json: the card is not JSON"):
        file_normalization(tmp_path / "w.keras", None)  # type: ignore[arg-type]


def test_sides_that_no_network_has() -> None:
    with pytest.raises(ValueError, match="image_size must be a whole number from 1 to 4,096"):
        ModelCard("m", "cnn", ("a",), 100_000, "squash")
    with pytest.raises(ConfigError, match="image_size is 100000"):
        TrainConfig(image_size=100_000)


@pytest.mark.parametrize(
    "change", [{"classes": ("a",)}, {"classes": ("a", "b", "c")}, {"image_size": 9}], ids=str
)
def test_a_card_that_is_not_the_network_s(change: dict[str, Any], tmp_path: Path) -> None:
    run, card = Run(tmp_path), ModelCard("m", "cnn", ("a", "b"), 8, "squash")
    network = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    run.save_model(network, card)
    assert run.load_model().output_shape == (None, 2)
    run.save_card(replace(card, **change))
    with pytest.raises(
        ModelFileError, match=r"card\.json: .*model\.keras takes .*8, 3. and outputs"
    ):
        run.load_model()
