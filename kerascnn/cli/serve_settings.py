"""Settings of ``serve`` from a file and from environment variables.

Knows: Click, and the precedence: options over variables over the file. Does not know the meaning of
a setting.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kerascnn import hub
from kerascnn.cli.foreign import FOREIGN, foreign_from_options
from kerascnn.cli.settings_file import config_option, named, read_settings
from kerascnn.errors import ConfigError
from kerascnn.serving.config import OF_A_MODEL
from kerascnn.serving.sources import NAMED

if TYPE_CHECKING:
    from kerascnn.inference.model_file.foreign import ForeignModel
    from kerascnn.serving import ModelConfig

PREFIX = "KERASCNN_SERVE"
"""Prefix of the environment variables: ``KERASCNN_SERVE_MAX_BATCH`` is ``--max-batch``."""

_SECTIONS = "kerascnn.serve.sections"

_SETTINGS = tuple(name for name in OF_A_MODEL if name != "foreign")

_EXPLICIT = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


class ModelPaths(click.Path):
    """Paths of models; in a variable separated by ``:`` (Windows: ``;``) or white space."""

    def split_envvar_value(self, rv: str) -> list[str]:
        """Split a variable; a single path may contain spaces."""
        parts = re.split(rf"{os.pathsep}(?!//)", rv)  # except in hf://
        if len(parts) > 1 or Path(rv).exists():
            return [part.strip() for part in parts if part.strip()]
        return rv.split()


class Port(click.ParamType):  # type: ignore[type-arg] # older versions take none
    """A port number, ignoring the URL that Kubernetes puts into the same variable.

    It does so for a Service named ``kerascnn-serve``.
    """

    name = "integer"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Convert the value."""
        if str(value).startswith("tcp://"):
            value = ctx.lookup_default(param.name) or param.default
        port: int = click.INT.convert(value, param, ctx)
        return port


def models_given(ctx: click.Context, options: dict[str, Any]) -> tuple[str | ModelConfig, ...]:
    """Return the models of the file with their own settings, or those given instead.

    Raises:
        ConfigError: A setting of a model is invalid.
    """
    from kerascnn.serving import ModelConfig

    sections: dict[str, dict[str, Any]] = ctx.meta.get(_SECTIONS, {})
    if not sections or ctx.get_parameter_source("models") in _EXPLICIT:
        return tuple(options["models"])
    everywhere = _foreign(ctx, {}, options)
    models = []
    for name, section in sections.items():
        own = {
            key: value
            for key, value in section.items()
            if key not in FOREIGN and ctx.get_parameter_source(key) not in _EXPLICIT
        }
        values = {key: options[key] for key in _SETTINGS} | own
        elsewhere = section.keys() & set(FOREIGN)
        foreign = _foreign(ctx, section, options) if elsewhere else everywhere
        models.append(ModelConfig(name=name, foreign=foreign, **values))
    return tuple(models)


def _foreign(
    ctx: click.Context, section: dict[str, Any], options: dict[str, Any]
) -> ForeignModel | None:
    values = {}
    for key in FOREIGN:
        given = ctx.get_parameter_source(key) in _EXPLICIT
        values[key] = options[key] if given else section.get(key, options[key])
    return foreign_from_options(**values)


def unknown_variables(ctx: click.Context) -> list[str]:
    """Return warnings for environment variables that look like settings but are not."""
    known = {f"{PREFIX}_{(option.name or '').upper()}" for option in ctx.command.params}
    known.add(f"{PREFIX}_MODEL")
    lines = []
    for name in sorted(os.environ):
        # Kubernetes adds such variables for a Service of this name.
        if (
            not name.startswith(f"{PREFIX}_")
            or name in known
            or re.search("_(SERVICE|PORT)_", name)
        ):
            continue
        nearest = difflib.get_close_matches(name, known, 1)
        meant = f" Did you mean {nearest[0]}?" if nearest else ""
        lines.append(f"{name} is not a setting.{meant}")
    return lines


