"""``kerascnn data check``: parse, one call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerascnn.cli.base import SOME_INPUTS_BAD, Command, Group, console, print_json
from kerascnn.cli.evaluation_tables import plain
from kerascnn.language import count, tr
from kerascnn.language.messages import translated

if TYPE_CHECKING:
    from kerascnn.dataset.check.checking import DataCheck, PictureLocation, SmallClass

_LISTED = 10
"""Maximum findings of a kind to show; --json and --page have more."""

_KINDS = {"small_classes": "small classes"}
"""Names of problems that differ from those in JSON."""


@click.group("data", cls=Group)
def command() -> None:
    """Check a data set before training.

    \b
    kerascnn data check flowers/
    """


@command.command("check", cls=Command)
@click.argument("data")
@click.option(
    "--smallest",
    type=click.IntRange(1),
    default=20,
    help="Minimum number of training pictures that a class should have.",
)
@click.option(
    "--page", metavar="FILE", help="Write an HTML page with the pictures, e.g. check.html."
)
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
@click.pass_context
def check(ctx: click.Context, data: str, smallest: int, page: str | None, as_json: bool) -> None:
    """Find what is wrong with DATA before a model is trained on it.

    All findings are listed. Problems: whatever makes training stop with an error (a single class,
    an empty class folder, a class that occurs only in val, and so on); pictures that cannot be
    read; duplicates or near-duplicates in two splits (leakage: the model is evaluated on pictures
    that it was trained on) or in two classes; classes with too few pictures. Warnings: duplicates
    within a class, unusual sizes, shapes and modes, blank pictures, ignored files. DATA is what
    `kerascnn train` takes.

    The exit code is 3 if there are problems.

    \b
    kerascnn data check flowers/
    kerascnn data check flowers/ --page check.html
    kerascnn data check flowers/ --json > check.json
    """
    from kerascnn.dataset.check.checking import check_data, load_for_check
    from kerascnn.dataset.faults import FaultCollector

    if page:
        from kerascnn.report.document import check_installed

        check_installed()
    noted = FaultCollector()
    with console(stderr=True).status(tr("reading every picture")):
        dataset = load_for_check(data, noted)
        found = check_data(dataset, smallest, faults=noted.found)
    if page:
        from kerascnn.report.data_check import write_check_page

        write_check_page(Path(page), found, dataset)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found, page)
    if found.problems:
        ctx.exit(SOME_INPUTS_BAD)


def _show(check: DataCheck, page: str | None) -> None:
    _show_size(check)
    _show_findings(check)
    _print("")
    _print(_verdict(check))
    shown = tr("The pictures are shown in {page}.", page=page)
    _print(shown if page else tr("See them: add --page check.html"))


def _show_size(check: DataCheck) -> None:
    splits = ", ".join(
        tr("{count} {split}", count=f"{sum(counts):,}", split=tr(name))
        for name, counts in check.counts.items()
    )
    _print(
        tr(
            "{pictures} in {classes} ({splits})",
            pictures=count(check.images, "picture"),
            classes=count(len(check.classes), "class"),
            splits=splits,
        )
    )
    _print(_sides(check))
    if check.kinds:
        kinds = ", ".join(
            tr("{count} {kind}", count=f"{files:,}", kind=kind)
            for kind, files in check.kinds.items()
        )
        _print(tr("files: {kinds}", kinds=kinds))


def _sides(check: DataCheck) -> str:
    low, usual, high = (f"{side:,}" for side in check.sides)
    if low == high:
        return tr("longer side: {usual} pixels", usual=usual)
    text = "longer side: {low} to {high} pixels, median {usual}"
    return tr(text, low=low, high=high, usual=usual)


def _show_findings(check: DataCheck) -> None:
    repeats = check.repeats
    within = [r for r in repeats if not r.is_leak and not r.is_conflict]
    odd = [f"{one.place.path}: {tr(one.what)}, {tr(one.detail)}" for one in check.odd]
    _list(tr("whole data set"), [*map(translated, check.faults)], most=None)
    _list(tr("cannot be read"), [translated(one.reason) for one in check.broken])
    _list(tr("in more than one split"), [_repeat(r.places) for r in repeats if r.is_leak])
    _list(tr("in more than one class"), [_repeat(r.places) for r in repeats if r.is_conflict])
    _list(tr("classes with too few pictures"), [_small(one) for one in check.small])
    _list(tr("duplicates within a class"), [_repeat(r.places) for r in within])
    _list(tr("unusual"), odd)
    _list(tr("ignored files"), list(check.left_out))


def _small(one: SmallClass) -> str:
    return tr(
        "{label}: {images} in {split}", label=one.label, images=one.images, split=tr(one.split)
    )


def _verdict(check: DataCheck) -> str:
    if not check.problems:
        return tr("No problem found.")
    kinds = [f"{tr(_KINDS.get(kind, kind))} {count:,}" for kind, count in check.problems.items()]
    return tr("Problems: {kinds}", kinds=", ".join(kinds))


def _repeat(places: tuple[PictureLocation, ...]) -> str:
    shown = " = ".join(f"{place.path} ({tr(place.split)}, {place.label})" for place in places[:4])
    return shown + (tr(" and {count} more", count=f"{len(places) - 4:,}") if places[4:] else "")


def _list(heading: str, lines: list[str], most: int | None = _LISTED) -> None:
    if not lines:
        return
    _print("")
    _print(f"{heading}: {len(lines):,}")
    for line in lines[:most]:
        _print(f"  {line}")
    if most is not None and lines[most:]:
        _print(tr("  ... and {count} more", count=f"{len(lines) - most:,}"))


def _print(line: str) -> None:
    console().print(plain(line), soft_wrap=True)
