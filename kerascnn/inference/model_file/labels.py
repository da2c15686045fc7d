"""Reads class names from text, JSON, and the metadata of an ``.onnx`` file.

Knows: JSON lists, objects in either direction, the same as Python literals, Hugging Face's
``id2label``, ultralytics' ``names``, RapidAI's ``character``. Does not know models, or what
surrounds names in lines.
"""

from __future__ import annotations

import ast
import json
import logging
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kerascnn.errors import DataError
from kerascnn.files import decode_text, lines_of
from kerascnn.images import Resizing, Shape
from kerascnn.inference.model_file.advice import describe_path
from kerascnn.inference.model_file.foreign import ForeignModel, PictureSize
from kerascnn.inference.model_file.kinds import kind_of_model
from kerascnn.inference.model_file.label_lines import plain_names, split
from kerascnn.printable import first_few
from kerascnn.resizing import PRESETS

log = logging.getLogger(__name__)

_KEYS = (
    "id2label", "names", "classes", "class_names", "labels", "label_names", "label2id",
    "class_indices", "class_to_idx", "idx_to_class", "idx2label", "index_to_name", "class_labels",
    "classnames", "label_map", "categories", "character",
)  # fmt: skip
"""Keys of the names in a larger JSON object or in the metadata of a file."""

_NUMBERS = ("id", "index", "idx", "class_id", "label_id", "class_index", "number")
"""Keys of the number in an object per class."""

_NAMES = ("name", "label", "class_name", "class", "title")
"""Keys of the name in an object per class."""

_ASSIGNED = re.compile(r"\s*[\w. ]+[=:(]\s*(?=[\[{])")
"""Code before a list: ``classes = [...]``, ``Index([...])``."""

_SAID = 'Expected one class name per line, or JSON: a list, or an object like {"0": "apple"}.'


_SHOWN = 40
"""Characters quoted of metadata that cannot be parsed."""

_UNSUPPORTED = (".yaml", ".yml", ".pbtxt", ".xml", ".npy", ".npz", ".pkl", ".pickle", ".joblib")
"""Suffixes of unsupported formats, whose lines must not be taken for names."""


def read_labels(path: str | Path) -> tuple[str, ...]:
    """Read class names from a file.

    Args:
        path: Text in UTF-8, or UTF-16 with a byte order mark. Either one name per line, in the
            order of the model's outputs, optionally after its number from 0 (``0 apple``); empty
            lines at the end are ignored. Or JSON or a Python literal: a list of names, or a
            mapping of numbers to names or names to numbers, also under ``id2label`` and the like.

    Returns:
        Names, in NFC like those of data sets. The second occurrence of a name gets its number
        appended (``crane (517)``), because class names must be unique.

    Raises:
        DataError: No such file, not text, an empty line between names, or no names in it.
    """
    if Path(path).suffix.lower() in _UNSUPPORTED:
        raise DataError(f"{path}: class names in such a file are not read. {_SAID}")
    try:
        text = decode_text(Path(path).read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot read the labels ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}). {_SAID} Save it as UTF-8.") from error
    if kind_of_model(path) in ("lfs", "page"):
        raise DataError(f"{path}: no class names. {describe_path(path)}")
    if re.match(r"\s*item\s*\{", text):
        raise DataError(f"{path}: a label map of TensorFlow, which is not read. {_SAID}")
    if "\0" in text:
        raise DataError(f"{path}: not UTF-8 text (it holds zeros). {_SAID} Save it as UTF-8.")
    names = _from_json(path, text) if _looks_like_json(path, text) else _from_lines(path, text)
    return _distinct([unicodedata.normalize("NFC", name) for name in names], str(path))


def from_metadata(metadata: Mapping[str, str]) -> ForeignModel | None:
    """Read class names and preprocessing from the metadata of an ``.onnx`` file.

    None if they hold no names, or different ones under two keys.
    """
    if "classif" not in metadata.get("task", "classify"):
        return None
    found = _found(metadata)
    if not found or any(names != found[0][1] for _, names in found):
        return None
    key, names = found[0]
    return _foreign_model(_distinct(names, f"metadata {key}"), metadata)


def unread_listing(metadata: Mapping[str, str]) -> str:
    """Say why metadata that should hold class names are not used, for a message."""
    first, *others = _found(metadata) or [("", [])]
    if other := next((key for key, names in others if names != first[1]), None):
        return f" Its metadata entries {first[0]!r} and {other!r} hold different names."
    for key, text in _listings(metadata):
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        return f" Its metadata entry {key!r} is not a list of names: {shown!r}."
    return ""


