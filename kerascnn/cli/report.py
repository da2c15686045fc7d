"""``kerascnn report``: parse, one call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kerascnn.cli.base import Command, console, open_run, print_json, quiet_tensorflow, tell
from kerascnn.cli.foreign import HEADING, foreign_from_options, foreign_options
from kerascnn.cli.shared import check_data_is_there, download_if_remote, split_option
from kerascnn.errors import ConfigError
from kerascnn.language import tr


@click.command("report", cls=Command, groups={"Options": ("split", "out", "as_json"), **HEADING})
@click.argument("model")
@click.argument("data", required=False)
@split_option
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    help="The HTML file to write.  [default: report.html in the run folder; NAME-report.html for "
    "NAME.onnx]",
)
@foreign_options
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(
    model: str, data: str | None, split: str | None, out: str | None, as_json: bool, **foreign: Any
) -> None:
    """Evaluate MODEL on DATA, and write a self-contained HTML report.

    MODEL is a run folder, its model.keras, or an .onnx file. Every `kerascnn train` writes a
    report already; this writes one for other pictures, or for an exported file. For a run,
    DATA defaults to the run's own data. For an .onnx file no Keras is needed.

    \b
    kerascnn report runs/flowers
    kerascnn report exported/flowers.onnx more-flowers/ -o more-flowers.html
    """
    check_data_is_there(data)
    typed, model = model, download_if_remote(model)
    given_foreign = foreign_from_options(**foreign)
    if model.lower().endswith(".onnx"):
        path = _file((typed, model), data, split, out, given_foreign)
    elif given_foreign:
        raise ConfigError(f"{model}: --labels is for .onnx files that were made elsewhere.")
    else:
        run = open_run(model)
        with quiet_tensorflow():
            from kerascnn.training.evaluation.report import report_run
        with console(stderr=True).status(tr("evaluating")):
            path = report_run(run, data, split, out)
    if as_json:
        print_json({"report": str(path)})
    else:
        tell("{path}: open it in a browser", path=path)


def _file(
    names: tuple[str, str], data: str | None, split: str | None, out: str | None, given: Any
) -> Path:
    from kerascnn.inference import Classifier
    from kerascnn.report.file_report import report_file

    typed, model = names
    if data is None:
        raise ConfigError(f"{typed}: an .onnx file does not contain its data. Give DATA.")
    classifier = Classifier(model, foreign=given)
    # Beside the file; for one from the Hub, which is in a cache, in the working directory.
    place = Path(model).parent if typed == model else Path()
    page = out or str(place / f"{Path(model).stem}-report.html")
    with console(stderr=True).status(tr("evaluating")):
        return report_file(classifier, data, page, split, typed)
