"""Options of the server.

Knows: the options, each declared once with default, limits, help and heading, from which the
command line and all checks are built. Does not know what the options do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerascnn.errors import ConfigError
from kerascnn.files import reading
from kerascnn.option_kinds import Flag, Number, Several, Text
from kerascnn.options import option, read_each, same_option
from kerascnn.serving.http.origins import normalized_host
from kerascnn.serving.sources import BATCHING, RUNTIME, ModelConfig, find_models

if TYPE_CHECKING:
    from kerascnn.inference.model_file.foreign import ForeignModel
    from kerascnn.inference.runtime.providers import Arithmetic
    from kerascnn.inference.runtime.selection import RequestedProvider

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s]+")
"""``*``, or an origin: scheme and host. Apps and browser extensions have their own schemes."""

_USUAL_PORT = re.compile(r"(?<=^http://)([^/]*):80$|(?<=^https://)([^/]*):443$")
"""Origin with a default port, which browsers leave out."""

_NAME = re.compile(r"\*|(\*\.)?[^\s/:*@\[\]]+|\[?[0-9A-Fa-f:.]+\]?")
"""``*``, a host name, all names below one, or an IP address."""


LISTENING, ACCESS, LIMITS, LOGS = "Listening", "Access", "Limits", "Logs and traces"
GROUPS = (LISTENING, ACCESS, RUNTIME, BATCHING, LIMITS, LOGS)
"""Headings of the options, in order."""

_PORT = Number(int, lambda n: 0 <= n <= 65535, "0 to 65535", "PORT")
_FILE = Text("a file", "FILE")


def _limit(default: float, metavar: str, help: str) -> Any:
    """Declare a limit, which is a number above 0."""
    return option(default, Number(float, lambda x: x > 0, "above 0", metavar), help, LIMITS)


def _seconds(default: float, help: str, group: str) -> Any:
    """Declare an option that is a time in seconds, at least 0."""
    return option(default, Number(float, lambda x: x >= 0, "at least 0", "S"), help, group)


@dataclass(frozen=True)
class ServeConfig:
    """Options of the server; each declaration says what the option does.

    Attributes:
        models: Files that ``kerascnn export`` wrote, or one foreign file, ``NAME=PATH``, folders of
            them, or the options of each; see :func:`find_models`.
        provider: As in :class:`ModelConfig`, for models that do not set it; likewise
            ``arithmetic``, ``threads`` and ``foreign``. With ``foreign``, only one model.
        served: The models found, each with all its options.
    """

    models: tuple[str | ModelConfig, ...]
    # fmt: off
    host: str = option("127.0.0.1", Text("a name or an address", "TEXT"),
        "Address to listen on; with 0.0.0.0 (or ::, for IPv6 too) other machines can connect.",
        LISTENING)
    port: int = option(8000, _PORT, "Port to listen on; 0: any free port.", LISTENING)
    grpc_port: int | None = option(None, _PORT,
        "Also serve gRPC on this port, usually 8001.", LISTENING,
        without="no gRPC")
    tls_cert: str | None = option(None, _FILE,
        "Serve HTTPS with this certificate and its chain (PEM).", LISTENING)
    tls_key: str | None = option(None, _FILE, "Private key.", LISTENING,
        without="in the `tls_cert` file")
    token_file: str | None = option(None, _FILE,
        "File with the bearer token that requests must carry.", ACCESS)
    cors: tuple[str, ...] = option((), Several(Text("origins like https://example.org", "ORIGIN",
        lambda text: bool(_ORIGIN.fullmatch(text)))),
        "Origin whose web pages may use the server (CORS); repeatable.", ACCESS)
    allowed_host: tuple[str, ...] = option((), Several(Text(
        "names like example.org, *.example.org or *", "NAME",
        lambda text: bool(_NAME.fullmatch(text)))),
        "Accepted Host header, besides IP addresses and names without a dot; *: any. Repeatable.",
        ACCESS, without="the `host`")
    provider: RequestedProvider = ModelConfig.provider
    arithmetic: Arithmetic = ModelConfig.arithmetic
    threads: int | None = ModelConfig.threads
    copies: int = same_option(ModelConfig, "copies")
    reload_seconds: float = _seconds(1.0,
        "Interval between checks for newer model files; 0: reload only on SIGHUP.", RUNTIME)
    max_batch: int = same_option(ModelConfig, "max_batch")
    max_wait_ms: float = same_option(ModelConfig, "max_wait_ms")
    max_queue: int = same_option(ModelConfig, "max_queue")
    max_body_mb: float = _limit(16.0, "MB",
        "Largest request body; a larger one gets status 413.")
    max_megapixels: float = _limit(50.0, "MP",
        "Largest picture; a larger one gets status 422.")
    timeout: float = _limit(10.0, "S",
        "Time limit for a request; when it is exceeded, the status is 503.")
    read_timeout: float = _limit(15.0, "S", "Time limit for receiving a request; then status 408.")
    grace: float = _seconds(20.0, "Time to finish accepted requests after SIGTERM.", LIMITS)
    access_log: bool = option(True, Flag(), "Log each request as one line of JSON on stdout.", LOGS)
    traces: bool = option(False, Flag(both=True),
        "Send OpenTelemetry spans to OTEL_EXPORTER_OTLP_ENDPOINT.", LOGS)
    # fmt: on
    foreign: ForeignModel | None = None
    served: tuple[ModelConfig, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        models = (one if isinstance(one, ModelConfig) else str(one) for one in self.models)
        object.__setattr__(self, "models", tuple(models))
        object.__setattr__(self, "cors", tuple(map(_normalized_origin, self.cors)))
        object.__setattr__(self, "allowed_host", tuple(self.allowed_host))
        wrong = list(read_each(self))
        own = {name: getattr(self, name) for name in OF_A_MODEL}
        object.__setattr__(self, "served", find_models(self.models, ModelConfig("", **own)))
        wrong += [problem for problem, found in self._problems().items() if found]
        wrong += [problem for model in self.served for problem in read_each(model)]
        # Values of a wrong type cannot be compared.
        wrong = wrong or [one for model in self.served for one in _model_problems(model)]
        if wrong:
            raise ConfigError(
                f"the server cannot use these settings: {'. '.join(dict.fromkeys(wrong))}."
            )

    def _problems(self) -> dict[str, bool]:
        """Return for each conflict of options, by its message, whether it exists."""
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        said = [model for model in self.served if model.foreign is self.foreign]
        return {
            "no models; expected at least one .onnx file": not self.models,
            "`labels` describe one model that was made elsewhere; serve it alone, or set them in "
            "its section of `config`": self.foreign is not None and len(said) > 1,
            f"two models are called {', '.join(twice)}; give one of them another name, "
            "as in NAME=FILE": bool(twice),
            "a model's name contains /; expected one without it": any(
                "/" in name for name in self.names
            ),
            "a model's name is not valid UTF-8; expected NAME=FILE, with a name that is": any(
                "\ud800" <= sign <= "\udfff" for name in self.names for sign in name
            ),
            "`tls_key` without `tls_cert`": self.tls_key is not None and self.tls_cert is None,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the served models."""
        return tuple(model.name for model in self.served)

    @property
    def max_body(self) -> int:
        """Largest request body, in bytes."""
        return int(self.max_body_mb * 1e6)

    @property
    def max_pixels(self) -> int:
        """Largest picture, in pixels."""
        return int(self.max_megapixels * 1e6)

    def read_token(self) -> bytes | None:
        """Read the token, without surrounding white space; None if requests need none.

        Raises:
            ConfigError: The file cannot be read, or does not contain a token that fits in a header.
        """
        if self.token_file is None:
            return None
        with reading(self.token_file, ConfigError):
            token = Path(self.token_file).read_bytes().strip()
        if not re.fullmatch(rb"[\x21-\x7e]+", token):
            raise ConfigError(
                f"{self.token_file}: holds no token. Expected one word of ASCII characters, e.g. "
                "from: openssl rand -hex 32"
            )
        return token


def _normalized_origin(origin: str) -> str:
    scheme, mark, place = origin.lower().partition("://")
    host, colon, port = place.partition(":")
    return _USUAL_PORT.sub(r"\1\2", f"{scheme}{mark}{normalized_host(host)}{colon}{port}")


def _model_problems(model: ModelConfig) -> Iterator[str]:
    if model.threads is not None and model.threads < 1:
        yield f"`threads` is {model.threads}; expected at least 1"
    if model.max_queue < model.max_batch:
        yield f"`max_queue` is {model.max_queue}; expected at least `max_batch`, {model.max_batch}"


OF_A_MODEL = tuple(
    field.name for field in fields(ModelConfig) if field.name not in ("path", "name")
)
"""Names of the options that can be set per model."""
