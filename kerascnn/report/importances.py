"""The picture of what mattered in a hyperparameter search, as a PNG of its own.

Knows: how it is drawn. Does not know how the shares came about.
"""

from __future__ import annotations

import io
from collections.abc import Mapping


def importances_png(importances: Mapping[str, float]) -> bytes:
    """Draw the share of each parameter."""
    from matplotlib.figure import Figure

    ranked = sorted(importances.items(), key=lambda one: one[1])
    figure = Figure(figsize=(6.4, 1.2 + 0.4 * len(ranked)), layout="constrained", dpi=120)
    axes = figure.add_subplot()
    bars = axes.barh([name for name, _ in ranked], [share for _, share in ranked], color="#1f5fa8")
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set(xlabel="importance (PED-ANOVA), validation accuracy", xlim=(0, 1.1))
    axes.spines[["top", "right"]].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
