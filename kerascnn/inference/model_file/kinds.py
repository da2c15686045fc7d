"""Recognizes what kind of model a path is.

Knows: magic bytes of files that are easily confused, and the contents of folders. Does not read
models or know what to do with one (:mod:`kerascnn.inference.model_file.advice`).
"""

from __future__ import annotations

import codecs
import re
import zipfile
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Literal

Kind = Literal[
    "run", "saved_model", "folder", "keras", "hdf5", "torch", "safetensors", "pickle", "graph",
    "zip", "cut_zip", "gzip", "json", "lfs", "tflite", "ort", "tensorrt", "coreml", "openvino",
    "paddle", "page", "empty", "missing", "other", "gguf", "archive", "picture", "onnx_folder",
    "weights_folder", "coreml_folder", "answer", "json_other", "zeros", "checkpoint", "onnx_data",
    "onnx", "runs", "saved_folder", "keras_folder", "pictures", "tfjs", "arrays", "text",
    "foreign_format", "locked_zip", "odd_zip", "unfinished", "hub_folder",
]  # fmt: skip

_ENCRYPTED = 1
"""Bit in the flags of an encrypted zip entry."""

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)

_TORCH = ("data.pkl", "archive_format", "serialized_exported_program.json")
"""Ends of names of entries in PyTorch's files, those of torch.export among them."""

MODEL, CARD = "model.keras", "card.json"
"""Files of a finished run folder."""

REFIT = "refit"
"""Folder in a run folder of its second training, on all pictures; it holds the same files, with the
network that is exported."""

_MAGIC_BYTES: dict[bytes, Kind] = {
    b"\x89HDF": "hdf5", b"version https://git-lfs": "lfs", b"\x1f\x8b": "gzip",
    b"ptrt": "tensorrt", b"ftrt": "tensorrt", b"GGUF": "gguf", b"7z\xbc\xaf": "archive",
    b"Rar!": "archive", b"\xfd7zXZ": "archive", b"BZh": "archive", b"\x28\xb5\x2f\xfd": "archive",
    b"\x89PNG": "picture", b"\xff\xd8\xff": "picture", b"GIF8": "picture", b"II*\0": "picture",
    b"MM\0*": "picture", b"\x93NUMPY": "arrays", b"\x04\x22M\x18": "archive",
    b"lmgg": "gguf", b"tjgg": "gguf",
}  # fmt: skip

_UTF8 = codecs.getincrementaldecoder("utf-8")

_CONTROLS = bytes({*range(32), 127} - set(b"\t\n\r\f\x1b"))
"""Control characters, which do not occur in text."""

_IDENTIFIERS: dict[bytes, Kind] = {b"TFL3": "tflite", b"ORTM": "ort"}
"""FlatBuffers file identifiers, at bytes 4 to 8."""

PROGRAMS = {
    ".caffemodel": "Caffe", ".prototxt": "Caffe", ".mnn": "MNN", ".param": "ncnn",
    ".cfg": "Darknet", ".weights": "Darknet", ".pte": "ExecuTorch", ".rknn": "RKNN",
    ".hef": "Hailo",
    ".msgpack": "Flax", ".pbtxt": "TensorFlow", ".meta": "TensorFlow 1", ".uff": "TensorRT",
    ".nb": "Paddle Lite", ".dlc": "SNPE", ".mlmodelc": "Core ML", ".kmodel": "nncase",
    "-symbol.json": "MXNet", ".params": "MXNet", ".mat": "MATLAB", ".pmml": "PMML",
    ".mindir": "MindSpore", ".om": "Ascend", ".eim": "Edge Impulse", ".ubj": "XGBoost",
    ".cbm": "CatBoost", ".ncnn.bin": "ncnn", "_metadata": "Orbax", ".rds": "R", ".rdata": "R",
    ".rda": "R", "predict_net.pb": "Caffe2", "init_net.pb": "Caffe2", ".tnnproto": "TNN",
    ".tnnmodel": "TNN", ".nnef": "NNEF", ".mge": "MegEngine", ".tmfile": "Tengine",
    ".bmodel": "SOPHGO", ".cvimodel": "SOPHGO", ".axmodel": "Axera", ".blob": "OpenVINO",
    ".xmodel": "Vitis AI", ".espdl": "ESP-DL", ".vmfb": "IREE", ".mlir": "MLIR", ".ms": "MindSpore",
    ".stablehlo": "StableHLO", ".dnn": "CNTK", ".cntk": "CNTK", ".t7": "Torch 7",
    ".nnp": "Neural Network Libraries", ".mar": "TorchServe", ".bento": "BentoML",
    ".skops": "scikit-learn", ".wts": "TensorRT",
}  # fmt: skip
"""Programs by the end of a file's name, for formats that are not recognized further."""

