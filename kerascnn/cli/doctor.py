"""``kerascnn doctor``: parse, one call, print."""

from __future__ import annotations

import os
from typing import Any

import click

from kerascnn.cli.base import Command, padded, print_json, quiet_tensorflow
from kerascnn.language import tr
from kerascnn.language.messages import translated


@click.command("doctor", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(as_json: bool) -> None:
    """Show versions, devices and providers that really work, and what is missing.

    \b
    kerascnn doctor
    kerascnn doctor --json
    """
    from kerascnn.cli.diagnosis import diagnose

    environment = dict(os.environ)
    with quiet_tensorflow(optional=True):
        findings = diagnose(environment)
    if as_json:
        print_json(findings)
    else:
        _show(findings)


def _show(findings: dict[str, Any]) -> None:
    machine = findings["machine"]
    processors = tr("processors to use: {count}", count=machine["processors"])
    _line(tr("machine"), f"{machine['platform']}, {processors}")
    for name, found in findings["versions"].items():
        _line(name, found or "-")
    for name, value in findings["environment"].items():
        _line(tr("environment"), f"{name}={value}")
    for half in ("training", "inference"):
        _line(tr(half), tr("works" if findings[half]["works"] else "does not work here"))
        for name, state in findings[half]["devices"].items():
            _line("", f"{name}: {translated(state)}")
        if findings[half]["missing"]:
            _line("", translated(findings[half]["missing"]))


def _line(name: str, text: str) -> None:
    click.echo(f"{padded(name, 26)}{text}")
