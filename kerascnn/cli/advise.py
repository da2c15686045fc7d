"""``kerascnn advise``: parse, one call, print."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, add_options, console, print_json, quiet_tensorflow, tell
from kerascnn.cli.shared import check_data_is_there, check_drawable, complete_networks
from kerascnn.cli.shown_errors import as_options
from kerascnn.cli.train_options import train_option
from kerascnn.language import tr

if TYPE_CHECKING:
    from kerascnn.training.advising.decision import Advice


@click.command("advise", cls=Command, of_train=("augment", "trainable"))
@click.argument("data", default="fashion-mini")
@click.option(
    "--model",
    metavar="NAME",
    help="The backbone.  [default: resnet50; with weights of a run, its network]",
    shell_complete=complete_networks,
)
@click.option(
    "--weights",
    default="imagenet",
    metavar="none|imagenet|FILE",
    help="Weights of the backbone.",
)
@add_options(*map(train_option, ("image_size", "resize", "val", "device", "cache")))
@click.option("--seed", default=0, help="Seed of the sample and the split.")
@click.option("--figure", metavar="FILE", help="Also draw the advice, as .png or .svg.")
@click.option("--json", "as_json", is_flag=True, help="Print the advice as JSON.")
def command(figure: str | None, as_json: bool, model: str | None, **options: Any) -> None:
    """Recommend how deep to fine-tune a backbone on the pictures in DATA.

    Up to 1,500 of the pictures pass through the backbone, and nothing is trained. The advice
    depends on the number of pictures, and on how similar they are to what the backbone was trained
    on. `kerascnn train --trainable auto` follows the advice.

    \b
    kerascnn advise flowers/ --model resnet50
    kerascnn advise flowers/ --weights runs/animals/model.keras --figure advice.png
    """
    from kerascnn.training.config import TrainConfig

    if figure:
        check_drawable(figure)
    config = TrainConfig(model=model or "resnet50", **options)
    check_data_is_there(config.data, config.val)
    with quiet_tensorflow():
        from kerascnn.training.advising import advise as asking
        from kerascnn.training.auto.model import network_of
        from kerascnn.training.display.terminal import TrainingDisplay

    if model is None and config.weights not in ("none", "imagenet"):
        config = replace(config, model=network_of(config.weights))
    # Not in the block above, which would suppress messages about the data and the weights.
    with TrainingDisplay(console(stderr=True), as_options) as display:
        advice = asking.advise(config, display)
    line = asking.command(config, advice)
    if figure:
        _draw(figure, advice)
    if as_json:
        shown = {**advice.to_dict(), "command": line}
        print_json({**shown, "figure": figure} if figure else shown)
        return
    _print_result(advice, line)


def _print_result(advice: Advice, line: str) -> None:
    low, high = advice.expected_top1
    click.echo(f"{advice.scope}: {tr(', then ').join(advice.phases)}")
    tell("expected accuracy on new pictures: {low} to {high}", low=f"{low:.0%}", high=f"{high:.0%}")
    for doubt in advice.doubts:
        click.echo(f"! {as_options(tr(doubt))}")
    for reason in advice.reasons:
        click.echo(f"- {as_options(tr(reason))}")
    for stage in advice.facts.stages:
        tell("  {stage}: probe {share}", stage=stage.name, share=f"{stage.probe:.1%}")
    click.echo(line)


def _draw(figure: str, advice: Advice) -> None:
    from kerascnn.report.advice import write_figure
    from kerascnn.training.advising.decision import LIMITS

    facts = advice.facts
    write_figure(
        figure,
        (facts.per_class, facts.similarity),
        (LIMITS.few, LIMITS.similar),
        [(stage.name, stage.probe) for stage in facts.stages],
        facts.pixels,
    )
