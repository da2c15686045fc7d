"""Limits of time: all that began end in order, and one timer is enough for them."""

from __future__ import annotations

import asyncio
from unittest import mock

import pytest

from kerascnn.serving.http.deadlines import Deadlines, expire_now


def test_limits_end_in_order_unless_they_were_ended() -> None:
    over: list[str] = []

    async def work() -> None:
        limits = Deadlines[str](0.02, over.append)
        for name in "abc":
            limits.begin(name)
        limits.end("b")
        limits.end("unknown")
        while len(over) < 2:
            await asyncio.sleep(0.01)
        limits.begin("d")  # after all are over there is a timer again
        while len(over) < 3:
            await asyncio.sleep(0.01)

    asyncio.run(work())
    assert over == ["a", "c", "d"]


def test_one_timer_is_enough_for_very_many() -> None:
    async def work() -> int:
        loop, limits = asyncio.get_running_loop(), Deadlines[int](1000, print)
        with mock.patch.object(loop, "call_at", wraps=loop.call_at) as timers:
            for number in range(1000):
                limits.begin(number)
                limits.end(number)
        return timers.call_count

    assert asyncio.run(work()) == 1


def test_one_loop_after_the_other() -> None:
    over: list[str] = []
    limits = Deadlines[str](0.01, over.append)

    async def leave() -> None:
        limits.begin("left behind")

    async def work() -> None:
        limits.begin("second")
        while "second" not in over:
            await asyncio.sleep(0.01)

    asyncio.run(leave())
    asyncio.run(work())


def test_a_block_ends_as_one_with_a_timer_of_its_own() -> None:
    async def work() -> None:
        limits = Deadlines(0.01, expire_now)
        limit = asyncio.timeout(None)
        limits.begin(limit)
        async with limit:
            await asyncio.sleep(1000)

    with pytest.raises(TimeoutError):
        asyncio.run(work())


def test_a_block_that_was_left_is_not_ended() -> None:
    async def work() -> bool:
        async with asyncio.timeout(None) as limit:
            pass
        expire_now(limit)
        await asyncio.sleep(0)
        return limit.expired()

    assert not asyncio.run(work())
