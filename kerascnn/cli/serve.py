"""``kerascnn serve``: parse, one call, print."""

from __future__ import annotations

from typing import Any

import click

from kerascnn.cli import shared
from kerascnn.cli.base import Command, add_options, tell
from kerascnn.cli.declared_options import declared_option, grouped
from kerascnn.cli.foreign import HEADING, foreign_options, pop_foreign
from kerascnn.cli.serve_settings import (
    PREFIX,
    ModelPaths,
    Port,
    models_given,
    serve_config_option,
    unknown_variables,
)
from kerascnn.cli.shared import download_models
from kerascnn.cli.shown_errors import warning
from kerascnn.option_kinds import Number
from kerascnn.options import options_of
from kerascnn.printable import printable
from kerascnn.serving.config import GROUPS, LISTENING, ServeConfig
from kerascnn.serving.sources import RUNTIME

_IN_GROUPS = {
    **dict.fromkeys(GROUPS, ()),
    LISTENING: ("config",),
    RUNTIME: shared.RUNTIME,
    **HEADING,
}
"""Parameters of the command that are not in its configuration, by heading."""


def _option(name: str) -> Any:
    kind = options_of(ServeConfig)[name][0].kind
    # Typed, because settings from a file or from variables are typed too.
    typed = {"type": Port() if name == "port" else kind.type} if isinstance(kind, Number) else {}
    return declared_option(ServeConfig, name, **typed)


@click.command(
    "serve",
    cls=Command,
    groups=grouped(ServeConfig, _IN_GROUPS),
    context_settings={"auto_envvar_prefix": PREFIX},
)
@click.argument(
    "models",
    nargs=-1,
    required=True,
    metavar="MODEL.onnx...",
    type=ModelPaths(),
    callback=download_models,
    envvar=[f"{PREFIX}_MODELS", f"{PREFIX}_MODEL"],
)
@serve_config_option
@shared.provider_options
@add_options(*map(_option, options_of(ServeConfig)))
@foreign_options
def command(**options: Any) -> None:
    """Serve files that `kerascnn export` wrote, or one other .onnx file, over HTTP.

    Each is served under its file's name, or as NAME=FILE says; a folder may hold several, or a
    model repository in Triton's layout. Endpoints: the Open Inference Protocol v2, TensorFlow
    Serving's protocol, /v1/models/NAME/predict for an image file, and a web page at /. A file that
    is replaced is reloaded without losing a request.

    Every option is also an environment variable (KERASCNN_SERVE_MAX_BATCH; the models:
    KERASCNN_SERVE_MODELS) and a setting in --config FILE. Options override variables, and these
    override the file.

    \b
    kerascnn serve exported/flowers.onnx
    curl --data-binary @rose.jpg http://127.0.0.1:8000/predict
    kerascnn serve other.onnx --labels names.txt --image-size 224 --normalize torch
    """
    from kerascnn import serving

    ctx = click.get_current_context()
    for line in unknown_variables(ctx):
        click.echo(warning(line), err=True)
    options["models"] = models_given(ctx, options)
    foreign = pop_foreign(options)
    config = ServeConfig(**options, foreign=foreign)
    names = printable(", ".join(config.names))
    serving.serve(
        config,
        lambda address: tell(
            "serving {names} at {address}", names=names, address=address, err=True
        ),
    )
