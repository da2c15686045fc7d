"""What a path that was given as a model really is, and what to do with it.

Knows: the first bytes of the files that people take for one another, and what lies in the folders.
Does not read models. Whoever opens one of them says here what came instead.
"""

from __future__ import annotations

import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

from kerascnn.printable import printable

Kind = Literal[
    "run", "saved_model", "folder", "keras", "hdf5", "torch", "safetensors", "pickle", "graph",
    "zip", "cut_zip", "gzip", "json", "lfs", "tflite", "ort", "tensorrt", "coreml", "openvino",
    "paddle", "page", "empty", "missing", "other", "gguf", "archive", "picture", "onnx_folder",
    "weights_folder", "coreml_folder", "answer", "json_other", "zeros",
]  # fmt: skip

MODEL, CARD = "model.keras", "card.json"
"""What makes a folder a run that can be used."""

_BEGINNINGS: dict[bytes, Kind] = {
    b"\x89HDF": "hdf5", b"version https://git-lfs": "lfs", b"\x1f\x8b": "gzip",
    b"ptrt": "tensorrt", b"ftrt": "tensorrt", b"GGUF": "gguf", b"7z\xbc\xaf": "archive",
    b"Rar!": "archive", b"\xfd7zXZ": "archive", b"BZh": "archive", b"\x28\xb5\x2f\xfd": "archive",
    b"\x89PNG": "picture", b"\xff\xd8\xff": "picture", b"GIF8": "picture",
}  # fmt: skip

_IDENTIFIERS: dict[bytes, Kind] = {b"TFL3": "tflite", b"ORTM": "ort"}
"""In the fifth to eighth byte."""

_ENDINGS: dict[str, Kind] = {
    ".engine": "tensorrt", ".plan": "tensorrt", ".trt": "tensorrt", ".mlmodel": "coreml",
    ".pdmodel": "paddle", ".pdparams": "paddle", ".pdiparams": "paddle",
}  # fmt: skip
"""Of names, where no first bytes are known."""

_FOLDERS: dict[Kind, tuple[str, ...]] = {
    "onnx_folder": ("*.onnx",),
    "weights_folder": ("*.safetensors", "pytorch_model.bin", "*.weights.h5"),
}
"""By what lies in them."""

_ARCHITECTURE = 4096
"""Bytes in which a Keras model's architecture names its class."""

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
    "gguf": "a language model in the format GGUF; kerascnn takes classifiers of pictures",
    "archive": "an archive. Unpack it, and give the model that is in it",
    "picture": "a picture. The model comes first, then the pictures",
    "onnx_folder": "a folder of .onnx files. Give one of them: {found}",
    "weights_folder": (
        "a folder of weights, as Hugging Face and keras-hub save models. Export the model where it "
        "was made and use the .onnx file; weights of the networks that `kerascnn models` lists are "
        "for kerascnn train --weights {found}"
    ),
    "coreml_folder": "a Core ML model. Take the Keras model or an .onnx file that it came from",
    "answer": "a server's answer, not the file: {found}. Download that again",
    "json_other": "JSON, and no model of Keras",
    "zeros": "nothing but zeros: copying or downloading it was cut short. Get it again",
    "page": "a web page, not the file itself. Download that: on GitHub, the button `Raw`",
    "empty": "empty. Copy or download it again",
}  # fmt: skip


def kind_of_model(path: str | Path) -> Kind:
    """Return what kind of model is at a path, by its content and not by its name.

    ``other``: none that is known here, as an ``.onnx`` file is not.
    """
    path = Path(path)
    if path.is_dir():
        if (path / CARD).is_file():
            return "run"
        saved = ("saved_model.pb", "saved_model.pbtxt")
        if any((path / name).is_file() for name in saved):
            return "saved_model"
        if path.suffix == ".mlpackage":
            return "coreml_folder"
        return next((kind for kind in _FOLDERS if _files(path, kind)), "folder")
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
    kind = kind_of_model(path)
    told = _TOLD.get(kind)
    return f"It is {told.format(path=path, found=_found(Path(path), kind))}." if told else ""


def _found(path: Path, kind: Kind) -> str:
    """Name what is in a folder, or quote what a server said."""
    if kind in _FOLDERS:
        files = _files(path, kind)
        return ", ".join(map(str, files[:3])) + (", …" if len(files) > 3 else "")
    if kind == "answer":
        return printable(_head(path, 80).decode("utf-8", "replace").strip())
    return ""


def _files(folder: Path, kind: Kind) -> list[Path]:
    return sorted(file for pattern in _FOLDERS[kind] for file in folder.glob(pattern))


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _of_file(path: Path) -> Kind:
    start = _head(path, 512)
    if not start:
        return "empty"
    for beginning, kind in _BEGINNINGS.items():
        if start.startswith(beginning):
            return kind
    if start[257:262] == b"ustar":
        return "archive"
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
    if len(start) > 63 and not any(start) and path.suffix.lower() not in _ENDINGS:
        return "zeros"
    return _of_text(path, start.removeprefix(b"\xef\xbb\xbf").lstrip().lower())


def _of_text(path: Path, text: bytes) -> Kind:
    if text.startswith((b"<?xml", b"<net")) and path.suffix.lower() == ".xml":
        return "openvino"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<!--")):
        return "page"
    if text.startswith((b"404", b"403", b"<?xml", b"not found", b"access ", b"unauthorized")) or (
        text.startswith(b"{") and b'"error"' in text
    ):
        return "answer"
    if text[:1] == b"{":
        return "json" if b'"class_name"' in _head(path, _ARCHITECTURE) else "json_other"
    return _ENDINGS.get(path.suffix.lower(), "other")


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
