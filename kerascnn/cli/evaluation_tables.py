"""Prints an evaluation or a comparison as tables.

Knows: rich's tables, and how much fits on a screen. Does not know how metrics are computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerascnn.cli.base import console, padded, plain_table
from kerascnn.language import count, tr
from kerascnn.metrics.significance import SIGNIFICANT
from kerascnn.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

    from kerascnn.dataset.check.leakage import Leaks
    from kerascnn.metrics.classification import Evaluation
    from kerascnn.metrics.comparison import Comparison
    from kerascnn.metrics.outputs import Speed
    from kerascnn.metrics.significance import Interval

_WIDEST_CONFUSION = 25
"""Maximum classes of a confusion matrix; larger ones do not fit on a screen."""

_LISTED = 10
"""Maximum mistakes or changed predictions to show; --json has more."""


def show_evaluation(evaluation: Evaluation) -> None:
    """Print an evaluation."""
    out = console()
    _show_summary(evaluation)
    out.print(_class_table(evaluation))
    if len(evaluation.per_class) <= _WIDEST_CONFUSION:
        out.print("\n" + tr("confusion matrix (rows: true class, columns: predicted class)"))
        out.print(_confusion(evaluation))
    if evaluation.mistakes:
        out.print("\n" + _most_confident(min(_LISTED, len(evaluation.mistakes))))
        out.print(_mistakes(evaluation))
    if evaluation.leaks and evaluation.leaks.pictures:
        out.print()
        _show_leaks(evaluation, evaluation.leaks)
    if evaluation.skipped:
        unread = count(len(evaluation.skipped), "picture")
        out.print(tr("{pictures} could not be read", pictures=unread))


def _most_confident(shown: int) -> str:
    if shown == 1:
        return tr("the most confident mistake")
    return tr("the {count} most confident mistakes", count=shown)


def _show_summary(evaluation: Evaluation) -> None:
    out = console()
    line = "{pictures} (split {split}): top-1 {top1}, top-5 {top5} (95% intervals)"
    if len(evaluation.per_class) <= 5:  # of five classes, the five most probable are all
        line = "{pictures} (split {split}): top-1 {top1} (95% interval)"
    values = {
        "pictures": count(evaluation.images, "picture"),
        "split": evaluation.split,
        "top1": f"{evaluation.top1:.2%} {_interval(evaluation.top1_interval)}",
        "top5": f"{evaluation.top5:.2%} {_interval(evaluation.top5_interval)}",
    }
    out.print(tr(line, **values), markup=False)
    for name, value in _scores(evaluation).items():
        out.print(f"  {padded(name, 18)} {value}", markup=False)
    if evaluation.speed:
        out.print(f"  {padded(tr('speed'), 18)} {_speed(evaluation.speed)}\n")


def _speed(speed: Speed) -> str:
    return tr(
        "{speed} images/s ({what}); {alone} for the network alone",
        speed=f"{speed.images_per_second:,.0f}",
        what=tr(speed.includes),
        alone=f"{speed.network_images_per_second:,.0f}",
    )


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


def _interval(interval: Interval) -> str:
    return f"[{interval.low:.2%}, {interval.high:.2%}]"


def _class_table(evaluation: Evaluation) -> Table:
    numbers = (tr("precision"), tr("recall"), "F1", "ROC AUC", "AP", tr("pictures"))
    table = plain_table(tr("class"), numbers=numbers)
    for score in evaluation.per_class:
        shares = (f"{value:.2%}" for value in (score.precision, score.recall, score.f1))
        areas = (
            "-" if value is None else f"{value:.4f}"
            for value in (score.roc_auc, score.average_precision)
        )
        table.add_row(plain(score.label), *shares, *areas, f"{score.support:,}")
    return table


def _confusion(evaluation: Evaluation) -> Table:
    table = plain_table(
        "", "", numbers=[str(number) for number in range(len(evaluation.confusion))]
    )
    for number, (score, row) in enumerate(
        zip(evaluation.per_class, evaluation.confusion, strict=True)
    ):
        table.add_row(str(number), plain(score.label), *(f"{cell:,}" for cell in row))
    return table


def _mistakes(evaluation: Evaluation) -> Table:
    table = plain_table(*map(tr, ("picture", "true class", "predicted class")))
    for mistake in evaluation.mistakes[:_LISTED]:
        answer = f"{mistake.answer} {mistake.probability:.1%}"
        table.add_row(plain(mistake.path), plain(mistake.truth), plain(answer))
    return table


def _show_leaks(evaluation: Evaluation, leaks: Leaks) -> None:
    console().print(
        tr(
            "also in {splits}: {count} of these pictures ({equal} with identical pixels, {near} "
            "nearly the same), so the model may have memorized them",
            splits=tr(" and ").join(map(tr, leaks.against)),
            count=f"{len(leaks.pictures):,}",
            equal=f"{leaks.exact:,}",
            near=f"{len(leaks.pictures) - leaks.exact:,}",
        )
    )
    if evaluation.top1_without_leaks is not None:
        top1 = f"{evaluation.top1_without_leaks:.2%}"
        console().print(tr("top-1 without them {top1}", top1=top1))
    _show_twins(leaks)


def _show_twins(leaks: Leaks) -> None:
    table = plain_table(*map(tr, ("picture", "class", "duplicate of", "class", "similarity")))
    for leak in leaks.pictures[:_LISTED]:
        names = (leak.path, leak.label, leak.twin, leak.twin_label)
        alike = tr("equal") if leak.exact else f"{leak.similarity:.3f}"
        table.add_row(*map(plain, names), alike)
    console().print(table)


def show_comparison(comparison: Comparison) -> None:
    """Print a comparison of two models."""
    out = console()
    pictures = count(comparison.images, "picture")
    out.print(tr("{pictures} (split {split})", pictures=pictures, split=comparison.split))
    out.print(_accuracies(comparison))
    out.print(
        tr(
            "both correct {right}, both wrong {wrong}; largest difference in probability "
            "{difference}",
            right=f"{comparison.both_right:,}",
            wrong=f"{comparison.both_wrong:,}",
            difference=f"{comparison.largest_difference:.2g}",
        )
    )
    test = tr("McNemar's exact test: p = {value}.", value=f"{comparison.p_value:.3g}")
    out.print(f"{test} {_verdict(comparison)}")
    _show_changed(comparison)


def _accuracies(comparison: Comparison) -> Table:
    table = plain_table("", numbers=("top-1", tr("only this one correct")))
    for letter, model, top1, alone in (
        ("A", comparison.a, comparison.a_top1, comparison.only_a_right),
        ("B", comparison.b, comparison.b_top1, comparison.only_b_right),
    ):
        table.add_row(plain(f"{letter}  {model}"), f"{top1:.2%}", f"{alone:,}")
    return table


def _show_changed(comparison: Comparison) -> None:
    out = console()
    if comparison.changed:
        out.print(
            "\n" + tr("predictions that differ: {count}", count=f"{len(comparison.changed):,}")
        )
        out.print(_changed(comparison))
    if len(comparison.changed) > _LISTED:
        more = f"{len(comparison.changed) - _LISTED:,}"
        out.print(tr("... and {count} more; --json lists all", count=more))


def _verdict(comparison: Comparison) -> str:
    if comparison.p_value >= SIGNIFICANT:
        return tr("These pictures do not show that either is better.")
    better = "A" if comparison.only_a_right > comparison.only_b_right else "B"
    return tr("{model} is better on pictures like these.", model=better)


def _changed(comparison: Comparison) -> Table:
    table = plain_table(tr("picture"), tr("true class"), "A", "B")
    for one in comparison.changed[:_LISTED]:
        answers = (f"{one.a} {one.a_probability:.1%}", f"{one.b} {one.b_probability:.1%}")
        table.add_row(plain(one.path), plain(one.truth), *map(plain, answers))
    return table


def plain(name: str) -> str:
    """Escape a name for rich and for the terminal."""
    from rich.markup import escape

    return escape(printable(name.encode("utf-8", "replace").decode()))
