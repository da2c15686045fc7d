"""Renders a template of this package to a self-contained HTML document.

Knows: jinja2, the common style, the Content-Security-Policy. Does not know the content.

All names are untrusted: a folder may be called ``<script>``. Templates escape all text, documents
contain no scripts, and their policy forbids scripts and external resources.
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
    """Import jinja2 before long work, whose result would be lost if it is not installed."""
    import_module("jinja2")


def render(
    template: str,
    values: Mapping[str, Any],
    filters: Mapping[str, Callable[..., str]] | None = None,
) -> str:
    """Render a template to a complete HTML document, without scripts or external resources.

    Args:
        template: Name of a file of this package.
        values: Variables, in addition to ``style``, ``policy``, ``version``, ``language``,
            ``count``, ``tr`` and ``translated``.
        filters: Filters, in addition to ``picture`` and ``percent``.
    """
    import jinja2

    style = _resource("style.css")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=_shown,
    )  # fmt: skip
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
    """Escape control characters in plain text; keep markup unchanged."""
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
