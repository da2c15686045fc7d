"""Files of Keras that reach out of themselves, promise what they do not hold, or lie.

Each fault is put into a good file and tried on every road by which one is opened: as first
weights of three kinds, as a model made elsewhere, and as a run's own ``model.keras``.
"""

import io
import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from kerascnn.card import ModelCard
from kerascnn.errors import ModelFileError
from kerascnn.training.foreign.inspected import load_inspected
from kerascnn.training.networks import build_network
from kerascnn.training.run.folder import Run
from kerascnn.training.weights.files import read_tensors
from kerascnn.training.weights.start import start_network

SIZE = 16
SECRET = b"a line of a file that is nobody's business".ljust(64)


def external_storage(group: h5py.Group, folder: Path) -> None:
    group.create_dataset("x", (4,), np.float32, external=[(str(folder / "secret"), 0, 16)])


def virtual(group: h5py.Group, folder: Path) -> None:
    layout = h5py.VirtualLayout((4,), np.float32)
    layout[:] = h5py.VirtualSource(folder / "secret.h5", "w", (4,))
    group.create_virtual_dataset("x", layout)


def references(group: h5py.Group, _: Path, kind: Any = h5py.ref_dtype) -> None:
    group.create_dataset("x", (2,), kind)


def cycle(group: h5py.Group, _: Path) -> None:
    group["x"] = group


