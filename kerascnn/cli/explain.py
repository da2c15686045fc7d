"""``kerascnn explain``: parse, one call, print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import SOME_INPUTS_BAD, Command, print_json, quiet_tensorflow
from kerascnn.cli.foreign import HEADING, checked_keras_file, foreign_from_options, foreign_options
from kerascnn.cli.shared import download_models
from kerascnn.cli.shown_errors import warning
from kerascnn.errors import ConfigError, PictureError
from kerascnn.language import tr
from kerascnn.printable import printable

if TYPE_CHECKING:
    from kerascnn.images import UInt8Array
    from kerascnn.inference import ForeignModel
    from kerascnn.inference.occlusion import Explanation

    Explain = Callable[[UInt8Array, int, str], Explanation]


@click.command(
    "explain", cls=Command, groups={"Options": ("top", "out", "form", "as_json"), **HEADING}
)
@click.argument("model", callback=download_models)
@click.argument("pictures", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top", type=click.IntRange(1), default=3, help="Classes to explain.")
@click.option(
    "--out",
    default="explained",
    metavar="DIR",
    help="Folder for the figures, one per picture.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "png"]),
    default="svg",
    help="png: the pictures without captions.",
)
@foreign_options
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    model: str,
    pictures: tuple[str, ...],
    top: int,
    out: str,
    form: str,
    as_json: bool,
    **foreign: Any,
) -> None:
    """Draw heat maps: which parts of a picture a prediction of MODEL depends on.

    A run folder, its model.keras, or a .keras file made elsewhere is explained by Grad-CAM: the
    gradient of a class score with respect to the last convolution's feature map. An .onnx file is
    explained by occlusion: parts of the picture are covered, and the drop in the class score is
    measured; this needs no Keras.

    \b
    kerascnn explain runs/flowers rose.jpg
    kerascnn explain exported/flowers.onnx garden/*.jpg --top 2 --out explained
    """
    from kerascnn import images
    from kerascnn.inference.paths import expand

    explain = _explainer(model, foreign_from_options(**foreign))
    rows: list[dict[str, Any]] = []
    for path in expand(pictures, sys.stdin):
        try:
            explanation = explain(images.decode(path), top, path)
        except PictureError as error:
            rows.append({"path": path, "error": str(error)})
            click.echo(warning(str(error)), err=True)
            continue
        rows.append(_write(path, explanation, _unused_path(out, path, form, rows)))
    if as_json:
        print_json(rows)
    else:
        _show(rows)
    if any("error" in row for row in rows):
        ctx.exit(SOME_INPUTS_BAD if any("figure" in row for row in rows) else 1)


def _explainer(model: str, foreign: ForeignModel | None) -> Explain:
    if model.lower().endswith(".onnx"):
        from kerascnn.inference.classifier import Classifier
        from kerascnn.inference.occlusion import explain_file

        classifier = Classifier(model, foreign=foreign)
        return lambda picture, top, name: explain_file(classifier, picture, top, name)
    with quiet_tensorflow():
        from kerascnn.training.explain.gradcam import Explainer
        from kerascnn.training.foreign.loading import is_keras_file
        from kerascnn.training.foreign.opening import open_foreign
        from kerascnn.training.run.folder import open_run

        if is_keras_file(model):
            return Explainer(*open_foreign(model, checked_keras_file(model, foreign))).explain
        if foreign is not None:
            raise ConfigError(f"{model}: a kerascnn run has its class names; leave out --labels.")
        run = open_run(model)
        card = run.card
        return Explainer(run.load_model(card), card).explain


def _unused_path(out: str, path: str, form: str, rows: list[dict[str, Any]]) -> Path:
    """Name the figure after its picture; pictures with the same name get different figures."""
    from kerascnn.dataset.folder_listing import folded

    taken = {folded(row["figure"]) for row in rows if "figure" in row}
    stem, number = Path(path).stem, 2
    figure = Path(out, f"{stem}.{form}")
    while folded(str(figure)) in taken:
        figure, number = Path(out, f"{stem}-{number}.{form}"), number + 1
    return figure


def _write(path: str, explanation: Explanation, figure: Path) -> dict[str, Any]:
    from kerascnn.report.explanations import explanation_rows
    from kerascnn.report.sheet import write_sheet

    write_sheet(figure, Path(path).name, explanation_rows(explanation), side=224, columns=4)
    return {
        "path": path,
        "figure": str(figure),
        "method": explanation.method,
        "top": [
            {"label": reason.label, "probability": reason.probability}
            for reason in explanation.reasons
        ],
    }


def _show(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if "figure" in row:
            named = ", ".join(f"{one['label']} {one['probability']:.1%}" for one in row["top"])
            click.echo(printable(f"{row['figure']}: {named} ({tr(row['method'])})"))
