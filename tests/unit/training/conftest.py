"""What the tests of training share."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _drawn_elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather what each run's page shows, and draw it only for tests marked ``page``.

    Drawing takes longer than most trainings here.
    """
    if "keras" in sys.modules and not request.node.get_closest_marker("page"):
        monkeypatch.setattr(
            "kerascnn.training.evaluation.report.render_page", lambda _content: "not drawn"
        )


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], None]:
    """Make some bytes the ones that the checksum of a network's ImageNet weights names."""
    from kerascnn.training.pretrained import PRETRAINED

    def set_digest(name: str, data: bytes) -> None:
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        monkeypatch.setitem(PRETRAINED, name, replace(PRETRAINED[name], digest=digest))

    return set_digest


@pytest.fixture
def library_file(known: Callable[[str, bytes], None]) -> Callable[[str], Any]:
    """Put weights of our own making into Keras' cache, in the library's format; gives its model."""
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    from kerascnn.training.networks import NETWORKS
    from kerascnn.training.pretrained import PRETRAINED
    from kerascnn.training.pretrained.cache import place_of
    from kerascnn.training.pretrained.catalog import LibraryFile

    def write(name: str) -> Any:
        model = getattr(keras.applications, NETWORKS[name].recipe["application"])(weights=None)
        source = PRETRAINED[name]
        assert isinstance(source, LibraryFile)
        path = place_of(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
        if source.digest:
            known(name, path.read_bytes())
        return model

    return write
