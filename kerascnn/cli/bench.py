"""``kerascnn bench``: parse, one call, print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, console, padded, print_json, tell
from kerascnn.cli.foreign import HEADING, foreign_from_options, foreign_options
from kerascnn.cli.shared import download_models
from kerascnn.inference.runtime.providers import ARITHMETICS
from kerascnn.language import sentence, tr
from kerascnn.language.messages import translated

if TYPE_CHECKING:
    from kerascnn.inference.benchmark.benchmark import Benchmark, Measurement

_HEADING = sentence(
    "provider  arithmetic  threads     batch    images/s    p50 ms    p99 ms  changed"
)

_WIDTH = 24
"""Length of the longest bar, in characters."""


@click.command(
    "bench",
    cls=Command,
    groups={"Options": ("also", "batches", "data", "arithmetic", "save", "as_json"), **HEADING},
)
@click.argument("model", callback=download_models)
@click.option(
    "--also",
    callback=download_models,
    multiple=True,
    metavar="FILE",
    help="Another precision of the same model, to compare; repeatable.",
)
@click.option(
    "--batch", "batches", multiple=True, type=click.IntRange(1), metavar="N",
    help="Batch size; repeatable.  [default: 1, 4, 16, 32, 64]",
)  # fmt: skip
@click.option(
    "--data",
    metavar="DATA",
    help="Pictures on which to count changed predictions.  [default: the training data, if "
    "that is built in]",
)
@click.option(
    "--arithmetic",
    type=click.Choice(ARITHMETICS),
    default="exact",
    help="Arithmetic for which the best settings are reported.",
)
@click.option(
    "--save", is_flag=True, help="Save the best settings next to MODEL, for --provider auto."
)
@click.option("--json", "as_json", is_flag=True, help="Print the measurements as JSON.")
@foreign_options
def command(
    model: str, also: tuple[str, ...], batches: tuple[int, ...], data: str | None,
    arithmetic: Any, save: bool, as_json: bool, **foreign: Any,
) -> None:  # fmt: skip
    """Benchmark MODEL on this machine: providers, arithmetic, threads and batch sizes.

    Decoding and resizing are not measured: the pictures are in memory, at the model's size. The
    table also shows how many top-1 predictions differ from exact arithmetic on the CPU.

    \b
    kerascnn bench exported/flowers.onnx --save
    kerascnn bench exported/flowers.onnx --also exported/flowers-int8.onnx --data flowers/
    """
    from kerascnn.inference.benchmark.benchmark import BATCHES, benchmark, real_pictures
    from kerascnn.inference.runtime.tuned_settings import save_settings

    about = foreign_from_options(**foreign)
    found = []
    with console(stderr=True).status(tr("measuring")) as status:
        for file in (model, *also):
            pictures = real_pictures(file, data, about)
            progress = lambda step, file=file: status.update(f"{file}: {tr(step)}")  # noqa: E731
            found.append(benchmark(file, batches or BATCHES, pictures, about, progress))
    if as_json:
        others = [one.to_dict(arithmetic) for one in found[1:]]
        print_json(found[0].to_dict(arithmetic) | {"also": others})
    else:
        for one in found:
            _show(one, arithmetic)
    if save:
        for one in found:
            saved = save_settings(one.model, one.tuned_settings())
            tell("saved: {path}", path=saved, err=True)


def _show(found: Benchmark, arithmetic: Any) -> None:
    tell("{model}: images per second, from memory, at the model's size", model=found.model)
    tell(_HEADING)
    most = max(one.best.images_per_second for one in found.measured)
    for one in found.measured:
        for timing in one.results:
            bar = "█" * max(1, round(_WIDTH * timing.images_per_second / most))
            click.echo(
                f"{_name(one)}{timing.batch:>5}  {timing.images_per_second:>10,.0f}  "
                f"{timing.p50_ms:>8.2f}  {timing.p99_ms:>8.2f}  {_changed(one):<10} {bar}"
            )
    for provider, why in found.unavailable.items():
        tell("{provider} does not run here: {why}", provider=provider, why=translated(why))
    click.echo(_best(found, arithmetic))


def _best(found: Benchmark, arithmetic: Any) -> str:
    best = found.best(arithmetic)
    return tr(
        "best ({arithmetic}): {name}, batch {batch}: {speed} images/s, {times} times the "
        "default (all processors, CPU)",
        arithmetic=arithmetic,
        name=" ".join(_name(best).split()),
        batch=best.best.batch,
        speed=f"{best.best.images_per_second:,.0f}",
        times=f"{max(1.0, found.gain[arithmetic]):.2f}",
    )


def _name(one: Measurement) -> str:
    settings = one.settings
    waits = (
        "" if settings.provider != "cpu" else tr("spinning" if settings.spinning else "sleeping")
    )
    threads = padded(f"{settings.threads} {waits}", 12)
    return f"{settings.provider:<10}{settings.arithmetic:<12}{threads}"


def _changed(one: Measurement) -> str:
    return f"{one.changed:,}/{one.pictures:,}" if one.pictures else "-"