def _read(ctx: click.Context, path: Path) -> dict[str, Any]:
    """Read a file; return the general settings, and keep those of each model in the context."""
    content = read_settings(path)
    parameters = {str(option.name): option for option in ctx.command.params}
    models = content.pop("models", {})
    general = {
        key: _checked(ctx, parameters[key], value, path, key)
        for key, value in named(content, parameters.keys() - {"models", "config"}, path).items()
    }
    if isinstance(models, list | str):
        return general | {"models": _listed([models] if isinstance(models, str) else models, path)}
    if not isinstance(models, dict):
        raise ConfigError(f"{path}: models; expected a section for each, [models.NAME].")
    sections = ctx.meta[_SECTIONS] = _sections_of(ctx, models, path)
    return (general | {"models": list(sections)}) if sections else general


serve_config_option = config_option(
    _read, "Settings from a TOML or YAML file, with a section for each model."
)


def _listed(models: list[Any], path: Path) -> list[str]:
    """Resolve paths of models, which are relative to the settings file."""
    if not all(isinstance(one, str) for one in models):
        raise ConfigError(
            f"{path}: models; expected a list of paths, or a section for each, [models.NAME]."
        )
    parts = (NAMED.fullmatch(one) for one in models)
    return [
        f"{found[1]}={_resolve_path(found[2], path)}" if found else _resolve_path(one, path)
        for one, found in zip(models, parts, strict=True)
    ]


def _resolve_path(model: str, path: Path) -> str:
    """Resolve the path of a model, which is relative to the settings file, or on the Hub."""
    return model if hub.is_on_hub(model) else str(path.parent / model)


def _sections_of(
    ctx: click.Context, models: dict[Any, Any], path: Path
) -> dict[str, dict[str, Any]]:
    parameters = {str(option.name): option for option in ctx.command.params}
    sections = {}
    for name, section in models.items():
        values = {"path": section} if isinstance(section, str) else section
        where = f"models.{name}: "
        if isinstance(name, bool):  # YAML reads yes, no, on and off as booleans
            raise ConfigError(f"{path}: models: the name {name} is not text; put it in quotes.")
        if not isinstance(values, dict) or not isinstance(values.get("path"), str):
            raise ConfigError(f'{path}: {where}expected a section with path = "FILE.onnx".')
        sections[str(name)] = {
            key: _resolve_path(value, path)
            if key == "path"
            else _converted(ctx, parameters[key], value, path, where + key)
            for key, value in named(values, {"path", *_SETTINGS, *FOREIGN}, path, where).items()
        }
    return sections


def _checked(
    ctx: click.Context, parameter: click.Parameter, value: Any, path: Path, where: str
) -> Any:
    """Check a value, and return it for Click's ``default_map``."""
    _converted(ctx, parameter, value, path, where)
    return _plain(parameter, value, path)


def _converted(
    ctx: click.Context, parameter: click.Parameter, value: Any, path: Path, where: str
) -> Any:
    if (expected := _expected(parameter, value)) is not None:
        raise ConfigError(f"{path}: {where} is {str(value)[:40]}; expected {expected}.")
    try:
        return parameter.type_cast_value(ctx, _plain(parameter, value, path))
    except click.BadParameter as error:
        raise ConfigError(f"{path}: {where}: {error.message}") from error


def _expected(parameter: click.Parameter, value: Any) -> str | None:
    """Return the expected type of a value that has a wrong type but would be valid as text."""
    name = str(parameter.name)
    if isinstance(value, dict) or value is None:
        return "a value"
    if name in FOREIGN:
        return None
    if parameter.multiple:
        listed = value if isinstance(value, list) else [value]
        return None if all(isinstance(one, str) for one in listed) else "text, or a list of it"
    if isinstance(value, list):
        return "one value"
    text = parameter.type is click.STRING or isinstance(parameter.type, click.Path)
    return "text" if text and not isinstance(value, str) else None


def _plain(parameter: click.Parameter, value: Any, path: Path) -> Any:
    """Return a value as text, like on the command line, so that 2.5 does not become 2."""
    if parameter.multiple:
        return [str(one) for one in (value if isinstance(value, list) else [value])]
    if isinstance(value, list):
        value = ("x" if parameter.name == "image_size" else ",").join(map(str, value))
    text = str(value)
    return str(path.parent / text) if isinstance(parameter.type, click.Path) else text
