"""``kerascnn push``: parse, one call, print."""

from __future__ import annotations

import sys
from typing import Any

import click

from kerascnn.cli.base import Command, add_options, print_json, tell
from kerascnn.cli.declared_options import declared_option, grouped
from kerascnn.deployment import hub
from kerascnn.errors import ConfigError
from kerascnn.language import tr


@click.command(
    "push",
    cls=Command,
    groups=grouped(
        hub.Request,
        {
            hub.REPOSITORY: ("license_id",),
            "Files": ("report", "no_report", "keras"),
            "Output": ("yes", "as_json"),
        },
    ),
)
@click.argument("model", metavar="RUN|FILE.onnx")
@click.argument("repo", metavar="OWNER/NAME")
@click.option(
    "--license",
    "license_id",
    metavar="ID",
    help="License of the model, by its name on the Hub: mit, apache-2.0, cc-by-4.0, other, ... "
    "[default: asked for on a terminal]",
)
@add_options(
    declared_option(hub.Request, "private"),
    declared_option(hub.Request, "revision"),
    declared_option(hub.Request, "message", "-m"),
)
@click.option(
    "--report",
    metavar="FILE",
    help="HTML report, which shows some of the pictures.  [default: report.html of RUN; "
    "NAME-report.html next to FILE, if it exists]",
)
@click.option("--no-report", is_flag=True, help="Upload no report.")
@click.option(
    "--keras",
    is_flag=True,
    help="Also upload model.keras of RUN, for `train --weights hf://OWNER/NAME`.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print what was uploaded as JSON.")
def command(
    model: str,
    repo: str,
    report: str | None,
    no_report: bool,
    keras: bool,
    license_id: str | None,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Upload an exported model to the Hugging Face Hub, as OWNER/NAME.

    One commit contains the .onnx file, its card, its report and a model page (README.md) with the
    Hub's metadata: library, task, metrics and license. The repository is created if needed. A page
    that somebody has rewritten is kept. The token is that of `hf auth login`, or HF_TOKEN.

    Afterwards hf://OWNER/NAME[@REVISION][/FILE] can be given wherever a model file is expected.

    \b
    kerascnn push exported/flowers.onnx jane/flowers --license mit
    kerascnn push runs/flowers jane/flowers --license cc-by-4.0 --private --keras
    kerascnn predict hf://jane/flowers rose.jpg
    """
    if report and no_report:
        raise click.UsageError("--report and --no-report: use one of them.")
    hub.check_order(model, repo)
    found = hub.find_model(model, report, not no_report, keras)
    request = hub.Request(repo, license_id or _asked_license(), **options)
    done = hub.push(found, request, lambda what: None if yes else _confirm(what))
    if as_json:
        files = [{"name": name, "sha256": sha256} for name, sha256 in done.files.items()]
        print_json({"address": done.address, "url": done.url, "repo": repo, "commit": done.commit,
                    "private": done.private, "files": files})  # fmt: skip
        return
    click.echo(f"{done.url}: {', '.join(done.files)}")
    if done.kept_page:
        tell("README.md on the Hub was not written by kerascnn push, and is kept.")
    tell("next: {command}", command=f"kerascnn predict {done.address} PICTURE…")


def _asked_license() -> str:
    if not _on_terminal():
        raise ConfigError(
            "--license is missing: the license of the model, by its name on the Hub, such as "
            "mit, apache-2.0, cc-by-4.0 or other."
        )
    answer: str = click.prompt(
        tr("License of the model (mit, apache-2.0, cc-by-4.0, other, ...)"), err=True
    )
    return answer.strip()


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _confirm(what: str) -> None:
    if _on_terminal():
        question = tr(what)
        click.confirm(f"{question[0].upper()}{question[1:]}?", abort=True, err=True)
    else:
        tell(what, err=True)
