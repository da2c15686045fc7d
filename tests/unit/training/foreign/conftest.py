"""What tests of models made elsewhere share."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from kerascnn import Classifier
from kerascnn.inference import ForeignModel
from kerascnn.training.export.foreign import export_foreign


@pytest.fixture(scope="session")
def with_weights() -> Callable[[keras.Model], keras.Model]:
    """Give a model weights under which its answers differ from picture to picture."""

    def fill(model):
        rng = np.random.default_rng(7)
        for variable in model.weights:
            value = np.asarray(variable)
            if not np.issubdtype(value.dtype, np.floating):
                continue
            if "variance" in variable.name or "gamma" in variable.name:
                variable.assign(rng.uniform(0.5, 1.5, value.shape))
            elif value.ndim > 1:
                variable.assign(rng.normal(0, 1 / np.sqrt(value[..., 0].size), value.shape))
            elif "count" not in variable.name:
                variable.assign(rng.normal(0, 0.1, value.shape))
        return model

    return fill


@pytest.fixture(scope="session")
def pictures() -> Callable[[int], np.ndarray]:
    """Six noisy pictures of different colors and a size: ``pictures(size)``."""

    def make(size):
        rng = np.random.default_rng(11)
        brightest = rng.integers(20, 256, (6, 1, 1, 3))
        return (rng.random((6, size, size, 3)) * brightest).astype(np.uint8)

    return make


@pytest.fixture
def exported_from(tmp_path: Path) -> Callable[..., Classifier]:
    """Export a file made elsewhere, and open the result."""

    def export(path: Path, classes: int | tuple[str, ...], **said) -> Classifier:
        names = tuple("abcdefgh"[:classes]) if isinstance(classes, int) else classes
        said.setdefault("normalize", "none")
        result = export_foreign(path, ForeignModel(names, **said), tmp_path / "out" / "m.onnx")
        assert result.parity.top1_mismatches == 0
        assert result.parity.max_abs_diff <= 1e-4
        assert result.parity.images == 166
        return Classifier(result.path)

    return export


@pytest.fixture
def change_architecture() -> Callable[[Path, Callable[[dict], object]], None]:
    """Change the architecture inside a ``.keras`` or ``.h5`` file, as an attacker would."""

    def change(path: Path, edit: Callable[[dict], object]) -> None:
        if path.suffix == ".h5":
            with h5py.File(path, "r+") as file:
                config = json.loads(file.attrs["model_config"])
                edit(config)
                file.attrs["model_config"] = json.dumps(config)
            return
        with zipfile.ZipFile(path) as file:
            parts = {name: file.read(name) for name in file.namelist()}
        config = json.loads(parts["config.json"])
        edit(config)
        parts["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(path, "w") as file:
            for name, data in parts.items():
                file.writestr(name, data)

    return change
