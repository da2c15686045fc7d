"""``kerascnn doctor``: parse, one call, print."""

from __future__ import annotations

import click

from kerascnn.cli.base import Command, print_json, quiet_tensorflow


@click.command("doctor", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(as_json: bool) -> None:
    """Show versions, devices and providers that really work, and what is missing.

    \b
    kerascnn doctor
    kerascnn doctor --json
    """
    from kerascnn.cli.diagnosis import diagnose

    with quiet_tensorflow(optional=True):
        pass
    findings = diagnose()
    if as_json:
        print_json(findings)
        return
    for name, found in findings["versions"].items():
        click.echo(f"{name:<12} {found or '-'}")
    for half in ("training", "inference"):
        works = findings[half]["works"]
        click.echo(f"{half:<12} {'works' if works else 'does not work here'}")
        for name, state in findings[half]["devices"].items():
            click.echo(f"  {name:<26} {state}")
        if findings[half]["missing"]:
            click.echo(f"  {findings[half]['missing']}")
