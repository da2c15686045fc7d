"""A session at fixed places of memory answers as a plain one; what it replays is checked first.

On the CPU, whose memory onnxruntime binds as it does a GPU's; it has no graphs, so one that
goes wrong is imitated.
"""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from kerascnn.dataset import load_dataset, sized_pictures
from kerascnn.inference.runtime.io_binding import MAX_SHAPES, BoundSession, run_on_device_thread

OUTPUTS = ["logits", "probabilities"]


@pytest.fixture(scope="module")
def session(exported: Path) -> Any:
    return onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Real pictures, sized: uint8 [40, 32, 32, 3]."""
    found = load_dataset("fashion-mini").splits["test"].pictures
    return np.stack(list(islice(sized_pictures(found, 32, "pad"), 40)))


class Recording:
    """A session whose recordings go well, or are ``stale`` when replayed, or cannot be ``made``."""

    def __init__(self, session: Any, wrong: str = "") -> None:
        self._session, self._wrong = session, wrong
        self.numbers: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        number = options.get_run_config_entry("gpu_graph_id")
        replay = number != "-1" and number in self.numbers
        self.numbers.append(number)
        if number != "-1" and self._wrong == "made":
            raise RuntimeError("operation not permitted when stream is capturing")
        if not (replay and self._wrong == "stale"):  # which leaves the recorded run's outputs
            self._session.run_with_iobinding(binding, options)


def assert_same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("graphs", [False, True])
def test_every_call_answers_for_its_own_pictures(session, pictures, graphs: bool) -> None:
    bound = BoundSession(session, "cpu", (lambda: session) if graphs else None)
    kept = []
    for start in (0, 7, 14):
        for count in (1, 3, 16, 1):
            part = {"image": pictures[start : start + count]}
            expected = session.run(OUTPUTS, part)
            found = bound.run(OUTPUTS, part)
            assert_same(found, expected)
            kept.append((found, expected))
    for found, expected in kept:  # no later call writes into earlier answers
        assert_same(found, expected)


def test_outputs_come_in_the_order_asked_for(session, pictures) -> None:
    bound = BoundSession(session, "cpu")
    logits, probabilities = session.run(OUTPUTS, {"image": pictures[:2]})
    for _ in range(3):
        assert_same(bound.run(OUTPUTS[::-1], {"image": pictures[:2]}), [probabilities, logits])
        assert_same(bound.run(["logits"], {"image": pictures[:2]}), [logits])
        assert_same(bound.run(None, {"image": pictures[:2]}), [logits, probabilities])


def test_pictures_that_are_not_contiguous_are_taken(session, pictures) -> None:
    bound = BoundSession(session, "cpu")
    flipped = pictures[:4, :, ::-1]
    expected = session.run(OUTPUTS, {"image": np.ascontiguousarray(flipped)})
    for _ in range(3):
        assert_same(bound.run(OUTPUTS, {"image": flipped}), expected)


def test_each_shape_that_comes_again_has_a_recording_of_its_own(session, pictures) -> None:
    recording = Recording(session)
    bound = BoundSession(recording, "cpu", lambda: session)
    for _ in range(3):
        for count in range(1, MAX_SHAPES + 4):
            part = {"image": pictures[:count]}
            assert_same(bound.run(OUTPUTS, part), session.run(OUTPUTS, part))
    assert {*recording.numbers} == {"-1", *(str(one + 1) for one in range(MAX_SHAPES))}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("stale", "a replayed graph and an ordinary run"),
        ("made", "operation not permitted when stream is capturing"),
    ],
)
def test_a_recording_that_goes_wrong_costs_no_answer(
    session, pictures, wrong: str, told: str, caplog
) -> None:
    recording = Recording(session, wrong)
    bound = BoundSession(recording, "cpu", lambda: session)
    for start in range(6):
        part = {"image": pictures[start : start + 2]}
        assert_same(bound.run(OUTPUTS, part), session.run(OUTPUTS, part))
    assert f"continues without CUDA graphs: {told}" in caplog.text
    assert len(recording.numbers) < 6  # the session that was opened again runs the rest


def test_threads_take_turns(session, pictures) -> None:
    bound = BoundSession(session, "cpu", lambda: session)
    expected = [session.run(OUTPUTS, {"image": one[None]}) for one in pictures]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = list(pool.map(lambda one: bound.run(OUTPUTS, {"image": one[None]}), pictures))
            for ours, theirs in zip(found, expected, strict=True):
                assert_same(ours, theirs)


def test_one_thread_records_and_replays_whoever_calls(session, pictures) -> None:
    """CUDA's recordings belong to the thread that made them."""
    workers = set()

    class Watched(Recording):
        def run_with_iobinding(self, binding: Any, options: Any) -> None:
            workers.add(threading.current_thread())
            super().run_with_iobinding(binding, options)

    watched = Watched(session)
    for bound in [BoundSession(watched, "cpu", lambda: session) for _ in range(2)]:
        for _ in range(3):
            with ThreadPoolExecutor(1) as caller:
                caller.submit(bound.run, OUTPUTS, {"image": pictures[:1]}).result()
    assert len(workers) == 1
    assert threading.current_thread() not in workers


def test_what_onnxruntime_raises_comes_through(session, pictures) -> None:
    bound = BoundSession(session, "cpu")
    with pytest.raises(RuntimeError, match="nothing"):
        bound.run(["nothing"], {"image": pictures[:1]})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_does_not_wait_for_its_parents_thread() -> None:
    assert run_on_device_thread(lambda: 1) == 1
    child = os.fork()
    if not child:
        signal.alarm(100)  # if it waits, it ends
        os._exit(0 if run_on_device_thread(lambda: 2) == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
