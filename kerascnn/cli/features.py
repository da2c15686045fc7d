"""``kerascnn features``: parse, one call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, open_run, print_json, quiet_tensorflow, tell
from kerascnn.cli.shared import check_drawable, download_models
from kerascnn.language import count, tr

if TYPE_CHECKING:
    from kerascnn.training.explain.feature_maps import Features


@click.command("features", cls=Command)
@click.argument("model", callback=download_models)
@click.argument("picture", metavar="IMAGE")
@click.option(
    "--block",
    metavar="BLOCK",
    help="Only the maps of this block of `kerascnn summary`.  [default: some of every block]",
)
@click.option(
    "--maps",
    type=click.IntRange(1),
    help="Maps per block: those with the strongest activations.  [default: 8; 64 with --block]",
)
@click.option(
    "-o",
    "--out",
    default="features.svg",
    metavar="FILE",
    help="The figure to write, .svg or .png.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was drawn as JSON.")
def command(
    model: str, picture: str, block: str | None, maps: int | None, out: str, as_json: bool
) -> None:
    """Draw the first filters of MODEL, and the feature maps of its blocks for IMAGE.

    MODEL is a run folder or its model.keras. A .png has the pictures without captions.

    \b
    kerascnn features runs/flowers rose.jpg
    kerascnn features runs/flowers rose.jpg --block conv3_block1 -o conv3.svg
    """
    from kerascnn import images

    check_drawable(out)
    pixels = images.decode(picture)
    run = open_run(model)
    with quiet_tensorflow():
        from kerascnn.training.explain.feature_maps import features_of

    found = features_of(run, pixels, block, maps or (64 if block else 8))
    _draw(found, Path(picture).name, out)
    if as_json:
        print_json({"figure": out, **_values(found)})
        return
    tell(
        "{out}: {filters} of {first}, feature maps of {blocks}",
        out=out,
        filters=count(len(found.kernels), "filter"),
        first=found.first,
        blocks=", ".join(one.block for one in found.blocks),
    )


def _values(found: Features) -> dict[str, Any]:
    blocks = [
        {"block": one.block, "layer": one.layer, "shape": one.shape, "channels": one.channels}
        for one in found.blocks
    ]
    return {"first": found.first, "filters": len(found.kernels), "blocks": blocks}


def _draw(found: Features, name: str, out: str) -> None:
    from kerascnn.report.explanations import kernel_row, map_row
    from kerascnn.report.heat import enlarged
    from kerascnn.report.sheet import Row, Tile, write_sheet

    rows = [
        Row(tr("The picture, as the network sees it"), (Tile(enlarged(found.picture, 128)),)),
        kernel_row(found.first, found.kernels),
    ]
    for one in found.blocks:
        height, width, channels = one.shape
        few = len(one.channels) < channels
        title = tr(
            "{block}: {maps} of {width} × {height}{shown}",
            block=one.block,
            maps=count(channels, "feature map"),
            width=width,
            height=height,
            shown=tr(", {count} shown", count=len(one.channels)) if few else "",
        )
        rows.append(map_row(title, one.maps, one.channels))
    write_sheet(out, name, rows, side=96)
