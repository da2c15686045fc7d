"""The programs of docs/data.md that convert other formats, run on small files of these formats."""

import io
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn.dataset import load_dataset

DOCS = Path(__file__).parents[3] / "docs/data.md"
SECTION = DOCS.read_text("utf-8").partition("## From other formats")[2].partition("\n## ")[0]
RECIPES = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)

COLORS = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
LABELS = np.array([0, 1, 1, 0])


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def put(path: str, content: str | bytes) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())


def names() -> None:
    for number, label in enumerate(LABELS):
        put(f"train/{('cat', 'dog')[label]}.{number}.jpg", png(COLORS[number]))


def cifar() -> None:
    flat = COLORS.transpose(0, 3, 1, 2).reshape(4, -1)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        one = slice(number % 4, number % 4 + 1)
        batch = {b"data": flat[one], b"labels": LABELS[one].tolist()}
        put(f"cifar-10-batches-py/{name}", pickle.dumps(batch, 2))


def svhn() -> None:
    savemat = pytest.importorskip("scipy.io").savemat
    for split in ("train", "test"):
        digits = np.where(LABELS == 0, 10, LABELS)[:, None]
        savemat(f"{split}_32x32.mat", {"X": np.moveaxis(COLORS, 0, 3), "y": digits})


def hdf5() -> None:
    with pytest.importorskip("h5py").File("train.h5", "w") as file:
        file["images"], file["labels"] = COLORS, LABELS


def parquet() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    images = [{"bytes": png(picture), "path": None} for picture in COLORS]
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    table = pyarrow.table({"image": images, "label": LABELS}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    parquet.write_table(table, "train-00000-of-00001.parquet")


def digits() -> None:
    rows = [[label, *COLORS[n, :28, :28, 0].ravel()] for n, label in enumerate(LABELS)]
    header = ["label", *(f"pixel{number}" for number in range(784))]
    put("digits.csv", "\n".join(",".join(map(str, row)) for row in [header, *rows]))


def json_lines() -> None:
    pytest.importorskip("pandas")
    for number, picture in enumerate(COLORS):
        put(f"{number}.png", png(picture))
    rows = [{"file_name": f"{n}.png", "label": int(label)} for n, label in enumerate(LABELS)]
    put("metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def text() -> None:
    for number, picture in enumerate(COLORS):
        put(f"val/a {number}.png", png(picture))
    put("val.txt", "".join(f"a {number}.png {label}\n" for number, label in enumerate(LABELS)))


def webdataset() -> None:
    for number, label in enumerate(LABELS):
        put(f"shards/{number}.jpg", png(COLORS[number]))
        put(f"shards/{number}.cls", f"{label}\n")


def yolo() -> None:
    for number, label in enumerate(LABELS):
        wide = np.concatenate([np.zeros_like(COLORS[number]), COLORS[number]], 1)
        put(f"images/train/{number}.jpg", png(wide))
        put(f"labels/train/{number}.txt", f"{label} 0.75 0.5 0.5 1\n")


@pytest.mark.parametrize(
    ("recipe", "make", "data"),
    [
        (number, make, data)
        for number, (make, data) in enumerate(
            [
                (names, "names.csv"),
                (cifar, "cifar.npz"),
                (svhn, "svhn.npz"),
                (hdf5, "arrays.npz"),
                (parquet, "pictures"),
                (digits, "digits.npz"),
                (json_lines, "metadata.csv"),
                (text, "val.csv"),
                (webdataset, "shards.csv"),
                (yolo, "boxes"),
            ]
        )
    ],
)
def test_data_in_another_format_is_converted(
    recipe: int, make: Callable[[], None], data: str
) -> None:
    make()
    exec(RECIPES[recipe], {})
    train = load_dataset(data).splits["train"]
    colors = COLORS[[0, 1, 2, 3, 0]] if make is cifar else COLORS
    if make is digits:
        colors = np.repeat(COLORS[:, :28, :28, :1], 3, 3)
    expected = {(colors[n].tobytes(), int(LABELS[n % 4])) for n in range(len(colors))}
    found = {(train.pictures[n].tobytes(), int(train.labels[n])) for n in range(len(train))}
    assert found == expected
    assert len(train) == len(colors)


def test_every_recipe_is_run() -> None:
    assert len(RECIPES) == 10
