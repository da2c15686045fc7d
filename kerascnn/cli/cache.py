"""``kerascnn cache``: parse, one call, print."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, print_json, tell
from kerascnn.language import count

if TYPE_CHECKING:
    from kerascnn.training.data.cache import PackCache


@click.command("cache", cls=Command)
@click.option("--clear", is_flag=True, help="Remove all cached pictures, and nothing else.")
@click.option("--cache", "folder", metavar="DIR", help="Cache folder, instead of the user's own.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(clear: bool, folder: str | None, as_json: bool) -> None:
    """Show or clear the cache of decoded and resized pictures.

    The folder is --cache, or the environment variable KERASCNN_CACHE, or the user's cache folder.

    \b
    kerascnn cache
    kerascnn cache --clear
    """
    from kerascnn.training.data.cache import open_cache

    cache = open_cache(folder)
    if cache is None:
        raise click.UsageError("the cache is off: --cache or KERASCNN_CACHE is none")
    freed = cache.clear() if clear else 0
    if as_json:
        print_json(_to_dict(cache, freed))
        return
    if clear:
        tell("{folder}: {size} MB freed", folder=cache.folder, size=f"{freed / 1e6:,.1f}")
    _show(cache)


def _to_dict(cache: PackCache, freed: int) -> dict[str, Any]:
    entries = cache.entries()
    return {
        "folder": str(cache.folder),
        "bytes": sum(entry.bytes for entry in entries),
        "freed": freed,
        "packs": [
            {
                "key": entry.folder.name,
                "pictures": entry.pictures,
                "size": entry.size,
                "bytes": entry.bytes,
                "used": entry.used,
            }
            for entry in entries
        ],
    }


def _show(cache: PackCache) -> None:
    entries = cache.entries()
    for entry in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        tell(
            "{key}  {megabytes} MB  used {used}  {pictures} of {size}x{size}",
            key=entry.folder.name[:12],
            pictures=count(entry.pictures, "picture"),
            size=entry.size,
            megabytes=f"{entry.bytes / 1e6:>10,.1f}",
            used=used,
        )
    size = f"{sum(entry.bytes for entry in entries) / 1e6:,.1f}"
    tell("{folder}: {size} MB in all", folder=cache.folder, size=size)
