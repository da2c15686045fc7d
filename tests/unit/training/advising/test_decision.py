"""From facts to advice, without Keras."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kerascnn.training.advising.decision import LIMITS, advise_from, depth_for, expected
from kerascnn.training.advising.facts import Facts, StageFacts


def facts(
    per_class: int, pixels: float, *probes: float, pretrained: bool = True, flipped: float = 0.0
) -> Facts:
    stages = tuple(StageFacts(f"conv{number}", probe) for number, probe in enumerate(probes, 1))
    counts = (per_class,) * 4
    return Facts(counts, min(1500, 4 * per_class), pixels, stages, pretrained, flipped)


@pytest.mark.parametrize(
    ("seen", "depth"),
    [
        (facts(5, 0.4, 0.5, 0.7, 0.9), "head"),
        (facts(1000, 0.4, 0.5, 0.7, 0.9), "all"),
        (facts(1000, 0.4, 0.9, 0.8, 0.6), "all"),
        (facts(5, 0.4, 0.9, 0.8, 0.6), "all"),
        (facts(100, 0.9, 0.85, 0.7, 0.5), "scratch"),
        (facts(5, 0.4, 0.5, 0.7, 0.9, pretrained=False), "scratch"),
    ],
)
def test_the_quadrants(seen: Facts, depth: str) -> None:
    assert depth_for(seen) == depth


def test_more_pictures_never_make_it_shallower() -> None:
    order = ("head", "last", "middle", "all", "scratch")
    depths = [order.index(depth_for(facts(n, 0.4, 0.5, 0.9))) for n in (2, 5, 20, 100, 1000)]
    assert depths == sorted(depths)
    assert depths[0] < depths[-1]


def test_a_head_is_fitted_alone_before_anything_deeper() -> None:
    advice = advise_from(facts(1000, 0.4, 0.5, 0.9), 0.01)
    assert [phase.split(":")[0] for phase in advice.phases] == ["head", "all"]
    assert float(advice.phases[1].split(":")[2]) == pytest.approx(advice.learning_rate)
    assert advice.learning_rate < 0.01
    assert advise_from(facts(5, 0.4, 0.5, 0.9), 0.01).phases == ("head:fit",)


def test_augmentation_follows_the_flipped_probe() -> None:
    assert advise_from(facts(1000, 0.4, 0.5, 0.9, flipped=0.95), 0.01).augment == "light"
    assert advise_from(facts(1000, 0.4, 0.5, 0.9, flipped=0.8), 0.01).augment == "none"


def test_more_pictures_narrow_what_is_expected() -> None:
    widths = [high - low for low, high in (expected(facts(n, 0.4, 0.5, 0.9)) for n in (5, 50, 375))]
    assert widths == sorted(widths, reverse=True)
    for n in (5, 50, 375):
        low, high = expected(facts(n, 0.4, 0.5, 0.9))
        assert 0.25 <= low < high <= 1


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (facts(3, 0.4, 0.5, 0.6), "too little data"),
        (facts(300, 0.2, 0.26, 0.27), "not separable"),
        (facts(300, 0.2, 0.5, 0.7, pretrained=False), "random weights"),
    ],
)
def test_doubts_are_told(seen: Facts, word: str) -> None:
    assert any(word in doubt for doubt in advise_from(seen, 0.01).doubts)


def test_random_weights_are_not_said_to_say_less_than_pixels() -> None:
    advice = advise_from(facts(300, 0.2, 0.5, 0.7, pretrained=False), 0.01)
    told = " ".join(advice.reasons)
    assert "nothing to transfer" in told
    assert "pixels" not in told
    assert advice.quadrant == ("large", "unknown")


@pytest.mark.parametrize("pixels", [0.2, 0.29])
def test_of_inseparable_classes_nothing_is_said_that_needs_separable_ones(pixels: float) -> None:
    advice = advise_from(facts(300, pixels, 0.26, 0.25), 0.01)
    assert advice.depth == ("scratch" if pixels > 0.25 else "all")
    told = " ".join(advice.reasons)
    assert "enough pictures" not in told
    assert "similar to what the backbone was trained on:" not in told
    assert "differs from" not in told
    assert "is unknown" in told
    assert advice.quadrant == ("large", "unknown")


def test_a_backbone_in_the_way_is_said_to_be() -> None:
    told = " ".join(advise_from(facts(100, 0.9, 0.85, 0.5), 0.01).reasons)
    assert "less informative than the pixels, and there are enough pictures" in told
    assert "differs from what the backbone was trained on" in told


def test_good_data_raises_no_doubt() -> None:
    advice = advise_from(facts(300, 0.4, 0.5, 0.9), 0.01)
    assert not advice.doubts
    assert advice.quadrant == ("large", "similar")
    assert LIMITS.few < 300


def test_deciding_never_meets_keras() -> None:
    code = (
        "import sys; from kerascnn.training.advising import decision; "
        "assert not {'keras', 'tensorflow', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
