"""Settings of ``train`` in a file: reads them like options, and writes a commented template.

Knows: Click, the declared options of a run, and that the command line takes precedence. Does not
know what any option does.
"""

from __future__ import annotations

import json
import logging
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from kerascnn.cli.base import option_name
from kerascnn.cli.help import filled, unfilled
from kerascnn.cli.settings_file import config_option, named, read_settings
from kerascnn.errors import ConfigError
from kerascnn.language import translated_help
from kerascnn.language.messages import translated
from kerascnn.options import Option, help_text, options_of, read_one

# These imports are light: they need neither Keras nor the rest of the training half.
from kerascnn.training.config import GROUPS, TrainConfig  # noqa: TID253
from kerascnn.training.old_config import removed_options, upgraded  # noqa: TID253
from kerascnn.training.recipes import recipe_values  # noqa: TID253

log = logging.getLogger(__name__)

_FROM_RUN = "kerascnn.train.of_a_run"
"""Key in Click's context that marks settings as those of a run."""

_NOT_COPIED = ("out", "time")
"""Options that a repetition does not copy: the run's folder, and its time limit."""

_NOT_SETTINGS = {"config", "dump_config", "debug", "help"}


dump_option = click.option(
    "--dump-config",
    is_flag=True,
    help="Print a YAML file for --config with all options, explained, and train nothing.",
)


def _defaults(ctx: click.Context, path: Path) -> dict[str, Any]:
    """Read a file for Click's ``default_map``."""
    if path.is_dir():  # a run folder
        path /= "config.json"
    content = _content(path)
    if path.suffix.lower() == ".json":
        content = _of_this_version(content, path)
        ctx.meta[_FROM_RUN] = True
    parameters = {
        (option_name(one).lstrip("-") if isinstance(one, click.Option) else str(one.name)): one
        for one in ctx.command.params
        if one.name not in _NOT_SETTINGS
    }
    parameters = {name.replace("-", "_"): one for name, one in parameters.items()}
    hint = f"The keys are the options of kerascnn {ctx.info_name}: see its --help."
    values = named(content, parameters, path, hint=hint)
    return {
        str(parameters[key].name): _checked(ctx, parameters[key], key, value, path)
        for key, value in values.items()
        if value is not None
    }


train_config_option = config_option(
    _defaults,
    "Read options from a YAML or TOML file, whose keys are their names, or from the "
    "config.json of a run (or its folder), to repeat it. Options on the command line override it; "
    "relative paths are relative to the working directory.",
)


def _content(path: Path) -> dict[str, Any]:
    content = read_settings(path)
    if not content:  # content may be lost; defaults would start another run
        raise ConfigError(
            f"{path}: holds no options; kerascnn train --dump-config writes them all."
        )
    section = next((name for name, value in content.items() if isinstance(value, dict)), None)
    if section is not None:
        raise ConfigError(f"{path}: {section} is a section; write its lines without it.")
    return content


def _of_this_version(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Upgrade the options of a run, which an earlier version may have written."""
    gone = removed_options(json.dumps(content))
    if gone:
        log.warning(
            "%s: made by an earlier version with %s, which no longer exists and is ignored.",
            path,
            ", ".join(f"{name} {value}" for name, value in gone.items()),
        )
    return upgraded(content)


def _checked(
    ctx: click.Context, parameter: click.Parameter, key: str, value: Any, path: Path
) -> Any:
    """Check a value, so that an error names the file instead of an option."""
    options = options_of(TrainConfig)
    try:
        if key in options:
            read = read_one(key, value, *options[key])
            return list(read) if isinstance(read, tuple) else read
        values = value if parameter.multiple and isinstance(value, list) else [value]
        texts = [str(one) for one in values]
        text = texts if parameter.multiple else texts[0]
        parameter.type_cast_value(ctx, text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except click.BadParameter as error:
        raise ConfigError(f"{path}: {key}: {error.message}") from error
    return text


def given_options(ctx: click.Context, recipe: str | None, resume: bool) -> dict[str, Any]:
    """Return the options of the configuration that were given.

    Command-line options override the recipe, which overrides the file; but the file overrides a
    recipe that it names itself.
    """
    typed, of_file = {}, {}
    for name in options_of(TrainConfig):
        source = ctx.get_parameter_source(name)
        if source == ParameterSource.DEFAULT_MAP:
            of_file[name] = ctx.params[name]
        elif source != ParameterSource.DEFAULT:
            typed[name] = ctx.params[name]
    if ctx.meta.get(_FROM_RUN) and not resume:
        of_file = {name: value for name, value in of_file.items() if name not in _NOT_COPIED}
    chosen = recipe_values(recipe) if recipe else {}
    if ctx.get_parameter_source("recipe") == ParameterSource.DEFAULT_MAP:
        return {**chosen, **of_file, **typed}
    return {**of_file, **chosen, **typed}


_WHAT_FOR = "Options of kerascnn train, for: kerascnn train --config FILE"
_HOW = "Those on the command line override these. null: as if the line were not there."


def config_template(given: Mapping[str, Any]) -> str:
    """Return a file for ``--config`` with all options under their headings, each with its help.

    Raises:
        ConfigError: A value is invalid.
    """
    TrainConfig(**given)
    return "\n".join(_lines(given)) + "\n"


def _lines(given: Mapping[str, Any]) -> Iterator[str]:
    yield "# " + translated_help(_WHAT_FOR)
    yield "# " + translated_help(_HOW)
    options = options_of(TrainConfig)
    for group in GROUPS:
        yield f"\n# {translated_help(group)}"
        for name, (declared, its_field) in options.items():
            if declared.group == group:
                yield ""
                lines = textwrap.wrap(filled(_explained(declared)), 96, break_long_words=False)
                yield from (f"# {unfilled(line)}" for line in lines)
                value = given.get(name, its_field.default)
                yield f"{name}: {_yaml(read_one(name, value, declared, its_field))}"


def _explained(declared: Option) -> str:
    """Return the help of an option with names of keys, and its valid values."""
    expected = translated(declared.kind.expected.replace("True or False", "true or false"))
    without = f" null: {_translated(declared, declared.default)}." if declared.default else ""
    value = f"{translated_help('Value: ')}{expected}."
    return f"{_translated(declared, declared.help)} {value}{without}".replace("`", "")


def _translated(declared: Option, text: str) -> str:
    """Return a translated text about an option, like in ``--help`` but with names of keys."""
    shown = translated_help(help_text(replace(declared, help=text, default=""), None))
    return _OPTION.sub(lambda found: found[1].replace("-", "_"), shown)


_OPTION = re.compile(r"--([a-z][a-z-]*)")


_PLAIN = re.compile(r"[A-Za-z][\w./+-]*")
"""Text that YAML reads as text without quotation marks, unless it is one of the words below."""
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def _yaml(value: Any) -> str:
    """Serialize a value; JSON is valid YAML."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
