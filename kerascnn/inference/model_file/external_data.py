"""Lists the files beside an ``.onnx`` file that hold its weights (ONNX's "external data").

Knows: where tensors occur in ModelProto, and how they name their file. Does not know what the
weights are for. torch.onnx has written such files by default since torch 2.9.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from kerascnn.inference.model_file.metadata import opened, read_entry

_PARTS = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""By message type, the fields that lead to tensors and the type of each;
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""


def files_beside(path: str | Path) -> tuple[Path, ...]:
    """List the files that hold weights of an ``.onnx`` file.

    Returns:
        Their paths, sorted; the files may not exist. Paths outside the file's folder are left out,
        because onnxruntime refuses them.

    Raises:
        ModelFileError: No such file, or not a whole ONNX file.
    """
    names: set[str] = set()
    with opened(path) as model:
        waiting = [("model", model)]
        while waiting:
            kind, message = waiting.pop()
            if kind == "entry":
                key, name = read_entry(message)
                names |= {name} if key == "location" and name else set()
                continue
            for field, inside in _PARTS[kind].items():
                waiting += [(inside, one) for one in message.messages(field)]
    return tuple(Path(path).parent / name for name in sorted(names) if _is_inside(name))


def _is_inside(name: str) -> bool:
    place = PurePosixPath(name)
    return bool(place.name) and not place.is_absolute() and ".." not in place.parts
