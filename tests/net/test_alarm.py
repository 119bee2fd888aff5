"""Alarms: ringing when something is due, at a fake time."""

from __future__ import annotations

import asyncio

from glasnost.net.alarm import Alarm
from tests.net.clock import run_fake


class Rung:
    """An alarm, and the times at which it rang."""

    def __init__(self, fast: float = 1.0) -> None:
        loop = asyncio.get_running_loop()
        self.times: list[float] = []
        self.alarm = Alarm(self.times.append, lambda: loop.time() * fast)


def test_it_rings_once_when_it_is_due() -> None:
    async def scenario() -> None:
        rung = Rung()
        rung.alarm.set(5.0)
        await asyncio.sleep(4.9)
        assert rung.times == []
        await asyncio.sleep(20)
        assert rung.times == [5.0]

    run_fake(scenario())


def test_an_earlier_deadline_replaces_a_later_one_and_not_the_other_way_round() -> None:
    async def scenario() -> None:
        rung = Rung()
        for at in (5.0, 3.0, 4.0, None):
            rung.alarm.set(at)
        await asyncio.sleep(20)
        assert rung.times == [3.0]
        rung.alarm.set(24.0)  # what is later is set once it has rung
        await asyncio.sleep(20)
        assert rung.times == [3.0, 24.0]

    run_fake(scenario())


def test_what_is_past_rings_at_once_and_not_within_the_call() -> None:
    async def scenario() -> None:
        rung = Rung()
        await asyncio.sleep(9)
        rung.alarm.set(2.0)
        assert rung.times == []
        await asyncio.sleep(0.1)
        assert rung.times == [9.0]

    run_fake(scenario())


def test_a_clock_that_runs_behind_its_timer_is_not_shown_to_the_core() -> None:
    async def scenario() -> None:
        rung = Rung(fast=0.999)  # when the timer fires, it is not yet 5 by this clock
        rung.alarm.set(5.0)
        await asyncio.sleep(6)
        assert rung.times == [5.0]

    run_fake(scenario())


def test_a_cancelled_one_is_silent_until_it_is_set_again() -> None:
    async def scenario() -> None:
        rung = Rung()
        rung.alarm.set(1.0)
        rung.alarm.cancel()
        await asyncio.sleep(5)
        assert rung.times == []
        rung.alarm.set(6.0)
        await asyncio.sleep(5)
        assert rung.times == [6.0]

    run_fake(scenario())
