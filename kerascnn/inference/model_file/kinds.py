"""What a path that was given as a model really is, and what to do with it.

Knows: the first bytes of the files that people take for one another, and what lies in the folders.
Does not read models. Whoever opens one of them says here what came instead.
"""

from __future__ import annotations

import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

Kind = Literal[
    "run", "saved_model", "folder", "keras", "hdf5", "torch", "safetensors", "pickle", "graph",
    "zip", "cut_zip", "gzip", "json", "lfs", "tflite", "ort", "tensorrt", "coreml", "openvino",
    "paddle", "page", "empty", "missing", "other",
]  # fmt: skip

MODEL, CARD = "model.keras", "card.json"
"""What makes a folder a run that can be used."""

_BEGINNINGS: dict[bytes, Kind] = {
    b"\x89HDF": "hdf5", b"version https://git-lfs": "lfs", b"\x1f\x8b": "gzip",
    b"ptrt": "tensorrt", b"ftrt": "tensorrt",
}  # fmt: skip

_IDENTIFIERS: dict[bytes, Kind] = {b"TFL3": "tflite", b"ORTM": "ort"}
"""In the fifth to eighth byte."""

_ENDINGS: dict[str, Kind] = {
    ".engine": "tensorrt", ".plan": "tensorrt", ".trt": "tensorrt", ".mlmodel": "coreml",
    ".pdmodel": "paddle", ".pdparams": "paddle", ".pdiparams": "paddle",
}  # fmt: skip
"""Of names, where no first bytes are known."""

ONNX = (
    "It is called .onnx: kerascnn predict, evaluate, explain and report take such files, and "
    "kerascnn card shows what one says about itself."
)
"""Where a model of Keras was expected."""

_EXPORT = "kerascnn export {path} --onnx"
_EXPORT_KERAS = f"{_EXPORT} --labels FILE"

_TOLD: dict[Kind, str] = {
    "run": "a run folder of kerascnn train. Export it, then use the file: " + _EXPORT,
    "saved_model": (
        "a TensorFlow SavedModel folder. Load it where it was made and save it with "
        "model.save('model.keras'), or convert it (pip install tf2onnx): python -m tf2onnx.convert "
        "--saved-model {path} --output model.onnx, and give --labels FILE with that"
    ),
    "folder": "a folder, and neither a run of kerascnn nor a TensorFlow SavedModel",
    "keras": "a model that Keras saved. Export it, then use the file: " + _EXPORT_KERAS,
    "hdf5": "an HDF5 file. If Keras saved a whole model in it, export that: " + _EXPORT_KERAS,
    "torch": (
        "a file of PyTorch. Export it there with torch.onnx.export and use the .onnx file; "
        "weights of the networks that `kerascnn models` lists are for kerascnn train --weights FILE"
    ),
    "safetensors": (
        "weights alone, without the network. Export the model where it was made and use the .onnx "
        "file; weights of the networks that `kerascnn models` lists are for "
        "kerascnn train --weights FILE"
    ),
    "pickle": (
        "a pickle, as PyTorch before 1.6 and scikit-learn wrote it, whose code would run when it "
        "is loaded. Export the model where it was made and use the .onnx file"
    ),
    "graph": (
        "a frozen graph of TensorFlow. Convert it (pip install tf2onnx) and use the .onnx file: "
        "python -m tf2onnx.convert --graphdef {path} --output model.onnx --inputs NAME:0 "
        "--outputs NAME:0"
    ),
    "zip": "a zip archive. Unpack it, and give the model that is in it",
    "json": (
        "JSON, as of a Keras model's architecture, without weights. Build the model in Keras "
        "(keras.models.model_from_json), load its weights, and save it whole: "
        "model.save('model.keras')"
    ),
    "lfs": "a pointer of Git LFS, not the file itself. Get that: git lfs pull",
    "tflite": "a TensorFlow Lite model. Take the Keras model or an .onnx file that it came from",
    "ort": "a model in onnxruntime's own format. Take the .onnx file that it came from",
    "tensorrt": "an engine of TensorRT, for one GPU. Take the .onnx file that it came from",
    "coreml": "a Core ML model. Take the Keras model or an .onnx file that it came from",
    "openvino": "a model of OpenVINO. Take the Keras model or an .onnx file that it came from",
    "paddle": "a file of PaddlePaddle. Convert it with paddle2onnx and use the .onnx file",
    "cut_zip": "a truncated zip archive, as Keras and PyTorch write models. Copy it again",
    "gzip": "a gzip archive. Unpack it, and give the model that is in it",
    "page": "a web page, not the file itself. Download that: on GitHub, the button `Raw`",
    "empty": "empty. Copy or download it again",
}  # fmt: skip


def kind_of_model(path: str | Path) -> Kind:
    """Return what kind of model is at a path, by its content and not by its name.

    Returns:
        The kind; ``other`` for what is not known here, as an ``.onnx`` file is not.
    """
    path = Path(path)
    if path.is_dir():
        if (path / CARD).is_file():
            return "run"
        saved = ("saved_model.pb", "saved_model.pbtxt")
        return "saved_model" if any((path / name).is_file() for name in saved) else "folder"
    if not path.exists():
        return "missing"
    with suppress(OSError):
        return _of_file(path)
    return "other"


def describe_path(path: str | Path) -> str:
    """Describe what a path is, and what to do with it.

    Args:
        path: A file or folder that was expected to be something else.

    Returns:
        One or two sentences that end the message; empty where nothing is known.

    Examples:
        >>> describe_path("no/such/file")
        ''
    """
    told = _TOLD.get(kind_of_model(path))
    return f"It is {told.format(path=path)}." if told else ""


def _of_file(path: Path) -> Kind:
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "empty"
    for beginning, kind in _BEGINNINGS.items():
        if start.startswith(beginning):
            return kind
    if start.startswith(b"PK"):
        return _of_zip(path)
    if start[4:8] in _IDENTIFIERS:
        return _IDENTIFIERS[start[4:8]]
    if start[8:10] == b'{"' or start[8:10] == b"{}":
        return "safetensors"
    if start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "pickle"
    if path.suffix.lower() == ".pb" and start[:1] == b"\n":
        return "graph"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "page"
    if text.startswith((b"<?xml", b"<net")) and path.suffix.lower() == ".xml":
        return "openvino"
    return "json" if text[:1] == b"{" else _ENDINGS.get(path.suffix.lower(), "other")


def _of_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "cut_zip"
    if "config.json" in names:
        return "keras"
    return "torch" if any(name.endswith("data.pkl") for name in names) else "zip"


def is_own(path: str | Path) -> bool:
    """Return whether a path is a run or its ``model.keras``, rather than a file made elsewhere.

    Returns:
        Whether a card lies where it would.
    """
    path = Path(path)
    if path.name == MODEL:
        return path.with_name(CARD).is_file()
    return (path / CARD).is_file()
