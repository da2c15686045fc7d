"""What scripts/bench_gpu takes to a machine with a GPU that has no TensorFlow and no internet.

Knows: which pictures, files and wheels. Does not know what is measured with them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from judging import DEBIAN, kerascnn

NAMES = (
    "keras", "namex", "optree", "absl-py", "rich", "h5py", "ml-dtypes", "packaging", "click",
    "pillow", "markdown-it-py", "mdurl", "pygments", "typing-extensions", "msgspec",
)  # fmt: skip
"""What kerascnn needs for training with JAX and for serving, without JAX itself."""

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64",
             "manylinux2014_x86_64")  # fmt: skip
PYTHON = "3.12"


def prepare(folder: Path, *, dry: bool) -> None:
    """Write everything into a new folder; a dry run needs no wheels."""
    folder.mkdir(parents=True)
    write_fashion(folder / "fashion.npz", "fashion-mini" if dry else DEBIAN)
    network, side = ("resnet18", 32) if dry else ("resnet50", 224)
    file = folder / "resnet.keras"
    write_network(file, network, side)
    labels = folder / "classes.txt"
    labels.write_text("".join(f"class {number}\n" for number in range(10)))
    for precision in ("float32", "float16"):
        kerascnn("export", str(file), "--onnx", "--labels", str(labels), "--normalize", "tf",
                 "--precision", precision,
                 "--out", str(folder / f"resnet-{precision}.onnx"))  # fmt: skip
    file.unlink()
    if not dry:
        fetch_wheels(folder / "wheels")


def write_fashion(path: Path, data: str) -> None:
    """Write all splits of Fashion-MNIST, or of a part of it."""
    import numpy as np

    from kerascnn.dataset import load_dataset

    arrays = dict[str, np.ndarray]()
    for name, split in load_dataset(data).splits.items():
        pictures = [split.pictures[number][..., 0] for number in range(len(split))]
        arrays |= {f"x_{name}": np.stack(pictures), f"y_{name}": split.labels}
    np.savez_compressed(path, allow_pickle=False, **arrays)


def write_network(path: Path, name: str, side: int) -> None:
    """Write a network whose weights compress well: signs, times what their spread was."""
    import keras
    import numpy as np

    from kerascnn.training.networks import build_network

    keras.utils.set_random_seed(0)
    core = build_network(name, 10, side)
    core.set_weights(
        [np.sign(one) * one.std() if one.ndim > 1 else one for one in core.get_weights()]
    )
    core.save(path)


def fetch_wheels(folder: Path) -> None:
    """Fetch wheels for the other machine's Python, and build kerascnn's own."""
    root = Path(__file__).resolve().parent.parent
    pip = [sys.executable, "-m", "pip"]
    places = [word for name in PLATFORMS for word in ("--platform", name)]
    subprocess.run([*pip, "download", "-q", "--no-deps", "--only-binary=:all:", "--python-version",
                    PYTHON, "--implementation", "cp", *places, "-d", str(folder), *NAMES],
                   check=True)  # fmt: skip
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", str(folder), str(root)], check=True)