def _listings(metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the metadata that may hold names; keys match in any spelling."""
    spelled = {re.sub(r"[ .-]", "_", key.lower()): key for key in metadata}
    found = [spelled[key] for key in _KEYS if key in spelled]
    return [(key, metadata[key].removeprefix("\ufeff")) for key in found]  # BOM


def _found(metadata: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Return each list of names in the metadata with its key."""
    found = []
    for key, text in _listings(metadata):
        with suppress(ValueError):
            found.append((key, [unicodedata.normalize("NFC", name) for name in _from_text(text)]))
    return found


def _from_text(text: str) -> list[str]:
    """Read names from one value of the metadata; a ValueError if it contains none."""
    try:
        value = _literal(text)
    except ValueError:
        value = text
    if isinstance(value, str):
        value = split(value)
    names = _in_order(list(value) if isinstance(value, tuple) else value)
    if not all(names):
        raise ValueError("empty names")
    return names


def _foreign_model(classes: tuple[str, ...], metadata: Mapping[str, str]) -> ForeignModel:
    size = _size(metadata)
    if metadata.get("author") != "Ultralytics":
        return ForeignModel(classes, size)
    preset = PRESETS["ultralytics"]
    # Its classify_transforms crops for square inputs; others are squashed to height and width.
    sizing = Resizing() if isinstance(size, tuple) else preset.sizing
    return ForeignModel(classes, size, preset.normalize, sizing=sizing)


def _looks_like_json(path: str | Path, text: str) -> bool:
    if _ASSIGNED.match(text):
        return True
    numbered = re.match(r"\s*\[\d+\]\s*[^\s,]", text)  # [0] apple
    listed = Path(path).suffix.lower() == ".json" or text.lstrip()[:1] in ("[", "{")
    return listed and not numbered


def _from_json(path: str | Path, text: str) -> list[str]:
    if assigned := _ASSIGNED.match(text):
        text = text[assigned.end() : max(text.rfind("]"), text.rfind("}")) + 1]
    try:
        names = _in_order(_literal(text))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no class names in it ({error}). {_SAID}") from error
    empty = [number for number, name in enumerate(names) if not name]
    if empty or not names:
        raise DataError(f"{path}: name {empty[0] if empty else 0} is empty. {_SAID}")
    return names


def _in_order(value: Any) -> list[str]:
    """Return the names of a list or an object, ordered by their numbers."""
    if isinstance(value, list):
        if value and all(isinstance(item, dict) for item in value):
            for key in _NUMBERS:
                if all(key in item for item in value):
                    return _by_number([(item[key], item) for item in value])
        return [_name(item) for item in value]
    if not isinstance(value, dict) or not value:
        raise ValueError("neither a list nor an object of names")
    for key in _KEYS:
        if isinstance(value.get(key), dict | list):
            return _in_order(value[key])
    if isinstance(inner := next(iter(value.values())), list) and len(value) == 1 < len(inner):
        return _in_order(inner)  # {"Label": [...]} of Lobe
    pairs = list(value.items())
    if all(_is_number(number) for _name, number in pairs) and (
        not all(_is_number(name) for name, _number in pairs)
        or all(isinstance(number, int) for _name, number in pairs)
    ):
        pairs = [(number, name) for name, number in pairs]
    return _by_number(pairs)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value.isdecimal())


def _by_number(pairs: list[tuple[Any, Any]]) -> list[str]:
    """Order names by their numbers."""
    try:
        numbered = [(int(number), _name(item)) for number, item in pairs]
    except (TypeError, ValueError) as error:
        raise ValueError("neither its keys nor its values are numbers") from error
    numbered.sort()
    if [number for number, _ in numbered] != list(range(len(pairs))):
        raise ValueError(f"its numbers are not 0 to {len(pairs) - 1}, each once")
    return [name for _, name in numbered]


def _name(item: Any) -> str:
    """Return the name in an item; Keras' ImageNet index has a list of identifier and name."""
    if isinstance(item, list | tuple) and item:
        item = item[-1]
    if isinstance(item, dict):
        said = [item[key] for key in _NAMES if key in item]
        item = next((one for one in said if isinstance(one, str)), said[0] if said else None)
    if isinstance(item, bool) or not isinstance(item, str | int):
        raise ValueError(f"{item!r} is no name")
    return str(item).strip()


def _from_lines(path: str | Path, text: str) -> list[str]:
    names = [line.strip() for line in lines_of(text.rstrip())]
    for number, name in enumerate(names, 1):
        if not name:
            raise DataError(f"{path}, line {number}: empty. {_SAID}")
    if len(names) == 1:  # a classifier has at least two classes
        with suppress(ValueError):
            return split(names[0])
    return plain_names(names)


def _distinct(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Append the index to names that occur more than once, with a warning."""
    known, distinct = set(names), dict[str, int]()
    for number, name in enumerate(names):
        called = name
        while called in distinct or (called != name and called in known):
            called = f"{called} ({number})"
        distinct[called] = number
    renamed = [name for name in distinct if name not in known]
    if renamed:
        shown = first_few(renamed)
        log.warning("%s: duplicate names get their number appended: %s.", where, shown)
    return tuple(distinct)


def _literal(text: str) -> Any:
    """Parse JSON or the equivalent Python literal, which ultralytics writes."""
    problem = ""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
            problem = problem or str(error)
    raise ValueError(problem)


def _size(metadata: Mapping[str, str]) -> int | Shape | None:
    with suppress(KeyError, ValueError):
        return PictureSize().read(_literal(metadata["imgsz"]))
    return None
