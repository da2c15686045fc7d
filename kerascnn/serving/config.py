"""What can be set about the server.

Knows: options, their defaults and ranges. Does not know what they do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from kerascnn.errors import ConfigError
from kerascnn.files import reading
from kerascnn.serving.http.origins import as_sent
from kerascnn.serving.sources import ModelConfig, find_models

if TYPE_CHECKING:
    from kerascnn.inference.model_file.foreign import ForeignModel
    from kerascnn.inference.runtime.providers import Arithmetic
    from kerascnn.inference.runtime.selection import Asked

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s]+")
"""Any origin, or a scheme and a host; those of apps and browsers' extensions have own schemes."""

_USUAL_PORT = re.compile(r"(?<=^http://)([^/]*):80$|(?<=^https://)([^/]*):443$")
"""The port that browsers leave out of an origin."""

_NAME = re.compile(r"\*|(\*\.)?[^\s/:*@\[\]]+|\[?[0-9A-Fa-f:.]+\]?")
"""Any host, a name, all names below one, or an address."""


@dataclass(frozen=True)
class ServeConfig:
    """How models are served.

    Attributes:
        models: Files that ``kerascnn export`` wrote, or one that it did not, ``NAME=PATH``, folders
            of them, or what is set about each; see :func:`find_models`.
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        provider: Where the networks run, as for :class:`kerascnn.Classifier`.
        arithmetic: ``exact`` or ``fast``.
        threads: Threads per inference; None: the processors this process may use.
        copies: Instances of each network, which run in parallel and share the processors.
        max_batch: Most pictures in one run of a network.
        max_wait_ms: How long a picture waits for others that are on their way, in
            milliseconds. With nobody on the way it does not wait.
        max_queue: Most pictures of one model that are taken and not yet answered; the next
            are refused (503).
        max_body_mb: Largest body of a request, in MB (10^6 bytes); larger ones: 413.
        max_megapixels: Largest picture that is decoded, in 10^6 pixels; larger ones: 422.
        timeout: Seconds within which a request that was read is answered, else 503.
        read_timeout: Seconds within which a request must have come in, else 408.
        grace: Seconds for what was taken to be finished, after SIGTERM.
        reload_seconds: How often files are looked at for a newer version; 0: only at SIGHUP.
        token_file: File whose content is the bearer token that requests must carry.
        cors: Origins whose pages may use the server; none by default.
        allowed_host: Names by which it is called; those that it listens on by default. Numbers,
            and names without a dot, always are; ``*``: any.
        access_log: Whether each request is logged, as one JSON line on stdout.
        grpc_port: TCP port for gRPC; 0 takes a free one; None: there is none.
        tls_cert: File with the certificate, and those that vouch for it (PEM); None: no TLS.
        tls_key: File with its key; None: it is in the same file.
        traces: Whether OpenTelemetry's spans are made of requests.
        foreign: What the file does not say, if kerascnn did not export it; then there is one.
        served: The models that were found, each with all that is set about it.
    """

    models: tuple[str | ModelConfig, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    provider: Asked = ModelConfig.provider
    arithmetic: Arithmetic = ModelConfig.arithmetic
    threads: int | None = None
    copies: int = ModelConfig.copies
    max_batch: int = ModelConfig.max_batch
    max_wait_ms: float = ModelConfig.max_wait_ms
    max_queue: int = ModelConfig.max_queue
    max_body_mb: float = 16.0
    max_megapixels: float = 50.0
    timeout: float = 10.0
    read_timeout: float = 15.0
    grace: float = 20.0
    reload_seconds: float = 1.0
    token_file: str | None = None
    cors: tuple[str, ...] = ()
    allowed_host: tuple[str, ...] = ()
    access_log: bool = True
    grpc_port: int | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    traces: bool = False
    foreign: ForeignModel | None = None
    served: tuple[ModelConfig, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        models = (one if isinstance(one, ModelConfig) else str(one) for one in self.models)
        object.__setattr__(self, "models", tuple(models))
        object.__setattr__(self, "cors", tuple(map(_as_browsers_write, self.cors)))
        object.__setattr__(self, "allowed_host", tuple(self.allowed_host))
        own = {name: getattr(self, name) for name in OF_A_MODEL}
        found = find_models(self.models, ModelConfig("", **own))
        object.__setattr__(self, "served", found)
        wrong = [problem for problem, found in self._problems().items() if found]
        if wrong:
            raise ConfigError(f"serve cannot use: {'. '.join(wrong)}.")

    def _problems(self) -> dict[str, bool]:
        """Say of all that may be wrong whether it is."""
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        said = [model for model in self.served if model.foreign is self.foreign]
        problems = {
            "no models; expected at least one .onnx file": not self.models,
            "`labels` speak for one model that was made elsewhere; serve it by itself, or say them "
            "in its section of `config`": self.foreign is not None and len(said) > 1,
            f"two models are called {', '.join(twice)}, after their files; give one another name, "
            "as in NAME=FILE": bool(twice),
            "a model's name; expected one without /": any("/" in name for name in self.names),
            "`tls_key` without `tls_cert`": self.tls_key is not None and self.tls_cert is None,
            "`allowed_host`; expected names like example.org, *.example.org or *": not all(
                map(_NAME.fullmatch, self.allowed_host)
            ),
            "`cors`; expected origins like https://example.org": not all(
                map(_ORIGIN.fullmatch, self.cors)
            ),
        }
        for name in ("port", "grpc_port"):
            value = getattr(self, name)
            problems[f"`{name}` is {value}; expected 0 to 65535"] = not 0 <= (value or 0) <= 65535
        for name in ("max_body_mb", "max_megapixels", "timeout", "read_timeout"):
            value = getattr(self, name)
            problems[f"`{name}` is {value}; expected above 0"] = not 0 < value < float("inf")
        for name in ("grace", "reload_seconds"):
            value = getattr(self, name)
            problems[f"`{name}` is {value}; expected at least 0"] = not 0 <= value < float("inf")
        for model in self.served:
            problems |= _model_problems(model)
        return problems

    @property
    def names(self) -> tuple[str, ...]:
        """Under which the models are served."""
        return tuple(model.name for model in self.served)

    @property
    def max_body(self) -> int:
        """Largest body of a request, in bytes."""
        return int(self.max_body_mb * 1e6)

    @property
    def max_pixels(self) -> int:
        """Largest picture that is decoded, in pixels."""
        return int(self.max_megapixels * 1e6)

    def read_token(self) -> bytes | None:
        """Read the token.

        Returns:
            It, without surrounding white space; None: requests need none.

        Raises:
            ConfigError: The file cannot be read, or holds no token that fits in a header.
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


def _as_browsers_write(origin: str) -> str:
    scheme, mark, place = origin.lower().partition("://")
    host, colon, port = place.partition(":")
    return _USUAL_PORT.sub(r"\1\2", f"{scheme}{mark}{as_sent(host)}{colon}{port}")


def _model_problems(model: ModelConfig) -> dict[str, bool]:
    batch, wait = model.max_batch, model.max_wait_ms
    return {
        f"`max_batch` is {batch}; expected at least 1": batch < 1,
        f"`copies` is {model.copies}; expected 1 to 64": not 1 <= model.copies <= 64,
        f"`max_queue` is {model.max_queue}; expected at least `max_batch`, {batch}":
            model.max_queue < batch,
        f"`threads` is {model.threads}; expected at least 1":
            model.threads is not None and model.threads < 1,
        f"`max_wait_ms` is {wait}; expected at least 0": not 0 <= wait < float("inf"),
    }  # fmt: skip


OPTIONS = tuple(field.name for field in fields(ServeConfig) if field.init)
"""Names, as the command line has them."""

OF_A_MODEL = tuple(
    field.name for field in fields(ModelConfig) if field.name not in ("path", "name")
)
"""Those that can be set for each model by itself."""