_SUFFIXES: dict[str, Kind] = {
    ".bmp": "picture",
    ".engine": "tensorrt", ".plan": "tensorrt", ".trt": "tensorrt", ".mlmodel": "coreml",
    ".pdmodel": "paddle", ".pdparams": "paddle", ".pdiparams": "paddle",
    ".pkl": "pickle", ".pickle": "pickle", ".joblib": "pickle",
}  # fmt: skip
"""Suffixes of formats without magic bytes."""

_UNFINISHED = (".crdownload", ".part", ".partial", ".download", ".incomplete")
"""Suffixes of downloads that browsers and others have not finished."""

_PHOTOGRAPHS = (b"ftyphei", b"ftypmif1", b"ftypavif")
"""Starts of HEIC and AVIF files, after their first 4 bytes."""

_NAMED = (".onnx", *PROGRAMS, *_SUFFIXES)

_ONNX = (b"\x12", b"\x1a", b"\x3a", b"\x42")
"""Field tags that may follow the IR version in an ONNX file: producer, graph, operator sets."""

_GRAPH = re.compile(rb"\n[\x80-\xff]*[\0-\x7f]\n", re.DOTALL)
"""Start of a GraphDef of TensorFlow: a node of some length, which starts with its name."""

FOLDERS: dict[Kind, tuple[str, ...]] = {
    "onnx_folder": ("*.onnx", "onnx/*.onnx", "*/*/model.onnx"),
    "tfjs": ("group1-shard*.bin", "weights.bin"),
    "hub_folder": ("image_converter.json",),
    "weights_folder": ("*.safetensors", "pytorch_model.bin", "*.weights.h5"),
    "paddle": ("*.pdiparams", "*.pdmodel"),
    "keras_folder": ("*.keras", "*.h5", "data/*.keras", "data/*.h5"),
    "runs": ("*/card.json",),
    "saved_folder": ("*/saved_model.pb",),
    "checkpoint": ("*.index",),
    "openvino": ("*.xml",),
    "foreign_format": (
        "*.param",
        "*-symbol.json",
        "*.caffemodel",
        "*.weights",
        "_METADATA",
        "predict_net.pb",
    ),
}
"""Glob patterns by kind of folder: one match is enough."""

_MAX_NAMES = 1000
"""Maximum names to look at in a folder, which takes about 2 ms."""

_ARCHITECTURE = 4096
"""Bytes at the start of a JSON file within which it has one of these keys."""

_JSON: dict[bytes, Kind] = {
    b'"modelTopology"': "tfjs", b'"class_name"': "json", b'"weight_map"': "safetensors",
    b'"magic":"pir"': "paddle",
}  # fmt: skip
"""Kinds of JSON files by a key in them."""


def kind_of_model(path: str | Path) -> Kind:
    """Return what kind of model is at a path, by its content and not by its name.

    ``other``: not recognized; this includes ``.onnx`` files.
    """
    path = Path(path)
    if path.is_dir():
        if (path / CARD).is_file():
            return "run"
        saved = ("saved_model.pb", "saved_model.pbtxt")
        if any((path / name).is_file() for name in saved):
            return "saved_model"
        if path.suffix in (".mlpackage", ".mlmodelc"):
            return "coreml_folder"
        found = next((kind for kind in FOLDERS if files_in(path, kind)), None)
        return found or ("pictures" if _holds_pictures(path) else "folder")
    if not path.exists():
        return "checkpoint" if path.with_name(f"{path.name}.index").exists() else "missing"
    with suppress(OSError):
        return _detect(path)
    return "other"


def files_in(folder: Path, kind: Kind) -> list[Path]:
    """List the files by which a folder is recognized as a kind."""
    return sorted(file for pattern in FOLDERS[kind] for file in folder.glob(pattern))


