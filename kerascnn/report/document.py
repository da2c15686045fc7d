"""A document: from a template of this package to one HTML file that needs nothing else.

Knows: jinja2, the common style, the content policy. Does not know what a document is about.

Every name in one is untrusted: a folder may be called ``<script>``. Templates escape all text,
documents hold no script, and their policy forbids any, as it forbids every address outside.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from importlib import import_module, resources
from typing import Any

from kerascnn import __version__
from kerascnn.language import count, current_language, tr
from kerascnn.language.messages import translated
from kerascnn.metrics.significance import percent
from kerascnn.printable import printable
from kerascnn.report.data_url import data_url


def check_installed() -> None:
    """Import what a page is made with, before work that would be lost without it."""
    import_module("jinja2")


def render(
    template: str,
    values: Mapping[str, Any],
    filters: Mapping[str, Callable[..., str]] | None = None,
) -> str:
    """Fill in a template.

    Args:
        template: Name of a file of this package.
        values: What it names, besides ``style``, ``policy``, ``version``, ``language``,
            ``count``, ``tr`` and ``translated``.
        filters: What it calls, besides ``picture`` and ``percent``.

    Returns:
        A whole HTML document: no network, no scripts.
    """
    import jinja2

    style = _resource("style.css")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update({"picture": data_url, "percent": _percent, **(filters or {})})
    page = environment.from_string(_resource(template))
    return page.render(
        **values,
        style=style,
        policy=_policy(style),
        version=__version__,
        language=current_language(),
        count=count,
        tr=tr,
        translated=translated,
    )


def _shown(value: object) -> object:
    """Write control characters in names as escapes; leave markup as it is."""
    return printable(value, keep="\n\t") if type(value) is str else value


def _percent(share: float | None) -> str:
    return "–" if share is None else percent(share)


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
