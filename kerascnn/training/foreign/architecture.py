"""The check of an architecture from elsewhere: Keras' own layers, and no code.

Knows: the JSON of Keras 2 and 3, every place in it that names a class or a function, and which of
those are harmless. Nothing is built from it here: this check comes before Keras sees the file, and
Keras then gets the result of this module, not the contents of the file. The module that a file
names is never imported; a class is looked up by its name among Keras' own.
"""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import keras

from kerascnn.errors import ModelFileError, kind_and_line
from kerascnn.training.foreign.keras2 import (
    OPERATION_CLASSES,
    REMOVED,
    RENAMED,
    WAY_OUT,
    modern_config,
    single,
)
from kerascnn.training.foreign.keras2_layers import SyncBatchNormalization

_VALUES = frozenset(
    {"__keras_tensor__", "__numpy__", "__tensor__", "__bytes__", "__ellipsis__", "__slice__",
     "__tuple__", "TensorShape"}
)  # fmt: skip
"""Class names that stand for values, not for classes."""

_EVERY = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
"""Keras' notation of ``:``."""

_EXTERNAL = frozenset(
    {"TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup", "IntegerLookup",
     "TextVectorization"}
)  # fmt: skip
"""Layers of Keras that load other files or programs."""

_SPACES = ("layers", "models", "initializers", "regularizers", "constraints", "dtype_policies")
"""Modules of Keras whose classes a file may name."""

_OPERATIONS = ("numpy", "nn", "math", "core", "image", "linalg")
"""Modules of ``keras.ops`` that define operations as classes."""

_KINDS: tuple[type, ...] = (
    keras.layers.Layer, keras.Operation, keras.initializers.Initializer,
    keras.regularizers.Regularizer, keras.constraints.Constraint,
    keras.dtype_policies.DTypePolicy, keras.dtype_policies.DTypePolicyMap,
)  # fmt: skip
"""Allowed base classes: other classes in those modules run code of their own."""

_QUANTIZED = re.compile(
    r"(Quantized\w*|GPTQ|AWQ|Int4)DTypePolicy|\w+QuantizationConfig|\w+Quantizer"
)
"""Classes that describe how Keras quantized a layer."""

_OWN = "kerascnn>PerChannelConv2D"
"""A layer of kerascnn itself, which its ``model.keras`` files contain."""

_OLD_NAMES = {"SyncBatchNormalization": SyncBatchNormalization.__module__}
"""Layers of Keras 2 that have another name in Keras 3."""

_APPLICATIONS = {
    "LayerScale": "convnext", "StochasticDepth": "convnext",
    "CustomScaleLayer": "inception_resnet_v2",
}  # fmt: skip
"""Layers that Keras defines only in the modules of its networks, and those modules."""


def safe_architecture(
    architecture: dict[str, Any], where: str, libraries: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Check an architecture of a file, as plain values, and convert it to what this Keras reads.

    Args:
        libraries: Packages whose registered classes are accepted too, if they are installed.

    Returns:
        A copy in which every class is one of Keras' own, or of these, and computes in float32.

    Raises:
        ModelFileError: It contains code, a custom object, or a layer that loads other files or
            programs.
    """
    try:
        cleaned = _clean(architecture, where, libraries)
    except RecursionError as error:
        raise ModelFileError(f"{where}: its architecture is nested too deeply.") from error
    except (TypeError, AttributeError, LookupError, ValueError) as error:
        raise ModelFileError(
            f"{where}: its architecture is not as Keras writes one ({kind_and_line(error)})."
        ) from error
    if not isinstance(cleaned, dict) or "class_name" not in cleaned:
        raise ModelFileError(f"{where}: its architecture names no model.")
    return cleaned


def _clean(value: Any, where: str, libraries: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_clean(item, where, libraries) for item in value]
    if isinstance(value, str):
        # Keras 2 allowed / in names of layers, and nothing else in an architecture has one.
        return value.replace("/", ".")
    if not isinstance(value, dict):
        return value
    if value.keys() == {"value"} and _is_dumped_code(value["value"]):
        raise _code("a lambda function", where)
    if "class_name" in value:
        value = _checked(value, where, libraries)
    # The compile configuration is not used, and may name custom losses and metrics.
    kept = {key: item for key, item in value.items() if key != "compile_config"}
    return {key: _clean(single(item) if key == "dtype" else item, where, libraries)
            for key, item in kept.items()}  # fmt: skip


def _is_dumped_code(value: Any) -> bool:
    """Return whether a value is a function's code, defaults and closure, as Keras dumps them."""
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)


def _checked(node: dict[str, Any], where: str, libraries: tuple[str, ...]) -> dict[str, Any]:
    name = node["class_name"]
    if not isinstance(name, str):
        raise ModelFileError(f"{where}: a class has the name {name!r}, which is not text.")
    if name in ("Lambda", "__lambda__"):
        raise _code(f"a Lambda layer{_called(node)}", where)
    if name in _VALUES:
        return node
    if name == "function":
        return _checked_function(node, where)
    if name in OPERATION_CLASSES or node.get("registered_name") == _OWN:
        return modern_config(node, where)
    if _is_of(libraries, node):
        return node
    return _checked_class(node, name, where)


def _checked_function(node: dict[str, Any], where: str) -> dict[str, Any]:
    name = node.get("config")
    if not isinstance(name, str) or not callable(getattr(keras.activations, name, None)):
        raise _custom(f"function {name!r}", node, where)
    if not _is_keras(node.get("module")):
        raise _custom(f"function {name!r}", node, where)
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}


