"""Validation data without a picture: told before anything is trained, never a division by zero."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn.errors import DataError
from kerascnn.training import TrainConfig, fit


def _pictures(folder: Path, content: bytes | None = None) -> None:
    for name in "ab":
        (folder / name).mkdir(parents=True)
        for number in range(4):
            path = folder / name / f"{number}.png"
            if content is not None:
                path.write_bytes(content)
            else:
                level = np.full((12, 12, 3), 60 * number, np.uint8)
                Image.fromarray(level).save(path)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("empty folder", "no class folders"),
        ("empty class folders", "no pictures in any of its class folders"),
        ("broken pictures", "no validation picture can be read"),
        ("csv of broken pictures", "no validation picture can be read"),
        ("npz without any", "at least one"),
        ("another empty folder", "no class folders"),
    ],
)
def test_validation_without_a_picture_is_an_error(case: str, said: str, tmp_path: Path) -> None:
    data, val = tmp_path / "data", None
    _pictures(data / "train")
    if case == "empty folder":
        (data / "val").mkdir()
    elif case == "empty class folders":
        for name in "ab":
            (data / "val" / name).mkdir(parents=True)
    elif case == "broken pictures":
        _pictures(data / "val", b"no picture")
    elif case == "csv of broken pictures":
        (data / "no.png").write_bytes(b"no picture")
        rows = [f"train/{c}/{n}.png,{c},train" for c in "ab" for n in range(4)]
        data = data / "list.csv"
        data.write_text("\n".join(["path,label,split", *rows, "no.png,a,val"]))
    elif case == "npz without any":
        pictures, labels = np.zeros((8, 12, 12, 3), np.uint8), np.arange(8) % 2
        np.savez(tmp_path / "d.npz", x_train=pictures, y_train=labels, x_val=pictures[:0],
                 y_val=labels[:0])  # fmt: skip
        data = tmp_path / "d.npz"
    else:
        (tmp_path / "held").mkdir()
        data, val = data / "train", str(tmp_path / "held")
    config = TrainConfig(data=str(data), model="cnn", image_size=12, epochs=1, val=val, out="run")
    with pytest.raises(DataError, match=said):
        fit(config)
    assert not Path("run").exists()
