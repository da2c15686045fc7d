"""``kerascnn serve``: parse, one call, print."""

from __future__ import annotations

from typing import Any

import click

from kerascnn.cli.base import Command
from kerascnn.cli.foreign import foreign_options, taken
from kerascnn.cli.provider import provider_options
from kerascnn.cli.serve_settings import (
    PREFIX,
    ModelPaths,
    Port,
    config_option,
    models_given,
    unknown_variables,
)


@click.command("serve", cls=Command, context_settings={"auto_envvar_prefix": PREFIX})
@click.argument(
    "models",
    nargs=-1,
    required=True,
    metavar="MODEL.onnx...",
    type=ModelPaths(),
    envvar=[f"{PREFIX}_MODELS", f"{PREFIX}_MODEL"],
)
@config_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="0.0.0.0, or :: for IPv6 too: from other machines.",
)
@click.option("--port", type=Port(), default=8000, show_default=True, help="0: a free one.")
@click.option("--grpc-port", type=int, help="For gRPC too, 8001 as a rule.  [default: no gRPC]")
@provider_options
@click.option(
    "--copies",
    default=1,
    show_default=True,
    help="Of each network, running side by side: more answers a second, each a little later.",
)
@click.option("--max-batch", default=16, show_default=True, help="Pictures a run of the network.")
@click.option(
    "--max-wait-ms",
    default=2.0,
    show_default=True,
    help="How long a run waits for pictures that are being decoded. It never waits for nobody.",
)
@click.option(
    "--max-queue",
    default=256,
    show_default=True,
    help="Pictures of a model that are taken and not yet answered; the next get 503.",
)
@click.option(
    "--max-body-mb", default=16.0, show_default=True, help="Largest body of a request; else 413."
)
@click.option(
    "--max-megapixels", default=50.0, show_default=True, help="Largest picture; else 422."
)
@click.option(
    "--timeout", default=10.0, show_default=True, metavar="S", help="To answer in; else 503."
)
@click.option(
    "--read-timeout",
    default=15.0,
    show_default=True,
    metavar="S",
    help="For a request to come in; else 408.",
)
@click.option(
    "--grace",
    default=20.0,
    show_default=True,
    metavar="S",
    help="For what was taken, after SIGTERM.",
)
@click.option(
    "--reload-seconds",
    default=1.0,
    show_default=True,
    metavar="S",
    help="How often to look for a newer file; 0: only at SIGHUP.",
)
@click.option("--token-file", metavar="FILE", help="Requests must carry this bearer token.")
@click.option("--tls-cert", metavar="FILE", help="Certificate and its chain (PEM): HTTPS.")
@click.option("--tls-key", metavar="FILE", help="Its key.  [default: in the same file]")
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    help="Pages of this origin may use the server. May be repeated.",
)
@click.option(
    "--allowed-host",
    multiple=True,
    default=(),
    metavar="NAME",
    help="By which it is called, beside numbers and names without a dot; *: any. May be repeated.  "
    "[default: the names it listens on]",
)
@click.option(
    "--access-log/--no-access-log", default=True, help="One JSON line a request, on stdout."
)
@click.option(
    "--traces/--no-traces",
    default=False,
    help="OpenTelemetry's spans, to OTEL_EXPORTER_OTLP_ENDPOINT.",
)
@foreign_options
def command(**options: Any) -> None:
    """Serve files that `kerascnn export` wrote, or one other .onnx, over HTTP.

    Each is served under its file's name, or as NAME=FILE says; a folder may hold several, or a
    model repository as Triton has it. They answer by the Open Inference Protocol v2, by that of
    TensorFlow Serving, at /v1/models/NAME/predict for a picture as it is, and on a page for people
    at /. A file that is replaced is reloaded without losing a request.

    Every option is a variable too (KERASCNN_SERVE_MAX_BATCH; the models: KERASCNN_SERVE_MODELS),
    and a setting in --config FILE. An option wins over a variable, and that over the file.

    \b
    kerascnn serve exported/flowers.onnx
    curl --data-binary @rose.jpg http://127.0.0.1:8000/predict
    kerascnn serve other.onnx --labels names.txt --image-size 224 --normalize torch
    """
    from kerascnn import serving

    ctx = click.get_current_context()
    for line in unknown_variables(ctx):
        click.echo(f"warning: {line}", err=True)
    options["models"] = models_given(ctx, options)
    foreign = taken(options)
    config = serving.ServeConfig(**options, foreign=foreign)
    names = ", ".join(config.names)
    serving.serve(config, lambda address: click.echo(f"serving {names} at {address}", err=True))
