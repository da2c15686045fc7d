"""Reads settings from TOML, YAML or JSON, with the names of a command's options as keys.

Knows: the three formats, the option for the file, and the error for an unknown key. Does not know
any setting.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import click

from kerascnn.errors import ConfigError, needs_extra, one_line
from kerascnn.files import reading
from kerascnn.typed_json import parse_json

_MAX_BYTES = 1 << 18
"""Largest file in bytes, for which YAML takes two seconds."""

_VALUES, _TEXT, _DIGITS = 10_000, 4096, 18
"""Limits of a file: number of values, including repetitions by aliases; characters of a text; and
digits of an integer. An error message would print such a value in full."""

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_DEEP_KEY = re.compile(rf"""(?<![\w"'-]){_PART}(?:\.[ \t]*+{_PART}){{32}}""")
"""Dotted key with more than 32 parts, for which tomllib takes quadratic time."""


def config_option(
    read: Callable[[click.Context, Path], dict[str, Any]], help: str
) -> Callable[[Any], Any]:
    """Create ``--config FILE``, processed before all others; ``read`` returns the defaults."""

    def callback(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.default_map = read(ctx, Path(value))

    return click.option(
        "--config", metavar="FILE", is_eager=True, expose_value=False, callback=callback, help=help
    )


def read_settings(path: Path) -> dict[str, Any]:
    """Read settings from YAML (.yaml, .yml), JSON (.json) or, with any other name, TOML.

    Raises:
        ConfigError: It cannot be read, is malformed, or contains no named settings.
        MissingExtraError: It is YAML, and pyyaml is not installed.
    """
    kind, parse = _FORMATS.get(path.suffix.lower(), ("TOML", _from_toml))
    with reading(path, ConfigError), path.open("rb") as file:  # may be a pipe, without a size
        data = file.read(_MAX_BYTES + 1)
    try:
        if len(data) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES:,} bytes")
        text = data.decode("utf-8-sig")
        content = parse(text) if text.strip() else None
        _check_values(content)
    except (ValueError, RecursionError) as error:
        reason = one_line(error, 200)
        raise ConfigError(f"{path}: not {kind} ({reason}).") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no settings; expected lines like NAME: VALUE.")
    return {str(key): value for key, value in content.items()}


def named(
    content: dict[Any, Any], known: Iterable[str], path: Path, where: str = "", hint: str = ""
) -> dict[str, Any]:
    """Return settings by parameter name; ``max-batch`` and ``max_batch`` are equivalent.

    Raises:
        ConfigError: A key is unknown, or occurs twice.
    """
    known = sorted(known)
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name not in known:
            nearest = difflib.get_close_matches(name, known, 1)
            meant = f"Did you mean {nearest[0].replace('_', '-')}?" if nearest else hint
            raise ConfigError(f"{path}: {where}{key} is not a setting. {meant}".rstrip())
        if name in found:
            raise ConfigError(f"{path}: {where}{key} occurs twice; leave one of them out.")
        found[name] = value
    return found


def _check_values(content: Any) -> None:
    """Refuse too many or too long values."""
    waiting, count = [content], 0
    while waiting:
        value, count = waiting.pop(), count + 1
        if count > _VALUES:
            raise ValueError(f"more than {_VALUES:,} values, with those that aliases repeat")
        if isinstance(value, str) and len(value) > _TEXT:
            raise ValueError(f"a text of {len(value):,} characters; expected at most {_TEXT:,}")
        if isinstance(value, int) and abs(value) >= 10**_DIGITS:
            raise ValueError(f"a whole number of more than {_DIGITS} digits")
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value


def _from_toml(text: str) -> Any:
    if _DEEP_KEY.search(text):
        raise ValueError("a key of more than 32 parts")
    return tomllib.loads(text)


def _from_yaml(text: str) -> Any:
    with needs_extra("yaml", "to read settings in YAML"):
        import yaml  # type: ignore[import-untyped] # mypy need not have its stubs
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        _check_keys(root)
        return None if root is None else loader.construct_document(root)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except (LookupError, AttributeError, TypeError, ArithmeticError) as error:
        raise ValueError("a value is not what its tag says, as in !!bool maybe") from error


def _check_keys(root: Any) -> None:
    """Refuse a key that occurs twice in a section, of which YAML would use the last."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or isinstance(node.value, str) or id(node) in seen:
            continue
        seen.add(id(node))  # a node may contain itself
        pairs = [one if isinstance(one, tuple) else (None, one) for one in node.value]
        keys = Counter(key.value for key, _ in pairs if key and isinstance(key.value, str))
        twice = next((key for key, count in keys.items() if count > 1 and key != "<<"), None)
        if twice is not None:
            raise ValueError(f"{twice} occurs twice")
        waiting += [value for _, value in pairs]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that occurs twice in an object, of which JSON would use the last."""
    keys = Counter(key for key, _ in pairs)
    if twice := next((key for key, count in keys.items() if count > 1), None):
        raise ValueError(f"{twice} occurs twice")
    return dict(pairs)


_FORMATS: dict[str, tuple[str, Callable[[str], Any]]] = {
    ".yaml": ("YAML", _from_yaml),
    ".yml": ("YAML", _from_yaml),
    ".json": ("JSON", partial(parse_json, make_object=_once)),
}
