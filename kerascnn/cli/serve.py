"""``kerascnn serve``: parse, one call, print."""

from __future__ import annotations

from typing import Any

import click

from kerascnn.cli.base import Command
from kerascnn.cli.foreign import HEADING, foreign_options, pop_foreign
from kerascnn.cli.provider import RUNTIME, provider_options
from kerascnn.cli.serve_settings import (
    PREFIX,
    ModelPaths,
    Port,
    models_given,
    serve_config_option,
    unknown_variables,
)
from kerascnn.cli.shared import on_this_machine
from kerascnn.cli.shown_errors import warning
from kerascnn.language import tr
from kerascnn.printable import printable


@click.command(
    "serve",
    cls=Command,
    groups={
        "Listening": ("config", "host", "port", "grpc_port", "tls_cert", "tls_key"),
        "Access": ("token_file", "cors", "allowed_host"),
        "Runtime": (*RUNTIME, "copies", "reload_seconds"),
        "Batching": ("max_batch", "max_wait_ms", "max_queue"),
        "Limits": ("max_body_mb", "max_megapixels", "timeout", "read_timeout", "grace"),
        "Logs and traces": ("access_log", "traces"),
        **HEADING,
    },
    context_settings={"auto_envvar_prefix": PREFIX},
)
@click.argument(
    "models",
    nargs=-1,
    required=True,
    metavar="MODEL.onnx...",
    type=ModelPaths(),
    callback=on_this_machine,
    envvar=[f"{PREFIX}_MODELS", f"{PREFIX}_MODEL"],
)
@serve_config_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0, or :: for IPv6 too, accepts other machines.",
)
@click.option(
    "--port",
    type=Port(),
    default=8000,
    show_default=True,
    help="Port to listen on; 0: any free port.",
)
@click.option(
    "--grpc-port", type=int, help="Also serve gRPC on this port, usually 8001.  [default: no gRPC]"
)
@provider_options
@click.option(
    "--copies",
    default=1,
    show_default=True,
    help="Instances of each network that run in parallel: higher throughput, higher latency.",
)
@click.option("--max-batch", default=16, show_default=True, help="Largest batch.")
@click.option(
    "--max-wait-ms",
    default=2.0,
    show_default=True,
    help="How long a batch waits for pictures that are still being decoded, if any.",
)
@click.option(
    "--max-queue",
    default=256,
    show_default=True,
    help="Pictures waiting or running, for each model; further requests get status 503.",
)
@click.option(
    "--max-body-mb",
    default=16.0,
    show_default=True,
    help="Largest request body; a larger one gets status 413.",
)
@click.option(
    "--max-megapixels",
    default=50.0,
    show_default=True,
    help="Largest picture; a larger one gets status 422.",
)
@click.option(
    "--timeout",
    default=10.0,
    show_default=True,
    metavar="S",
    help="Time limit for a request; when it is exceeded, the status is 503.",
)
@click.option(
    "--read-timeout",
    default=15.0,
    show_default=True,
    metavar="S",
    help="Time limit for receiving a request; then status 408.",
)
@click.option(
    "--grace",
    default=20.0,
    show_default=True,
    metavar="S",
    help="Time to finish accepted requests after SIGTERM.",
)
@click.option(
    "--reload-seconds",
    default=1.0,
    show_default=True,
    metavar="S",
    help="Interval between checks for newer model files; 0: reload only on SIGHUP.",
)
@click.option(
    "--token-file", metavar="FILE", help="File with the bearer token that requests must carry."
)
@click.option(
    "--tls-cert", metavar="FILE", help="Serve HTTPS with this certificate and its chain (PEM)."
)
@click.option("--tls-key", metavar="FILE", help="Private key.  [default: in the --tls-cert file]")
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    help="Origin whose web pages may use the server (CORS); repeatable.",
)
@click.option(
    "--allowed-host",
    multiple=True,
    default=(),
    metavar="NAME",
    help="Accepted Host header, besides IP addresses and names without a dot; *: any. Repeatable.  "
    "[default: the --host]",
)
@click.option(
    "--access-log/--no-access-log",
    default=True,
    help="Log each request as one line of JSON on stdout.",
)
@click.option(
    "--traces/--no-traces",
    default=False,
    help="Send OpenTelemetry spans to OTEL_EXPORTER_OTLP_ENDPOINT.",
)
@foreign_options
def command(**options: Any) -> None:
    """Serve files that `kerascnn export` wrote, or one other .onnx, over HTTP.

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
    config = serving.ServeConfig(**options, foreign=foreign)
    names = printable(", ".join(config.names))
    serving.serve(config, lambda address: _tell(names, address))


def _tell(names: str, address: str) -> None:
    click.echo(tr("serving {names} at {address}", names=names, address=address), err=True)
