"""Work in threads: little work is done by one of them at a time, whatever the machine does."""

from types import SimpleNamespace

import pytest

from kerascnn import parallel
from kerascnn.parallel import TakingTurns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that goes by as it is told: of the processor, and in all."""
    now = SimpleNamespace(used=0.0, passed=0.0)
    fake = SimpleNamespace(thread_time=lambda: now.used, perf_counter=lambda: now.passed)
    monkeypatch.setattr(parallel, "time", fake)
    return now


def alone(turns: TakingTurns, clock: SimpleNamespace, used: float, waited: float = 0.0) -> bool:
    """Work on two items that take so many seconds each; whether others had to wait meanwhile."""

    def work(item: int) -> bool:
        clock.used += used
        clock.passed += used + waited
        return turns._turn.locked()

    first, second = turns.each(work, [1, 2])
    assert first == second
    assert not turns._turn.locked()
    return first


def test_little_work_is_done_by_one_thread_at_a_time(clock) -> None:
    turns = TakingTurns()
    assert alone(turns, clock, 1e-4)
    assert alone(turns, clock, 0.01)  # that this is more is known only afterwards
    assert not turns.small
    assert not alone(turns, clock, 0.01)
    assert not alone(turns, clock, 1e-4)
    assert alone(turns, clock, 1e-4)


def test_waiting_is_not_little_work(clock) -> None:
    turns = TakingTurns()
    alone(turns, clock, 1e-5, waited=0.05)
    assert not alone(turns, clock, 1e-5, waited=0.05)


def test_nobody_waits_long_for_a_turn_and_errors_end_it(monkeypatch) -> None:
    monkeypatch.setattr(parallel, "_PATIENCE", 0.0)
    turns = TakingTurns()
    with turns._turn:
        assert turns.each(str, [1, 2]) == ["1", "2"]
        assert turns._turn.locked()  # it was another's, and still is
    with pytest.raises(ValueError, match="x"):
        turns.each(int, ["x"])
    assert not turns._turn.locked()
