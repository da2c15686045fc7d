"""A network with random weights, exported: for scripts/bench_inference.

Knows: how the files are made that the engines run. Does not know how they are run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bench_inference_engines import CLASSES, SIZE

from kerascnn import images
from kerascnn.card import ModelCard


def make_files(name: str, folder: Path) -> dict[str, str]:
    """Export the network with random weights; give paths by `float32`, `int8` and `keras`."""
    import keras
    import onnx

    from kerascnn.training.export import compose, core
    from kerascnn.training.export.precision.quantize import measure_ranges, normalize, quantize
    from kerascnn.training.networks import build_network, find_network

    keras.utils.set_random_seed(0)
    network = build_network(name, CLASSES, SIZE)
    rule = find_network(name).normalization
    names = tuple(f"class {number}" for number in range(CLASSES))
    card = ModelCard(name, name, names, SIZE, "crop", normalization=rule)
    files = {kind: str(folder / f"{kind}.onnx") for kind in ("float32", "int8")}
    files["keras"] = str(folder / "network.keras")
    network.save(files["keras"])
    plain = core.core_model(network)
    ranges = measure_ranges(plain, normalize(photographs(), rule), "min-max")
    for kind, graph in (("float32", plain), ("int8", quantize(plain, ranges))):
        onnx.save(compose.with_card(compose.compose(graph, card), card), files[kind])
    return files


def photographs() -> images.UInt8Array:
    """Give the pictures that ranges are measured on, uint8 [4, 224, 224, 3]."""
    from skimage import data

    raw = [data.astronaut(), data.coffee(), data.cat(), data.rocket()]
    return np.stack([images.size_picture(one, SIZE, "crop") for one in raw])
