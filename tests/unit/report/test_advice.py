"""The figure of advice: nothing is written over anything else."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from kerascnn.report.advice import write_figure

LONG = [(f"block_{number}_inverted_residual_expansion", 0.5) for number in range(17)]


def drawn(path: Path, place: tuple[float, float], stages: list, monkeypatch) -> Figure:
    """Draw, and keep what was drawn."""
    kept: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (kept.append(self),
                                                                  save(self, *a, **k)))  # fmt: skip
    write_figure(path, place, (10.0, -0.01), stages, 0.4)
    assert path.read_bytes().startswith(b"\x89PNG")
    return kept[0]


@pytest.mark.parametrize("similarity", [-0.6, -0.3, -0.02, 0.0, 0.1, 0.5])
@pytest.mark.parametrize("count", [2.0, 4.0, 8.0, 300.0, 50_000.0])
def test_words_cross_neither_lines_nor_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: float, similarity: float
) -> None:
    stages = [("conv1", 0.5), ("conv2", 0.8)]
    figure = drawn(tmp_path / "f.png", (count, similarity), stages, monkeypatch)
    axes = figure.axes[0]
    down, across, point = axes.lines
    words = {text.get_text(): text.get_window_extent() for text in axes.texts}
    mark = words.pop("your data")
    frame = axes.get_window_extent()
    for one in (mark, *words.values()):
        assert frame.x0 <= one.x0 and one.x1 <= frame.x1
        assert not point.get_window_extent().overlaps(one) or one is mark
    for one in words.values():
        assert not one.overlaps(mark)
        assert not one.overlaps(down.get_window_extent())
        assert not one.overlaps(across.get_window_extent())
    _apart(axes.get_xticklabels())


def test_long_names_of_many_stages_stay_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = drawn(tmp_path / "f.png", (300.0, 0.1), LONG, monkeypatch)
    labels = figure.axes[1].get_yticklabels()
    assert len({label.get_text() for label in labels}) == 18
    _apart(labels)


def _apart(labels) -> None:
    boxes = [label.get_window_extent() for label in labels]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
