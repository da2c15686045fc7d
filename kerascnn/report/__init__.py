"""The report: everything that was learned about a model, in one page for people.

From plain arrays and numbers to a self-contained HTML file. matplotlib and jinja2 are imported
when a page is made, and by nothing else.
"""

from kerascnn.report.content import (
    Content,
    Epoch,
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
    "Epoch",
    "Layer",
    "Learning",
    "Mistake",
    "PhaseSpan",
    "Sample",
    "gallery",
    "render_page",
]
