"""How `kerascnn evaluate` shows an evaluation, or a comparison, to people.

Knows: rich's tables, and how much fits on a screen. Does not know how a number comes about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerascnn.cli.base import console
from kerascnn.language import tr
from kerascnn.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

    from kerascnn.metrics.classification import Evaluation
    from kerascnn.metrics.comparison import Comparison
    from kerascnn.metrics.significance import Interval

_WIDEST_CONFUSION = 25
"""Classes; a larger matrix fits no screen and is left to --json."""

_LISTED = 10
"""Mistakes or changed answers shown; --json has more."""

_LEVEL = 0.05
"""Below this p-value a difference is called one."""


def show_evaluation(evaluation: Evaluation) -> None:
    """Print an evaluation."""
    out = console()
    _show_summary(evaluation)
    out.print(_class_table(evaluation))
    if len(evaluation.per_class) <= _WIDEST_CONFUSION:
        out.print("\n" + tr("confusion matrix (rows: true class, columns: predicted class)"))
        out.print(_confusion(evaluation))
    if evaluation.mistakes:
        count = min(_LISTED, len(evaluation.mistakes))
        out.print("\n" + tr("the {count} most confident mistakes", count=count))
        out.print(_mistakes(evaluation))
    if evaluation.leaks and evaluation.leaks.pictures:
        out.print()
        _show_leaks(evaluation)
    if evaluation.skipped:
        out.print(tr("{count} pictures could not be read", count=f"{len(evaluation.skipped):,}"))


def _show_summary(evaluation: Evaluation) -> None:
    out = console()
    out.print(
        tr(
            "{images} pictures (split {split}): top-1 {top1}, top-5 {top5} (95 % intervals)",
            images=f"{evaluation.images:,}",
            split=evaluation.split,
            top1=f"{evaluation.top1:.2%} {_interval(evaluation.top1_interval)}",
            top5=f"{evaluation.top5:.2%} {_interval(evaluation.top5_interval)}",
        ),
        markup=False,
    )
    for name, value in _scores(evaluation).items():
        out.print(f"  {padded(name, 18)} {value}", markup=False)
    if speed := evaluation.speed:
        line = tr(
            "{speed} images/s ({what}); {alone} for the network alone",
            speed=f"{speed.images_per_second:,.0f}",
            what=tr(speed.includes),
            alone=f"{speed.network_images_per_second:,.0f}",
        )
        out.print(f"  {padded(tr('speed'), 18)} {line}\n")


def _scores(evaluation: Evaluation) -> dict[str, str]:
    reliability = evaluation.reliability
    return {
        tr("balanced accuracy"): f"{evaluation.balanced_accuracy:.2%}",
        tr("macro F1"): f"{evaluation.macro_f1:.2%}",
        tr("calibration error"): tr(
            "{error}  (temperature {temperature})",
            error=f"{reliability.ece:.2%}",
            temperature=f"{reliability.temperature:.3f}",
        ),
        tr("cross-entropy"): f"{reliability.nll:.4f} {tr('nats')}",
    }


def padded(words: str, width: int) -> str:
    """Fill words up with spaces; Korean letters are two columns wide."""
    from rich.cells import cell_len

    return words + " " * (width - cell_len(words))


def _interval(interval: Interval) -> str:
    return f"[{interval.low:.2%}, {interval.high:.2%}]"


def _class_table(evaluation: Evaluation) -> Table:
    table = _table(
        *map(tr, ("class", "precision", "recall")), "F1", "ROC AUC", "AP", tr("pictures")
    )
    for score in evaluation.per_class:
        shares = (f"{value:.2%}" for value in (score.precision, score.recall, score.f1))
        areas = (
            "-" if value is None else f"{value:.4f}"
            for value in (score.roc_auc, score.average_precision)
        )
        table.add_row(plain(score.label), *shares, *areas, f"{score.support:,}")
    return table


def _confusion(evaluation: Evaluation) -> Table:
    from rich.table import Table

    table = Table("", "", box=None, pad_edge=False)
    for number in range(len(evaluation.confusion)):
        table.add_column(str(number), justify="right")
    for number, (score, row) in enumerate(
        zip(evaluation.per_class, evaluation.confusion, strict=True)
    ):
        table.add_row(str(number), plain(score.label), *(f"{count:,}" for count in row))
    return table


def _mistakes(evaluation: Evaluation) -> Table:
    from rich.table import Table

    table = Table(*map(tr, ("picture", "true class", "predicted class")), box=None, pad_edge=False)
    for mistake in evaluation.mistakes[:_LISTED]:
        answer = f"{mistake.answer} {mistake.probability:.1%}"
        table.add_row(plain(mistake.path), plain(mistake.truth), plain(answer))
    return table


def _show_leaks(evaluation: Evaluation) -> None:
    from rich.table import Table

    leaks = evaluation.leaks
    if leaks is None:
        return
    out = console()
    out.print(
        f"also in {' and '.join(leaks.against)}: {len(leaks.pictures):,} of these pictures "
        f"({leaks.exact:,} with equal pixels, the others nearly the same), so the model may have "
        "memorized them"
    )
    if evaluation.top1_without_leaks is not None:
        out.print(f"top-1 without them {evaluation.top1_without_leaks:.2%}")
    table = Table("picture", "class", "twin", "class", "similarity", box=None, pad_edge=False)
    for leak in leaks.pictures[:_LISTED]:
        names = (leak.path, leak.label, leak.twin, leak.twin_label)
        alike = "equal" if leak.exact else f"{leak.similarity:.3f}"
        table.add_row(*map(plain, names), alike)
    out.print(table)


def show_comparison(comparison: Comparison) -> None:
    """Print what two models answered differently."""
    out = console()
    out.print(f"{comparison.images:,} pictures (split {comparison.split})")
    table = _table("", "top-1", "right alone")
    table.add_row(
        plain(f"A  {comparison.a}"), f"{comparison.a_top1:.2%}", f"{comparison.only_a_right:,}"
    )
    table.add_row(
        plain(f"B  {comparison.b}"), f"{comparison.b_top1:.2%}", f"{comparison.only_b_right:,}"
    )
    out.print(table)
    out.print(
        f"both right {comparison.both_right:,}, both wrong {comparison.both_wrong:,}; largest "
        f"difference of a probability {comparison.largest_difference:.2g}"
    )
    out.print(f"McNemar's exact test: p = {comparison.p_value:.3g}. {_verdict(comparison)}")
    if comparison.changed:
        out.print(f"\n{len(comparison.changed):,} answers differ")
        out.print(_changed(comparison))
    if len(comparison.changed) > _LISTED:
        out.print(f"... and {len(comparison.changed) - _LISTED:,} more; --json lists all")


def _verdict(comparison: Comparison) -> str:
    if comparison.p_value >= _LEVEL:
        return "These pictures do not show that either is better."
    better = "A" if comparison.only_a_right > comparison.only_b_right else "B"
    return f"{better} is better on pictures like these."


def _changed(comparison: Comparison) -> Table:
    from rich.table import Table

    table = Table("picture", "is", "A", "B", box=None, pad_edge=False)
    for one in comparison.changed[:_LISTED]:
        answers = (f"{one.a} {one.a_probability:.1%}", f"{one.b} {one.b_probability:.1%}")
        table.add_row(plain(one.path), plain(one.truth), *map(plain, answers))
    return table


def _table(first: str, *numbers: str) -> Table:
    from rich.table import Table

    table = Table(first, box=None, pad_edge=False)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def plain(name: str) -> str:
    """Escape a name for rich and for the terminal."""
    from rich.markup import escape

    return escape(printable(name.encode("utf-8", "replace").decode()))
