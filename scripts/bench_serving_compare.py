"""kerascnn serve beside LitServe and FastAPI: for scripts/bench_serving compare.

Knows: the servers and their settings. Does not know how they are asked, nor how they are written
(bench_serving_rivals).
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench_serving_load import as_json, binary_request, figures, load, requests_of, tell
from bench_serving_process import cpu_seconds, free_port, process, wait_for

from kerascnn import Classifier
from kerascnn.inference.model_file.metadata import read_card

RIVALS = Path(__file__).with_name("bench_serving_rivals")


@dataclass(frozen=True)
class Server:
    """One server with its settings.

    Attributes:
        name: That the table shows.
        health: The path that answers once it is ready.
        takes: How pictures come: as files (``file``), as files in base64 within JSON (``json``), or
            as pixels of the model's size by the binary protocol (``pixels``).
        before: Of the command, before the port.
        after: The rest of it.
    """

    name: str
    health: str
    takes: str
    before: tuple[object, ...]
    after: tuple[object, ...]


def servers(options: argparse.Namespace) -> Iterator[Server]:
    """Give every server that is compared."""
    model, provider = options.model, options.provider
    threads = ("--threads", options.threads) if options.threads else ()
    for batch, copies in itertools.product(options.batches, options.copies):
        for takes in ("file", "pixels"):
            yield Server(
                f"kerascnn serve, batch {batch}, copies {copies}, {takes}", "/v2/health/ready",
                takes, (sys.executable, "-m", "kerascnn", "serve", model, "--port"),
                ("--no-access-log", "--provider", provider, "--copies", copies,
                 "--max-batch", batch, *threads),
            )  # fmt: skip
    rival = (sys.executable, RIVALS)
    for reader in options.readers:
        yield Server(
            f"FastAPI, {reader}'s decoder", "/health", "file",
            (*rival, "fastapi", model, provider), (1, 1, reader),
        )  # fmt: skip
        for batch, workers in options.litserve:
            yield Server(
                f"LitServe, batch {batch}, workers {workers}, {reader}'s decoder", "/health",
                "json", (*rival, "litserve", model, provider), (batch, workers, reader),
            )  # fmt: skip


def compare(options: argparse.Namespace) -> None:
    """Print the table of three servers, and `kerascnn predict` without any.

    Raises:
        SystemExit: A server that is asked for is not installed.
    """
    chosen = [one for one in servers(options) if not options.only or options.only in one.name]
    for name in ("LitServe", "FastAPI"):
        if any(one.name.startswith(name) for one in chosen) and not find_spec(name.lower()):
            sys.exit(f"{name} is not installed: pip install {name.lower()}, or choose with --only")
    for server in chosen * options.rounds:
        measure(server, options)
    if not options.only or options.only == "predict":
        tell(server="kerascnn predict, no server", requests_per_second=predict_speed(options))


def measure(server: Server, options: argparse.Namespace) -> None:
    """Start one server, ask, and print what came."""
    if server.takes == "json":
        requests = [as_json(Path(path).read_bytes()) for path in options.pictures]
    elif server.takes == "pixels":
        size = read_card(options.model).image_size
        requests = [binary_request(Path(options.model).stem, size)]
    else:
        requests = requests_of(options.pictures)
    port = free_port()
    with process(*server.before, port, *server.after) as running:
        wait_for(running, f"http://127.0.0.1:{port}{server.health}")
        load(port, requests, options.clients, 2)  # warm
        before = cpu_seconds(running.pid)
        seen, seconds = load(port, requests, options.clients, options.seconds)
        used = cpu_seconds(running.pid) - before
    # On a machine that is not quiet the rate says little; CPU time says as much as ever.
    tell(
        server=server.name, cpu_ms_a_request=round(used * 1000 / len(seen), 2),
        processors_had=round(used / seconds, 2), **figures(seen, seconds),
    )  # fmt: skip


def predict_speed(options: argparse.Namespace) -> float:
    """Give the pictures/s of `kerascnn predict`, which has no server."""
    classifier = Classifier(options.model, options.provider)
    paths = itertools.cycle(options.pictures)
    list(classifier.stream(itertools.islice(paths, 64)))
    began = time.perf_counter()
    end = began + options.seconds
    done = sum(1 for _ in itertools.takewhile(lambda _: time.perf_counter() < end,
                                              classifier.stream(paths)))  # fmt: skip
    return round(done / (time.perf_counter() - began), 1)
