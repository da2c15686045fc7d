"""When a phase ends for want of a better epoch, and which epochs each phase took."""

import pytest

from kerascnn.training import phases
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.phases import Phase, out_of_patience, phase_ends

HEAD, ALL = Phase("head", 4, 0.01), Phase("all", 5, 0.001)


def history(*accuracies: float) -> list[EpochRecord]:
    return [EpochRecord(n, 0.1, 1.0, 0.5, 1.0, a, 1.0, 1.0) for n, a in enumerate(accuracies, 1)]


@pytest.mark.parametrize(
    ("accuracies", "patience", "ends"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], None, [(HEAD, 1, 4), (ALL, 5, 9)]),
        # Epoch 1 is the best of the head's, and two without a better one are enough.
        ([0.5, 0.4, 0.4, 0.6, 0.7, 0.8, 0.8, 0.8], 2, [(HEAD, 1, 3), (ALL, 4, 8)]),
        ([0.5, 0.4, 0.4, 0.6, 0.3, 0.3], 2, [(HEAD, 1, 3), (ALL, 4, 6)]),
        ([0.5, 0.4], 2, [(HEAD, 1, 2)]),  # stopped by hand
        ([], 2, []),
    ],
)
def test_the_epochs_of_each_phase(accuracies, patience, ends) -> None:
    assert list(phase_ends((HEAD, ALL), history(*accuracies), patience)) == ends


def test_a_long_history_is_read_once(monkeypatch) -> None:
    ranked = []
    monkeypatch.setattr(phases, "validation_rank", lambda one: (ranked.append(one), one.epoch))
    long = Phase("all", 1_000, 0.001)
    assert list(phase_ends((long,), history(*[0.5] * 1_000), 900)) == [(long, 1, 1_000)]
    assert len(ranked) < 5_000


def test_a_new_phase_has_its_own_patience() -> None:
    worse = history(0.9, 0.1, 0.1, 0.1)
    assert not out_of_patience(worse, 1, 2)  # the first epoch of the second phase
    assert out_of_patience(worse, 2, 2)