FAULTS: dict[str, tuple[Callable[[h5py.Group, Path], object], str]] = {
    "external storage": (external_storage, "another file"),
    "a virtual data set": (virtual, "another file"),
    "an external link": (
        lambda group, folder: group.__setitem__("x", h5py.ExternalLink(folder / "secret.h5", "w")),
        "link to another file or place",
    ),
    "a soft link": (
        lambda group, _: group.__setitem__("x", h5py.SoftLink("/layers")),
        "link to another file or place",
    ),
    "a circle of groups": (cycle, "link to another file or place"),
    "object references": (references, "references to other things"),
    "region references": (
        lambda group, _: references(group, _, h5py.regionref_dtype),
        "references to other things",
    ),
    "texts that lie elsewhere": (
        lambda group, _: references(group, _, h5py.string_dtype()),
        "references to other things",
    ),
    "a filter": (
        lambda group, _: group.create_dataset("x", data=np.zeros(99), compression="gzip"),
        "compressed by a filter",
    ),
    "values that are not there": (
        lambda group, _: group.create_dataset("x", (40_000, 40_000), np.float32),
        "declares 6,400,000,000 bytes",
    ),
    "a type": (lambda group, _: group.__setitem__("x", np.dtype("f4")), "neither a group nor"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from keras.src.legacy.saving import legacy_h5_format

    folder = tmp_path_factory.mktemp("good")
    network = build_network("cnn", 4, SIZE)
    files = {kind: folder / f"good{kind}" for kind in (".keras", ".weights.h5", ".h5")}
    network.save(files[".keras"])
    network.save_weights(files[".weights.h5"])
    legacy_h5_format.save_model_to_hdf5(network, str(files[".h5"]), include_optimizer=False)
    return files


def in_weights(path: Path, change: Callable[[h5py.File], object]) -> None:
    """Change the HDF5 of any of the three kinds."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            change(file)
        return
    parts = read_parts(path)
    inner = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(inner, "r+") as file:
        change(file)
    write_parts(path, parts | {"model.weights.h5": inner.getvalue()})


def read_parts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write_parts(path: Path, parts: dict[str, bytes], packed: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", packed) as file:
        for name, data in parts.items():
            file.writestr(name, data)


def own_model(path: Path) -> Run:
    """Make the file a run's own."""
    run = Run(path.with_suffix(".run"))
    run.folder.mkdir()
    shutil.copyfile(path, run.model_path)
    run.save_card(ModelCard("m", "cnn", ("a", "b", "c", "d"), SIZE, "squash"))
    return run


ROADS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "first weights, .keras": (".keras", lambda path: start_network("cnn", 4, SIZE, str(path))),
    "first weights, .h5": (".h5", lambda path: start_network("cnn", 4, SIZE, str(path))),
    "first weights, .weights.h5": (
        ".weights.h5",
        lambda path: start_network("cnn", 4, SIZE, str(path)),
    ),
    "made elsewhere, .keras": (".keras", load_inspected),
    "made elsewhere, .h5": (".h5", load_inspected),
    "a run's own": (".keras", lambda path: own_model(path).load_model()),
}


def refused(opened: Callable[[Path], object], path: Path, words: str) -> None:
    with pytest.raises(ModelFileError, match=words) as caught:
        opened(path)
    assert "\n" not in str(caught.value)
    assert "nobody's business" not in str(caught.value)


@pytest.mark.parametrize("road", ROADS)
def test_a_good_file_is_opened(road: str, good: dict[str, Path]) -> None:
    kind, opened = ROADS[road]
    assert opened(good[kind])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("road", ROADS)
def test_what_is_in_hdf5(road: str, fault: str, good: dict[str, Path], tmp_path: Path) -> None:
    kind, opened = ROADS[road]
    add, words = FAULTS[fault]
    (tmp_path / "secret").write_bytes(SECRET)
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["w"] = np.frombuffer(SECRET[:16], np.float32)
    path = Path(shutil.copy(good[kind], tmp_path / f"m{kind}"))
    in_weights(path, lambda file: add(file.create_group("more"), tmp_path))
    refused(opened, path, words)


def empty(group: h5py.Group, name: str) -> h5py.Group:
    if name in group:
        del group[name]
    return group


LIES: dict[str, tuple[str, Callable[[h5py.File], object], str]] = {
    "names that are a number": (
        ".h5",
        lambda file: file["model_weights"].attrs.__setitem__("layer_names", 7),
        "not a list of names",
    ),
    "a name that is a path upwards": (
        ".h5",
        lambda file: file["model_weights"].attrs.__setitem__("layer_names", [b"../x"]),
        "cannot be read",
    ),
    "a weight without its layer": (
        ".h5",
        lambda file: file["model_weights/head"].attrs.__setitem__("weight_names", [b"kernel:0"]),
        "without the name of its layer",
    ),
    "layers that are a number": (
        ".weights.h5",
        lambda file: empty(file, "layers").__setitem__("layers", 1.0),
        "layers is not a group",
    ),
    "a kernel that is a group": (
        ".weights.h5",
        lambda file: empty(file["layers/dense_1/vars"], "0").create_group("0"),
        "is not a data set",
    ),
    "a kernel that is one number": (
        ".weights.h5",
        lambda file: empty(file["layers/dense_1/vars"], "0").__setitem__("0", 1.0),
        "last dense layer has shape",
    ),
    "a kernel of two million classes": (
        ".weights.h5",
        lambda file: empty(file["layers/dense_1/vars"], "0").__setitem__(
            "0", np.zeros((1, 2_000_000), np.float16)
        ),
        "last dense layer has shape",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_lies_about_itself(lie: str, good: dict[str, Path], tmp_path: Path) -> None:
    kind, change, words = LIES[lie]
    path = Path(shutil.copy(good[kind], tmp_path / f"m{kind}"))
    in_weights(path, change)
    refused(ROADS[f"first weights, {kind}"][1], path, words)


ZIPS = ("first weights, .keras", "made elsewhere, .keras", "a run's own")
MEGA = 2**20

BOMBS: dict[str, tuple[dict[str, bytes], str]] = {
    "an architecture of 40 MB": ({"config.json": b" " * (40 * MEGA)}, "config.json is larger"),
    "deep metadata": ({"metadata.json": b"[" * 60_000}, "nested too deeply"),
    "metadata of 1 MB": ({"metadata.json": b"[" + b"0," * MEGA + b"0]"}, "metadata.json is larger"),
    "a deep architecture": ({"config.json": b"[" * 400_000}, "nested too deeply"),
    "weights of zeros": ({"model.weights.h5": bytes(90 * MEGA)}, "it would unpack to"),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("road", ZIPS)
def test_what_unpacks_to_too_much(
    road: str, bomb: str, good: dict[str, Path], tmp_path: Path
) -> None:
    parts, words = BOMBS[bomb]
    path = tmp_path / "m.keras"
    write_parts(path, read_parts(good[".keras"]) | parts, zipfile.ZIP_DEFLATED)
    refused(ROADS[road][1], path, words)


def widen(architecture: dict[str, Any]) -> None:
    head = architecture["config"]["layers"][-1]
    assert head["class_name"] == "Dense"
    head["config"]["units"] = 50_000_000


@pytest.mark.parametrize("road", [*ZIPS, "made elsewhere, .h5"])
def test_layers_that_are_larger_than_their_weights(
    road: str, good: dict[str, Path], tmp_path: Path
) -> None:
    kind, opened = ROADS[road]
    path = Path(shutil.copy(good[kind], tmp_path / f"m{kind}"))
    if kind == ".h5":
        with h5py.File(path, "r+") as file:
            architecture = json.loads(file.attrs["model_config"])
            widen(architecture)
            file.attrs["model_config"] = json.dumps(architecture)
    else:
        parts = read_parts(path)
        architecture = json.loads(parts["config.json"])
        widen(architecture)
        write_parts(path, parts | {"config.json": json.dumps(architecture).encode()})
    refused(opened, path, r"its layers take \d+,\d+")
    # What was counted is not kept to be made by whoever comes next.
    with keras.StatelessScope():
        pass


def header(text: bytes, data: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + data


SAFETENSORS = {
    "a header of 2**60 bytes": (2**60).to_bytes(8, "little") + b"{}",
    "a deep header": header(b"[" * 90_000),
    "offsets outside": header(b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', b"12"),
    "a shape of 2**62": header(
        b'{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}', b"1234"
    ),
    "two at one place": header(
        b'{"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
        b'"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}',
        bytes(12),
    ),
    "more dimensions than numpy has": header(
        b'{"w":{"dtype":"F32","shape":[%s],"data_offsets":[0,4]}}' % b",".join([b"1"] * 200),
        b"1234",
    ),
    "an unknown type": header(b'{"w":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}}', b"1234"),
}


@pytest.mark.parametrize("fault", SAFETENSORS)
def test_safetensors(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(SAFETENSORS[fault])
    refused(read_tensors, path, "cannot be read as")


def test_pytorchs_tensors_that_promise_more_than_they_hold(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "m.pth"
    torch.save({"w": torch.zeros(1, dtype=torch.float16).expand(10**10)}, path)
    refused(read_tensors, path, "fewer values are stored")
    parts = read_parts(path)
    write_parts(path, parts | {"archive/data/0": bytes(100 * MEGA)}, zipfile.ZIP_DEFLATED)
    refused(read_tensors, path, "it would unpack to")


class Code:
    """What a pickle can carry: a call."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.place,))


@pytest.mark.parametrize("kind", [".pth", ".pt"])
@pytest.mark.parametrize("packed", [True, False])
def test_code_in_pytorchs_files_never_runs(kind: str, packed: bool, tmp_path: Path) -> None:
    """Files made by hand, as torch.save makes them today and made them long ago: without torch."""
    path, content = tmp_path / f"m{kind}", pickle.dumps({"w": Code(tmp_path / "ran")}, 2)
    if packed:
        write_parts(path, {"m/data.pkl": content, "m/version": b"3\n", "m/byteorder": b"little"})
    else:
        path.write_bytes(content)
    refused(read_tensors, path, "torch")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("road", ["first weights, .h5", "made elsewhere, .h5"])
@pytest.mark.parametrize("size", [0, 8, 2**63])
def test_a_heap_in_which_the_library_stays_for_ever(
    road: str, size: int, good: dict[str, Path], tmp_path: Path
) -> None:
    path, content = tmp_path / "m.h5", bytearray(good[".h5"].read_bytes())
    place = content.index(b"GCOL\x01") + 16
    content[place : place + 16] = struct.pack("<HHIQ", 0, 0, 0, size)
    path.write_bytes(content)
    refused(ROADS[road][1], path, f"a heap holds an object of {size:,} bytes")
