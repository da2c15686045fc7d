"""Reads untrusted JSON into dataclasses by their annotations.

Knows: what JSON may contain but no file of this package does (NaN, numbers of 400 digits, lone
surrogates, a million brackets), and how a value is checked against a type. Does not know files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_DIGITS = 18
"""Maximum digits of an integer, so that it fits into 64 bits."""

_SHOWN = 60
"""Maximum characters of an invalid value in a message."""


def parse_json(
    text: str | bytes,
    finite: bool = True,
    make_object: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """Parse JSON, without NaN, huge numbers or lone surrogates.

    Args:
        text: Text of one document.
        finite: Whether to refuse NaN and infinity, which a measured loss may be.
        make_object: Creates an object from its pairs; None: a dictionary.

    Raises:
        ValueError: It is not JSON, or contains what no file of kerascnn does.

    Examples:
        >>> parse_json('{"size": 1e999}')
        Traceback (most recent call last):
        ValueError: the number 1e999 is not finite
    """
    try:
        number = _finite if finite else float
        value = json.loads(
            text,
            parse_constant=number,
            parse_float=number,
            parse_int=_whole,
            object_pairs_hook=make_object,
        )
        # A lone surrogate is valid in JSON, but cannot be printed or written.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except UnicodeEncodeError as error:
        raise ValueError("it holds half of a surrogate pair, which is not a character") from error
    return value


def build(cls: type[T], values: Any) -> T:
    """Create a dataclass from a JSON object, each value of its field's annotated type.

    Unknown entries are ignored.

    Raises:
        ValueError: A field is missing or has a wrong type; the message names the first.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{_shown(values)} is not a JSON object")
    kinds = _kinds(cls)  # type: ignore[arg-type] # classes are hashable
    found: dict[str, Any] = {}
    for field in fields(cls):  # type: ignore[arg-type] # a dataclass, as the docstring says
        if field.name in values:
            found[field.name] = _convert(values[field.name], kinds[field.name], field.name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{field.name} is missing")
    return cls(**found)


@cache
def _kinds(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _convert(value: Any, kind: Any, name: str) -> Any:
    """Convert a value to its annotated type: lists to tuples, objects to dataclasses."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _convert_any(value, arguments, name)
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise _wrong(value, kind, name)
        try:
            return build(kind, value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    if origin is tuple and isinstance(value, list):
        inner = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        if len(inner) != len(value):
            raise ValueError(f"{name} has {len(value)} values; expected {len(inner)}")
        return tuple(_convert(one, of, name) for one, of in zip(value, inner, strict=True))
    if origin is dict and isinstance(value, dict):
        return {key: _convert(one, arguments[1], f"{name}.{key}") for key, one in value.items()}
    if not _fits(value, kind):
        raise _wrong(value, kind, name)
    return value


def _convert_any(value: Any, kinds: tuple[Any, ...], name: str) -> Any:
    """Try the members of a union; for an optional value, report the error of the other member."""
    if value is None and NoneType in kinds:
        return None
    problem = _wrong(value, " or ".join(map(_word, kinds)), name)
    for kind in kinds:
        try:
            return _convert(value, kind, name)
        except ValueError as error:
            if len(kinds) == 2 and NoneType in kinds and kind is not NoneType:
                problem = error
    raise problem


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return isinstance(value, str | int) and value in get_args(kind)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def _wrong(value: Any, kind: Any, name: str) -> ValueError:
    return ValueError(f"{name} is {_shown(value)}; expected {_word(kind)}")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_WORDS = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null",
    tuple: "a list", dict: "an object",
}  # fmt: skip
"""Names of types in messages for people who edit JSON."""


def _word(kind: Any) -> str:
    """Describe a type for people who edit JSON."""
    if isinstance(kind, str):
        return kind
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    return _WORDS.get(get_origin(kind) or kind, "an object")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"the number {number[:_SHOWN]} is not finite")
    return value


def _whole(number: str) -> int:
    if len(number.lstrip("-")) > _DIGITS:
        raise ValueError(f"a number of {len(number):,} digits; expected at most {_DIGITS}")
    return int(number)