def _checked_class(node: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    known = RENAMED.get(name, name)
    _check_origin(node, name, known, where)
    # In .h5 Keras writes operations as it writes layers, and cannot read them itself.
    if not node.get("module") and _is_call(node) and (operations := _home_of_operation(name)):
        return {**_without_ellipsis(node), "module": operations, "registered_name": None}
    module = _home(known, str(node.get("module")))
    if module is None:
        raise _removed(node, where) if name in REMOVED else _custom(f"object {name!r}", node, where)
    own = f"kerascnn>{name}" if name in _OLD_NAMES else None
    home = {"class_name": known, "module": module, "registered_name": own}
    return modern_config({**node, **home}, where)


def _check_origin(node: dict[str, Any], name: str, known: str, where: str) -> None:
    """Refuse a class that is not Keras's own, loads something else, or cannot be exported."""
    if name in _EXTERNAL:
        raise ModelFileError(
            f"{where}: holds a {name} layer{_called(node)}, which loads other files or programs. "
            f"{WAY_OUT}"
        )
    registered = node.get("registered_name")
    if registered is not None and RENAMED.get(registered, registered) not in (name, known):
        raise _custom(f"object {registered!r}", node, where)
    if not _is_keras(node.get("module")):
        raise _custom(f"object {name!r}", node, where)
    if _QUANTIZED.fullmatch(name):
        raise ModelFileError(
            f"{where}: was quantized in Keras ({name}), and its integers cannot be exported. Give "
            "the model before quantization, and use `precision` int8 to make its file small. Or: "
            f"{WAY_OUT}"
        )


def _is_of(libraries: tuple[str, ...], node: dict[str, Any]) -> bool:
    """Return whether an installed library has registered a class under the given name."""
    registered = str(node.get("registered_name"))
    library = registered.partition(">")[0]
    if library not in libraries or find_spec(library) is None:
        return False
    import_module(library)
    return keras.saving.get_registered_object(registered) is not None


def _home(name: str, module: str) -> str | None:
    """Return the module of a class in this Keras; some operations are called like layers."""
    if name == "Functional":
        return "keras.src.models.functional"
    if module.startswith("keras.src.ops."):
        home = _home_of_operation(name)
        return home if home == module else None
    if name in _APPLICATIONS:
        return f"keras.src.applications.{_APPLICATIONS[name]}"
    if name in _OLD_NAMES:
        return _OLD_NAMES[name]
    for space in _SPACES:
        found = getattr(getattr(keras, space), name, None)
        if isinstance(found, type) and issubclass(found, _KINDS):
            return f"keras.{space}"
    return None


def _is_call(node: dict[str, Any]) -> bool:
    """Return whether a node is a function call, which .h5 writes like a layer."""
    config = node.get("config")
    return "inbound_nodes" in node and isinstance(config, dict) and "trainable" not in config


def _without_ellipsis(node: dict[str, Any]) -> dict[str, Any]:
    """Write ``x[..., 0]`` as ``x[:, :, 0]``: Keras' reader of .h5 accepts no ellipsis."""
    if node["class_name"] != "GetItem":
        return node
    calls = []
    for call in node["inbound_nodes"]:
        tensor, keys = call["args"]
        keys = keys if isinstance(keys, list) else [keys]
        taken = sum(key is not None and not _is_ellipsis(key) for key in keys)
        rest = [_EVERY] * (len(tensor["config"]["shape"]) - taken)
        spelled = [key for one in keys for key in (rest if _is_ellipsis(one) else [one])]
        calls.append({**call, "args": [tensor, spelled]})
    return {**node, "inbound_nodes": calls}


def _is_ellipsis(key: Any) -> bool:
    return isinstance(key, dict) and key.get("class_name") == "__ellipsis__"


def _home_of_operation(name: str) -> str | None:
    from keras.src import ops

    for module in _OPERATIONS:
        home = f"keras.src.ops.{module}"
        found = getattr(getattr(ops, module, None), name, None)
        is_operation = isinstance(found, type) and issubclass(found, keras.Operation)
        if is_operation and found.__module__ == home:
            return home
    return None


def _is_keras(module: Any) -> bool:
    """Return whether a file claims that a class is Keras' own; the class itself is looked up."""
    return module in (None, "builtins") or (
        isinstance(module, str) and module.partition(".")[0] in ("keras", "tf_keras", "tensorflow")
    )


def _called(node: dict[str, Any]) -> str:
    config = node.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return f" ({name!r})" if isinstance(name, str) else ""


def _code(what: str, where: str) -> ModelFileError:
    return ModelFileError(
        f"{where}: holds {what}, whose code is inside the file and would run when it is loaded. "
        "kerascnn runs no code from model files. Replace it with a layer of Keras (Rescaling, "
        f"Resizing, Reshape…) and save the model again. Or: {WAY_OUT}"
    )


def _removed(node: dict[str, Any], where: str) -> ModelFileError:
    return ModelFileError(
        f"{where}: holds a {node['class_name']} layer{_called(node)} of Keras 2, which Keras 3 no "
        f"longer has. {WAY_OUT}"
    )


def _custom(what: str, node: dict[str, Any], where: str) -> ModelFileError:
    module = node.get("module")
    origin = f" from {module}" if isinstance(module, str) and module else ""
    return ModelFileError(
        f"{where}: holds a custom {what}{origin}{_called(node)}. Its code is not Keras', and "
        f"kerascnn loads no code that a model file names. {WAY_OUT}"
    )
