"""What is given damaged files, in the half without Keras: for scripts/fuzz.

Knows: for each kind of input, good examples, and what opens it as its users do. Does not know how
the examples are damaged.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests/golden"

Attempt = Callable[[str, bytes], object]
"""Opens an input, by its name and its bytes. A KerascnnError is an answer, all else is a fault."""


@dataclass(frozen=True)
class Target:
    """A kind of input.

    Attributes:
        examples: Good ones, by name.
        attempt: Opens one.
        process: Whose memory counts; None: of the process that opens them.
    """

    examples: dict[str, bytes]
    attempt: Attempt
    process: int | None = None


def pictures(folder: Path) -> Target:
    """Make pictures of all formats and many modes; they are decoded and sized."""
    from kerascnn import images

    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :64]
    pixels = np.stack([x * 4, y * 5, (x + y) * 2], 2) + rng.integers(0, 30, (48, 64, 3))
    rgb = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    clear = rgb.copy()
    clear.putalpha(128)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "text " * 40
    found = {}
    for name, picture, options in (
        ("plain.jpg", rgb, {"exif": exif}), ("progressive.jpg", rgb, {"progressive": True}),
        ("cmyk.jpg", rgb.convert("CMYK"), {}), ("gray.jpg", rgb.convert("L"), {}),
        ("plain.png", rgb, {"exif": exif}), ("alpha.png", clear, {}),
        ("palette.png", rgb.quantize(16), {"bits": 4}), ("bits.png", rgb.convert("1"), {}),
        ("deep.png", rgb.convert("I;16"), {}),
        ("lossy.webp", rgb, {"exif": exif}), ("lossless.webp", clear, {"lossless": True}),
        ("moving.gif", rgb.quantize(8), {"save_all": True, "append_images": [rgb.quantize(4)]}),
        ("plain.bmp", rgb, {}), ("palette.bmp", rgb.quantize(16), {}),
        *((f"{how}.tif", rgb, {"compression": how})
          for how in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
        ("float.tif", rgb.convert("F"), {}),
        ("fax.tif", rgb.convert("1"), {"compression": "group4"}),
    ):  # fmt: skip
        file = io.BytesIO()
        picture.save(file, Path(name).suffix[1:].replace("jpg", "jpeg").replace("tif", "tiff"),
                     **options)  # type: ignore[arg-type]  # fmt: skip
        found[name] = file.getvalue()
    turn = itertools.count()

    def attempt(name: str, data: bytes) -> object:
        if next(turn) % 2:
            return images.prepare(data, 32, "squash", name)
        (folder / name).write_bytes(data)
        images.sides_in_header(folder / name)
        return images.prepare(folder / name, 32, "crop")

    return Target(found, attempt)


def models(folder: Path) -> Target:
    """Take a file of ONNX; it is described, opened and asked."""
    from kerascnn import Classifier
    from kerascnn.inference.model_file.description import describe

    ours = (GOLDEN / "old_run.onnx").read_bytes()
    picture = np.zeros((16, 16, 3), np.uint8)

    def attempt(name: str, data: bytes) -> object:
        (folder / name).write_bytes(data)
        with contextlib.suppress(*_errors()):
            describe(folder / name)
        return Classifier(folder / name, "cpu", 1).predict([picture])

    return Target({"ours.onnx": ours}, attempt)


def _errors() -> tuple[type[Exception], ...]:
    from kerascnn.errors import KerascnnError

    return (KerascnnError,)


def cards(_folder: Path) -> Target:
    """Take a card; it is read."""
    from kerascnn.card import ModelCard

    data = (GOLDEN / "old_run/card.json").read_bytes()
    return Target(
        {"card.json": data}, lambda _, data: ModelCard.from_json(data.decode("utf-8", "replace"))
    )


def lists(folder: Path) -> Target:
    """Make CSV lists; they are loaded, and their pictures named."""
    from kerascnn.dataset import load_dataset
    from kerascnn.dataset.faults import FaultCollector

    for name in ("a.jpg", "b.jpg", "c.jpg"):
        Image.new("RGB", (8, 8)).save(folder / name)
    plain = b"path,label\n" + b"".join(b"%c.jpg,c%d\n" % (97 + n % 3, n % 3) for n in range(9))
    split = b"label,path,split\ncat,a.jpg,train\ndog,b.jpg,val\ncat,./c.jpg,test\n"

    def attempt(name: str, data: bytes) -> object:
        (folder / name).write_bytes(data)
        dataset = load_dataset(folder / name, FaultCollector())
        # What collects faults goes on to the end, though no picture be left.
        return [one.pictures.name(0) for one in dataset.splits.values() if len(one)]

    return Target({"plain.csv": plain, "split.csv": split}, attempt)


def arrays(folder: Path) -> Target:
    """Make .npz files; they are loaded, and a picture is read."""
    from kerascnn.dataset import load_dataset
    from kerascnn.dataset.faults import FaultCollector

    rng, found = np.random.default_rng(0), {}
    pixels, labels = rng.integers(0, 255, (20, 8, 8), np.uint8), np.arange(20) % 3
    names = np.asarray(["a", "b", "c"])
    for name, write in {"plain.npz": np.savez, "packed.npz": np.savez_compressed}.items():
        file = io.BytesIO()
        write(file, x_train=pixels, y_train=labels, x_test=pixels, y_test=labels, classes=names)
        found[name] = file.getvalue()

    def attempt(name: str, data: bytes) -> object:
        (folder / name).write_bytes(data)
        return load_dataset(folder / name, FaultCollector()).splits["train"].pictures[0]

    return Target(found, attempt)


def idx(folder: Path) -> Target:
    """Make IDX files; the folder with one of them damaged is loaded."""
    from kerascnn.dataset import load_dataset
    from kerascnn.dataset.faults import FaultCollector

    rng = np.random.default_rng(0)
    pixels = struct.pack(">I3I", 0x803, 20, 8, 8) + rng.bytes(20 * 64)
    labels = struct.pack(">II", 0x801, 20) + bytes(n % 3 for n in range(20))
    names = {"train-images-idx3-ubyte.gz": gzip.compress(pixels),
             "train-labels-idx1-ubyte": labels, "t10k-images-idx3-ubyte": pixels,
             "t10k-labels-idx1-ubyte.gz": gzip.compress(labels),
             "classes.txt": b"a\nb\nc\n"}  # fmt: skip
    for name, data in names.items():
        (folder / name).write_bytes(data)

    def attempt(name: str, data: bytes) -> object:
        (folder / name).write_bytes(data)
        try:
            return load_dataset(folder, FaultCollector()).splits["train"].pictures[0]
        finally:
            (folder / name).write_bytes(names[name])

    return Target(names, attempt)


TARGETS: dict[str, tuple[Callable[[Path], Target], int]] = {
    "pictures": (pictures, 6), "onnx": (models, 3), "cards": (cards, 2), "csv": (lists, 2),
    "npz": (arrays, 2), "idx": (idx, 2),
}  # fmt: skip
"""What makes each, and how many of the inputs are its."""

logging.getLogger("kerascnn").setLevel(logging.CRITICAL)
