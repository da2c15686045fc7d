"""``kerascnn train``: parse, one call, print."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kerascnn.cli.base import INTERRUPTED, Command, console, print_json, quiet_tensorflow
from kerascnn.cli.learning import optimizer_options, rate_options
from kerascnn.cli.shared import (
    check_data_is_there,
    count_or_auto,
    device_option,
    image_size_option,
    stem_option,
)

if TYPE_CHECKING:
    from kerascnn.training.callbacks import Callback
    from kerascnn.training.config import TrainConfig
    from kerascnn.training.run.folder import Run


@click.command("train", cls=Command)
@click.argument("data", default="fashion-mini")
@click.option(
    "--model",
    default="auto",
    show_default=True,
    metavar="NAME|auto",
    help="A name from `kerascnn models`. auto: cnn for the built-in data and for pictures up to 64 "
    "pixels; for photographs mobilenet_v3_large with ImageNet weights, or cnn without them.",
)
@click.option(
    "--weights",
    default="auto",
    show_default=True,
    metavar="auto|none|imagenet|FILE",
    help="What the network starts from. auto: none, unless --model auto finds ImageNet weights. "
    "FILE: .keras, .weights.h5, .h5, .safetensors or .pth.",
)
@stem_option
@click.option(
    "--trainable",
    default="all",
    show_default=True,
    metavar="SCOPE",
    help="all, head, from:BLOCK, or a comma list of blocks of `kerascnn summary`; auto: what "
    "`kerascnn advise` says.",
)
@click.option(
    "--phase",
    multiple=True,
    metavar="SCOPE:EPOCHS[:RATE]",
    help="In place of --trainable and --epochs; repeatable, one after another. The second and "
    "later ones learn at a tenth of --learning-rate if they name no rate.",
)
@click.option(
    "--batchnorm",
    type=click.Choice(["frozen", "train"]),
    default="frozen",
    show_default=True,
    help="In frozen blocks: keep the statistics, or go on moving them.",
)
@click.option(
    "--layer-decay",
    default=1.0,
    show_default=True,
    help="Of the learning rate from block to block, from the head down, e.g. 0.7.",
)
@click.option(
    "--out",
    metavar="RUN",
    help="Run folder.  [default: runs/DATA-MODEL, with a number if that is taken]",
)
@image_size_option
@click.option(
    "--resize",
    type=click.Choice(["squash", "crop", "pad"]),
    help="How pictures are sized.  [default: pad for pictures smaller than the model, else squash]",
)
@click.option(
    "--recipe",
    type=click.Choice(["quick", "best"]),
    help="Options that were found together, in place of the defaults; those that are given win. "
    "quick: few epochs; best: more of them, and higher accuracy. See docs/training.md.",
)
@click.option(
    "--epochs",
    type=count_or_auto,
    default="auto",
    show_default=True,
    metavar="N|auto",
    help="Passes over the training pictures. auto: 10, or more where that would be few steps.",
)
@click.option(
    "--time",
    metavar="DURATION",
    help="The longest that the run may take, e.g. 10m or 1h30m: as many epochs as fit (at most "
    "--epochs), with a learning rate that ends with the last of them.  [default: no limit]",
)
@click.option(
    "--batch-size",
    type=count_or_auto,
    default="auto",
    show_default=True,
    metavar="N|auto",
    help="Pictures a step. auto: 64, or fewer where there are few pictures.",
)
@click.option(
    "--learning-rate",
    type=float,
    help="The highest, after the warm-up.  [default: the network's own; lower where "
    "--batch-size auto makes small batches]",
)
@optimizer_options
@click.option(
    "--augment",
    type=click.Choice(["auto", "none", "shift", "light", "strong-shift", "strong", "trivial"]),
    default="auto",
    show_default=True,
    help="shift: a small one; light: that and a horizontal flip; strong-shift: a larger shift, "
    "brightness, contrast and erased rectangles; strong: that and a flip; trivial: flip, larger "
    "shift and one of 12 random changes. A flip makes other things of digits and letters. auto: "
    "none for the built-in data and with frozen blocks, strong for few coloured photographs, else "
    "light; strong-shift or shift where a flip is not seen to be harmless.",
)
@click.option(
    "--random-crop",
    default=0.0,
    metavar="SHARE",
    help="Learn from a random part of each picture, at least that share of its area, e.g. 0.35.  "
    "[default: 0, whole pictures]",
)
@click.option(
    "--mixup",
    default=0.0,
    metavar="ALPHA",
    help="Mix pictures and labels of a batch two by two, e.g. 0.2.  [default: 0, not at all]",
)
@click.option(
    "--cutmix",
    default=0.0,
    metavar="ALPHA",
    help="Put a rectangle of one picture into another, e.g. 1.0.  [default: 0, not at all]",
)
@click.option(
    "--class-weights",
    type=click.Choice(["none", "balanced"]),
    default="none",
    show_default=True,
    help="balanced: each class counts as much as every other, however few its pictures.",
)
@click.option(
    "--label-smoothing",
    default=0.0,
    show_default=True,
    help="Share of each label spread over all classes, e.g. 0.1.",
)
@click.option(
    "--patience",
    type=int,
    metavar="EPOCHS",
    help="End a phase after so many epochs without a better one.  [default: never]",
)
@click.option(
    "--keep",
    type=click.Choice(["auto", "best", "newest"]),
    default="auto",
    show_default=True,
    help="Which epoch's network: best, on the validation pictures; newest, the newest that is not "
    "significantly worse. auto: newest where these pictures are few and --epochs is auto.",
)
@click.option(
    "--val",
    metavar="SHARE|DATA",
    help="Share kept for validation when DATA has no val/, or a folder (or other data) to "
    "validate on.  [default: 0.1; 0.05 above 20,000]",
)
@click.option(
    "--calibration/--no-calibration",
    default=True,
    show_default=True,
    help="Fit a temperature on the validation pictures, so that 0.9 means nine in ten.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed_bfloat16", "mixed_float16"]),
    default="float32",
    show_default=True,
    help="Of the arithmetic while training; the file that is saved is float32.",
)
@device_option
@click.option(
    "--devices",
    default="1",
    show_default=True,
    metavar="N|all",
    help="How many GPUs of the machine share each batch.",
)
@click.option(
    "--distributed",
    metavar="HOST:PORT",
    help="Train on several machines (JAX): where rank 0 waits for the others.",
)
@click.option("--processes", type=int, metavar="N", help="With --distributed: how many in all.")
@click.option("--rank", type=int, metavar="I", help="With --distributed: this one, from 0.")
@click.option(
    "--feed",
    type=click.Choice(["auto", "resident", "streamed"]),
    default="auto",
    show_default=True,
    help="resident: pictures lie in the device's memory; auto: if they fit. Same result.",
)
@click.option(
    "--cache",
    metavar="DIR|none",
    help="Where decoded and sized pictures are kept for the next run; see `kerascnn cache`.  "
    "[default: KERASCNN_CACHE, or the user's cache folder]",
)
@click.option(
    "--cache-limit", default=20.0, show_default=True, help="Of that folder, in gigabytes."
)
@click.option("--seed", default=0, show_default=True, help="Of everything random.")
@click.option("--deterministic", is_flag=True, help="Same seed, same machine: same bits.")
@click.option("--strict", is_flag=True, help="A broken picture is an error, not left out.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in --out as if it had never stopped. Options may be left out; those "
    "given must be the run's own. Without a run there, begin one with DATA.",
)
@click.option("--overwrite", is_flag=True, help="Replace a run that lies in --out.")
@click.option(
    "--tensorboard",
    is_flag=True,
    help="Also write every epoch's numbers for TensorBoard, into tensorboard/ in the run folder.",
)
@rate_options
@click.option("--json", "as_json", is_flag=True, help="Print the run and its metrics as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    recipe: str | None,
    resume: bool,
    overwrite: bool,
    tensorboard: bool,
    find_lr: bool,
    plot: Path,
    as_json: bool,
    distributed: str | None,
    processes: int | None,
    rank: int | None,
    **options: Any,
) -> None:
    """Train a classifier on the pictures in DATA.

    DATA is a folder of class folders (or one with train/ val/ test/ inside), a CSV file
    (path,label[,split]), a folder with IDX files, an .npz file (x_train, y_train, ...), or a
    built-in name; fashion-mini is 4,500 pictures of clothes.

    \b
    kerascnn train                                       # the built-in pictures
    kerascnn train flowers/ --model resnet50 --weights imagenet --phase head:3 --phase all:10
    kerascnn train flowers/ --out runs/flowers --epochs 30 --augment light
    kerascnn train flowers/ --recipe best                # slower and better than the defaults
    kerascnn train --out runs/flowers --resume           # after a crash or Ctrl-C
    kerascnn train flowers/ --model resnet18 --find-lr   # a picture and a rate, no run
    """
    if find_lr and (resume or tensorboard):
        raise click.UsageError("--find-lr makes no run: leave --resume and --tensorboard out.")
    config = _config(_given(ctx, options), recipe, resume)
    check_data_is_there(config.data, config.val)
    if find_lr:
        from kerascnn.cli.lr_finder import find_rate

        find_rate(config, plot, as_json)
        return
    # Importing takes some seconds, in which nothing else can be shown.
    click.echo("loading Keras …", err=True)
    with quiet_tensorflow():
        from kerascnn.cli.progress import TrainingDisplay
        from kerascnn.training.distribution.processes import cluster_of
        from kerascnn.training.train import fit

    cluster = cluster_of(distributed, processes, rank)
    display = TrainingDisplay(console(stderr=True))
    try:
        with display:
            run = fit(config, _callback(display, tensorboard), resume, cluster, overwrite)
    except KeyboardInterrupt:
        click.echo(_stopped(display.folder), err=True)
        ctx.exit(INTERRUPTED)
    if rank:
        click.echo(f"rank {rank}: done; rank 0 has the run.")
        return
    card = run.card
    if as_json:
        print_json({"run": str(run.folder), "model": str(run.model_path), "metrics": card.metrics})
        return
    click.echo(
        f"{run.folder}: validation accuracy {card.metrics['val_top1']:.2%} "
        f"(best epoch {card.metrics['epoch']})"
    )
    click.echo(_next(run))


def _next(run: Run) -> str:
    from kerascnn.report.card_facts import learning_of
    from kerascnn.report.causes import not_learned

    learning = learning_of(run.card)
    if learning is None or learning.has_learned:
        return f"next: kerascnn export {shlex.quote(str(run.folder))} --onnx"
    return (
        f"It has not learned: {learning.val_right:,} of {learning.val_images:,} validation "
        f"pictures are answered right, and always answering the commonest class gives "
        f"{learning.val_largest:,}. {not_learned(learning)}"
    )


def _config(given: dict[str, Any], recipe: str | None, resume: bool) -> TrainConfig:
    from kerascnn.training.config import TrainConfig
    from kerascnn.training.recipes import recipe_values
    from kerascnn.training.run.resume import resumed_config

    if recipe:
        given = {**recipe_values(recipe), **given}
    return resumed_config(given) if resume else TrainConfig(**given)


def _callback(display: Callback, tensorboard: bool) -> Callback:
    from kerascnn.training.callbacks import CallbackList, TensorBoard

    return CallbackList(display, TensorBoard()) if tensorboard else display


def _given(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Keep what was typed; a default is no wish."""
    return {
        name: value
        for name, value in options.items()
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
    }


def _stopped(folder: Path | None) -> str:
    if folder is None:
        return "Stopped before anything was learned."
    return (
        f"Stopped. What was learned so far is in {folder}; go on with: "
        f"kerascnn train --out {shlex.quote(str(folder))} --resume"
    )
