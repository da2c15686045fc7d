"""Dynamic batching: fewer runs, the same answers, and nobody waits for nobody."""

import asyncio
import threading

import numpy as np
import pytest

from kerascnn import Classifier, images
from kerascnn.serving.admission import AdmissionControl
from kerascnn.serving.batching import Batcher
from kerascnn.serving.http.errors import HttpError

FOR_EVER = 1e6
"""Seconds to wait for other pictures: nobody's patience, so a test fails if they are waited out."""


def finished(main):
    """Run a test's coroutine; the limit only ends one that would wait for ever."""
    return asyncio.run(asyncio.wait_for(main(), 100))


@pytest.fixture(scope="module")
def classifier(exported):
    with Classifier(exported) as classifier:
        yield classifier


@pytest.fixture(scope="module")
def sized(classifier, pictures):
    card = classifier.card
    return [images.size_picture(picture, card.image_size, card.resize) for picture in pictures]


def batcher(classifier, sizes=None, **options):
    defaults = {"max_batch": 8, "max_wait": 0.0}
    seen = sizes if sizes is not None else []
    return Batcher([classifier.run], **defaults | options, observe=lambda n, _s: seen.append(n))


def test_answers_are_those_of_single_calls(classifier, sized):
    async def main():
        sizes = []
        many = batcher(classifier, sizes)
        parts = [sized[0:1], sized[1:4], sized[4:5], sized[5:25], sized[25:40]]
        answers = await asyncio.gather(*(many.submit(part) for part in parts))
        return np.concatenate([answer.logits for answer in answers]), sizes

    logits, sizes = finished(main)
    alone = np.concatenate([classifier.run(picture[None])[0] for picture in sized])
    np.testing.assert_allclose(logits, alone, rtol=0, atol=1e-5)
    assert (logits.argmax(1) == alone.argmax(1)).all()
    assert sum(sizes) == 40
    assert max(sizes) == 8
    assert set(sizes) <= {1, 2, 4, 8}


def test_copies_run_side_by_side(classifier, sized):
    together = threading.Barrier(2, timeout=100)  # breaks if only one runs at a time

    def run(batch):
        together.wait()
        return classifier.run(batch)

    async def main():
        two = Batcher([run, run], 1, 0.0)
        answers = await asyncio.gather(*(two.submit([picture]) for picture in sized[:4]))
        return np.concatenate([answer.logits for answer in answers])

    expected = np.concatenate([classifier.run(picture[None])[0] for picture in sized[:4]])
    np.testing.assert_allclose(finished(main), expected, atol=1e-5)


def test_alone_it_does_not_wait(classifier, sized):
    async def main():
        sizes = []
        await batcher(classifier, sizes, max_wait=FOR_EVER).submit(sized[:1])
        return sizes

    assert finished(main) == [1]


def test_it_waits_no_longer_than_it_was_told(classifier, sized):
    async def main():
        sizes = []
        one = batcher(classifier, sizes, max_wait=0.001)
        with one.expect_more():  # they never come
            await one.submit(sized[:1])
        return sizes

    assert finished(main) == [1]


@pytest.mark.parametrize(("max_wait", "runs"), [(FOR_EVER, [2]), (0.0, [1, 1])])
def test_it_waits_for_those_on_their_way(classifier, sized, max_wait, runs):
    async def main():
        sizes = []
        two = batcher(classifier, sizes, max_wait=max_wait)
        with two.expect_more():
            first = asyncio.ensure_future(two.submit(sized[:1]))
            await asyncio.sleep(0)  # the first is there, or running, before the second comes
            second = asyncio.ensure_future(two.submit(sized[1:2]))
        await asyncio.gather(first, second)
        return sizes

    assert finished(main) == runs


def test_what_nobody_wants_any_longer_is_not_run(classifier, sized):
    async def main():
        sizes = []
        some = batcher(classifier, sizes, max_wait=FOR_EVER)
        with some.expect_more():
            jobs = [asyncio.ensure_future(some.submit([picture])) for picture in sized[:3]]
            await asyncio.sleep(0)
            jobs[0].cancel()
            jobs[2].cancel()
        await jobs[1]
        return sizes

    assert finished(main) == [1]


def test_the_queue_is_bounded():
    few = AdmissionControl(8)
    with few.admit(5, deadline=10):
        with pytest.raises(HttpError, match="5 pictures are waiting") as refused:
            few.admit(4, deadline=10).__enter__()
        with few.admit(3, deadline=10):
            assert few.taken == 8
    assert few.taken == 0
    assert refused.value.status == 503
    assert refused.value.headers["Retry-After"] == "1"


def test_a_failing_network_fails_its_requests_only(classifier, sized):
    calls = []

    def broken(batch):
        calls.append(len(batch))
        if len(calls) == 1:
            raise ValueError("out of order")
        return classifier.run(batch)

    async def main():
        one = Batcher([broken], 8, 0.0)
        with pytest.raises(ValueError, match="out of order"):
            await one.submit(sized[:1])
        return await one.submit(sized[:1])

    np.testing.assert_allclose(finished(main).logits, classifier.run(sized[0][None])[0])
