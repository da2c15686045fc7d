"""The report: the results of a model on one HTML page.

Turns plain arrays and numbers into a self-contained HTML file. matplotlib and jinja2 are imported
only when a page is rendered.
"""

from kerascnn.report.content import (
    Content,
    Layer,
    Learning,
    Mistake,
    PhaseSpan,
    Sample,
    gallery,
)
from kerascnn.report.page import render_page

__all__ = [
    "Content",
    "Layer",
    "Learning",
    "Mistake",
    "PhaseSpan",
    "Sample",
    "gallery",
    "render_page",
]
