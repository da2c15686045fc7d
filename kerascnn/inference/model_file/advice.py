"""Advice for a path that is not the expected kind of model.

Knows: the wording. Does not know how kinds are recognized.
"""

from __future__ import annotations

from pathlib import Path

from kerascnn.inference.model_file.kinds import (
    FOLDERS,
    Kind,
    files_in,
    head_of,
    is_own,
    kind_of_model,
    program_of,
)
from kerascnn.printable import command_line, first_few, printable

ONNX = (
    "Its name ends in .onnx: kerascnn predict, evaluate, explain and report take such files, and "
    "kerascnn card shows their metadata."
)
"""Advice for an ``.onnx`` file where a Keras model was expected."""

_EXPORT = "kerascnn export {path} --onnx"
_EXPORT_KERAS = f"{_EXPORT} --labels FILE"

_GIVE = (
    "Export the model as ONNX where it was made, or take the Keras model that it came from, and "
    "use that file"
)

_DESCRIPTIONS: dict[Kind, str] = {
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
    "lfs": "a Git LFS pointer, not the file itself. Get the file: git lfs pull",
    "tflite": "a TensorFlow Lite model. Take the Keras model or an .onnx file that it came from",
    "ort": "a model in onnxruntime's own format. Take the .onnx file that it came from",
    "tensorrt": "an engine of TensorRT, for one GPU. Take the .onnx file that it came from",
    "coreml": "a Core ML model. Take the Keras model or an .onnx file that it came from",
    "openvino": "a model of OpenVINO. Take the Keras model or an .onnx file that it came from",
    "paddle": "a file of PaddlePaddle. Convert it with paddle2onnx and use the .onnx file",
    "cut_zip": "a truncated zip archive, as Keras and PyTorch write models. Copy it again",
    "locked_zip": (
        "an encrypted zip archive. Unpack it with its password, and give the model that is in it; "
        "a .keras file, which is a zip itself, must be packed without one"
    ),
    "odd_zip": "packed as zip in a way that Python does not read. Save or pack it again, as usual",
    "gzip": "a gzip archive. Unpack it, and give the model that is in it",
    "gguf": "a language model in the format GGUF or GGML; kerascnn takes classifiers of pictures",
    "archive": "an archive. Unpack it, and give the model that is in it",
    "picture": "a picture. The model comes first, then the pictures",
    "onnx_folder": "a folder of .onnx files. Give one of them: {found}",
    "weights_folder": (
        "a folder of weights, as Hugging Face and keras-hub save models. Export the model where it "
        "was made and use the .onnx file; weights of the networks that `kerascnn models` lists are "
        "for kerascnn train --weights {found}"
    ),
    "hub_folder": (
        "a model of keras-hub. Load it where it was made (model = keras_hub.models.ImageClassifier"
        ".from_preset(FOLDER)), run it once (model.predict), export it "
        "(model.export('model.onnx', format='onnx')), and use that file with `mean`, `std` and "
        "`resize` as in image_converter.json"
    ),
    "coreml_folder": "a Core ML model. Take the Keras model or an .onnx file that it came from",
    "answer": "a server's response, not the file: {found}. Download it again",
    "json_other": f"JSON, but not a Keras model. {_GIVE}",
    "zeros": "nothing but zeros: copying or downloading it was cut short. Get it again",
    "checkpoint": (
        "a checkpoint of TensorFlow: weights alone, without the network. Build the model in Keras, "
        "load them (model.load_weights), and save it whole: model.save('model.keras')"
    ),
    "onnx_data": "the weights of an .onnx file, without the network. Give the .onnx file beside it",
    "runs": "a folder of runs. Give one of them: {found}",
    "saved_folder": "a folder around a TensorFlow SavedModel, which is {found}",
    "keras_folder": "a folder of models that Keras saved. Give one of them: {found}",
    "pictures": "a folder of pictures. The model comes first, then the pictures",
    "tfjs": "a model of TensorFlow.js. Take the Keras model that it came from",
    "arrays": "an array of NumPy. Give the model itself: a run, or a .keras, .h5 or .onnx file",
    "foreign_format": f"a model of {{found}}. {_GIVE}",
    "other": f"in a format that is not known here. {_GIVE}",
    "text": (
        "a text file that begins with: {found}. If it was downloaded, download the file itself"
    ),
    "onnx": (
        "in the format ONNX. Let its name end in .onnx: kerascnn predict, evaluate, explain and "
        "report take such files"
    ),
    "page": "a web page, not the file itself. Download the file: on GitHub, with the button `Raw`",
    "unfinished": "an unfinished download. Download it to its end, or again",
    "empty": "empty. Copy or download it again",
}  # fmt: skip


_DAMAGED = (".onnx", ".keras", ".h5", ".hdf5", ".safetensors", ".pt", ".pth")
"""Suffixes of files that must be damaged if their content is not recognized."""

_PARTS: tuple[Kind, ...] = ("json_other", "other", "json")

_WHOLES: tuple[Kind, ...] = (
    "run", "saved_model", "onnx_folder", "tfjs", "openvino", "paddle", "foreign_format",
    "coreml_folder", "hub_folder",
)  # fmt: skip
"""Kinds of folders that describe the files in them, such as weights and lists of labels."""


def describe_path(path: str | Path) -> str:
    """Describe a path and what to do with it, for the end of a message; empty if unknown.

    Examples:
        >>> describe_path("no/such/file")
        ''
    """
    path = Path(path)
    kind = kind_of_model(path)
    if kind == "keras" and is_own(path):
        kind, path = "run", path.parent
    if kind == "saved_model" and path.is_file():
        path = path.parent  # the file itself holds no weights
    if kind == "other" and path.suffix.lower() in _DAMAGED:
        return ""
    whole = kind_of_model(path.absolute().parent) if kind in _PARTS else "other"
    is_part = whole in (("hub_folder",) if kind == "json" else _WHOLES)
    if is_part:
        kind, path = whole, path.parent
    text = _DESCRIPTIONS.get(kind, "").format(
        path=command_line([str(path)]), found=_found(path, kind)
    )
    if text and is_part:
        return f"It is part of {text}."
    return f"It is {text}." if text else ""


def describe_no_keras(path: str | Path) -> str:
    """Describe a path like :func:`describe_path`; return nothing if Keras may have saved it."""
    return "" if kind_of_model(path) in ("keras", "hdf5", "missing") else describe_path(path)


def what_instead(path: Path, *expected: Kind) -> str:
    """Describe what was found instead of an intact file of the expected kinds, for a message."""
    text = "" if kind_of_model(path) in expected else describe_path(path)
    return text or "It is truncated or damaged, or something else with that name: get it again."


def _found(path: Path, kind: Kind) -> str:
    """List the contents of a folder, name the program that wrote a file, or quote its beginning."""
    if kind == "foreign_format":
        return program_of(path) or program_of(files_in(path, kind)[0])
    if kind in FOLDERS:
        inside = kind in ("runs", "saved_folder")
        files = [file.parent if inside else file for file in files_in(path, kind)]
        return first_few(files, 3)
    if kind in ("answer", "text"):
        return printable(head_of(path, 80).decode("utf-8", "replace").strip())
    return ""