def _holds_pictures(folder: Path) -> bool:
    from kerascnn.images import SUFFIXES  # imports numpy and Pillow, too slow for completion

    names = (file.name for place in ("*", "*/*") for file in folder.glob(place))
    return any(name.lower().endswith(SUFFIXES) for name in islice(names, _MAX_NAMES))


def head_of(path: Path, size: int) -> bytes:
    """Read the first bytes of a file."""
    with path.open("rb") as file:
        return file.read(size)


def _detect(path: Path) -> Kind:
    start = head_of(path, 512)
    if path.suffix.lower() in _UNFINISHED:
        return "unfinished"
    found = _kind_by_magic(path, start)
    if found in ("gzip", "archive", "zip") and program_of(path):
        return "foreign_format"
    return (
        found
        or _kind_by_name(path, start)
        or _kind_of_text(path, start.removeprefix(b"\xef\xbb\xbf").lstrip().lower())
    )


def _kind_by_magic(path: Path, start: bytes) -> Kind | None:
    """Recognize a format by its magic bytes."""
    if not start:
        return "empty"
    for beginning, kind in _MAGIC_BYTES.items():
        if start.startswith(beginning):
            return kind
    if start[257:262] == b"ustar":
        return "archive"
    if start.startswith(b"PK"):
        return _kind_of_zip(path)
    if start[4:8] in _IDENTIFIERS:
        return _IDENTIFIERS[start[4:8]]
    if start[8:10] in (b'{"', b"{}"):
        return "safetensors"
    if start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "pickle"
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return "picture" if webp or start[4:].startswith(_PHOTOGRAPHS) else None


def _kind_by_name(path: Path, start: bytes) -> Kind | None:
    """Recognize a format by its name and first bytes, which other formats may share."""
    suffix, name = path.suffix.lower(), path.name
    if _GRAPH.match(start) and (suffix == ".pb" or b"Placeholder" in start):
        return "graph"
    if suffix == ".pb" and (start[:2] == b"\x08\1" or name == "keras_metadata.pb"):
        return "saved_model"
    if start[:1] == b"\x08" and start[2:3] in _ONNX and not name.lower().endswith(_NAMED):
        return "onnx"
    if name.endswith(".index") or ".data-0" in name:
        return "checkpoint"
    if name.lower().endswith((".onnx.data", ".onnx_data", ".onnx.bin", ".onnx.weights")):
        return "onnx_data"
    return "zeros" if len(start) > 63 and not any(start) and suffix not in _SUFFIXES else None


def _kind_of_text(path: Path, text: bytes) -> Kind:
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<!--")):
        return "page"
    if text.startswith((b"404", b"403", b"not found", b"access ", b"unauthorized")) or (
        text.startswith((b"{", b"<?xml")) and (b'"error"' in text or b"<error" in text)
    ):
        return "answer"
    if program_of(path):
        return "foreign_format"
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if text.startswith((b"<?xml", b"<net")):
        return "openvino" if suffix == ".xml" else "answer"
    if text[:1] == b"{":
        start = head_of(path, _ARCHITECTURE)
        return next((kind for key, kind in _JSON.items() if key in start), "json_other")
    return "text" if _is_text(text) else "other"


def program_of(path: Path) -> str:
    """Return the program that wrote a file, by the end of its name; empty if not known."""
    name = path.name.lower()
    return next((program for end, program in PROGRAMS.items() if name.endswith(end)), "")


def _is_text(start: bytes) -> bool:
    if start.translate(None, _CONTROLS) != start:
        return False
    with suppress(UnicodeDecodeError):
        return bool(_UTF8().decode(start))  # incremental: the last character may be cut
    return False


def _kind_of_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as file:
            entries = file.infolist()
    except NotImplementedError:
        return "odd_zip"
    except (zipfile.BadZipFile, ValueError):
        return "cut_zip"
    names = [entry.filename for entry in entries]
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        return "locked_zip"
    if any(entry.compress_type not in _PACKINGS for entry in entries):
        return "odd_zip"
    if {"config.json", "model.weights.h5"} <= set(names):
        return "keras"
    if names and all(name.endswith(".npy") for name in names):
        return "arrays"
    return "torch" if any(name.endswith(_TORCH) for name in names) else "zip"


def is_own(path: str | Path) -> bool:
    """Return whether a path is a run folder or its ``model.keras``, not a foreign file."""
    path = Path(path)
    if path.name == MODEL:
        return path.with_name(CARD).is_file()
    return (path / CARD).is_file()
