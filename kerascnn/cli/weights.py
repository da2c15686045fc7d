"""``kerascnn weights``: parse, one call, print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kerascnn.cli.base import Command, Group, console, print_json
from kerascnn.cli.shared import complete_networks
from kerascnn.language import tr

if TYPE_CHECKING:
    from rich.progress import Progress


@click.group("weights", cls=Group)
def command() -> None:
    """Manage the ImageNet weights on this machine.

    They are stored where Keras and keras-hub keep them. With KERASCNN_OFFLINE=1 no command uses the
    network; KERASCNN_WEIGHTS_MIRROR names a mirror of https://storage.googleapis.com.

    \b
    kerascnn weights list
    kerascnn weights fetch mobilenet_v3_large
    """


@command.command("list", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def listing(as_json: bool) -> None:
    """List networks that have ImageNet weights, and whether those are on this machine.

    This does not use the network.

    \b
    kerascnn weights list
    """
    from kerascnn.training.networks import NETWORKS
    from kerascnn.training.pretrained import PRETRAINED, cached

    found = {name: cached(name) for name in PRETRAINED}
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "source": NETWORKS[name].source,
                    "cached": path is not None,
                    "path": str(path) if path else None,
                }
                for name, path in found.items()
            ]
        )
        return
    for name, path in found.items():
        click.echo(f"{name:<20} {NETWORKS[name].source:<19} {path or tr('not on this machine')}")


@command.command("fetch", cls=Command, of_train=("weights",))
@click.argument("name", shell_complete=complete_networks)
@click.option("--json", "as_json", is_flag=True, help="Print where the files are, as JSON.")
def fetch(name: str, as_json: bool) -> None:
    """Download the ImageNet weights of NAME, check them, and store them where Keras looks for them.

    Without a network connection it fails within three seconds. Existing weights are checked and
    kept.

    \b
    kerascnn weights fetch mobilenet_v3_large
    """
    from kerascnn.training.pretrained import cached, ensure, source_of

    already = cached(name)
    with _bar() as bar:
        task = bar.add_task(name, total=None)
        path = ensure(name, lambda done, total: bar.update(task, completed=done, total=total))
    if as_json:
        print_json({"name": name, "path": str(path), "fetched": already is None})
        return
    how = tr("there already") if already else tr("fetched")
    click.echo(f"{path}: {how}, {_checked(source_of(name))}")


def _bar() -> Progress:
    from rich.progress import DownloadColumn, Progress

    shown = console(stderr=True)
    return Progress(
        *Progress.get_default_columns(),
        DownloadColumn(),
        console=shown,
        transient=True,
        disable=not shown.is_terminal,
    )


def _checked(source: object) -> str:
    if getattr(source, "digest", None):
        return tr("its checksum matches the library's")
    return tr("the library publishes no checksum for it")
