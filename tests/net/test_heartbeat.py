"""The heartbeat: what was slept through, and how late the loop is."""

from __future__ import annotations

import asyncio
import logging

import pytest

from glasnost.net.heartbeat import ASLEEP, Heartbeat
from tests.net.pairs import LOOPS, run, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)


class Clock:
    """Goes on by one beat each time that it is asked, and by what it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_sleep_is_told_once_and_with_its_length(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        clock, slept, beats = Clock(), list[float](), list[int]()
        heart = Heartbeat(slept.append, lambda: beats.append(1), every=0.0, clock=clock)
        heart.start()
        await until(lambda: len(beats) >= 3)
        assert slept == [] and heart.lag == 0
        clock.now += 600
        await until(lambda: slept)
        seen = len(beats)
        await until(lambda: len(beats) >= seen + 3)
        assert slept == [600.0]
        assert heart.lag == 0  # what was slept through says nothing about how busy the loop is
        heart.stop()

    with caplog.at_level(logging.INFO):
        run(loop, scenario())
    assert "nothing ran here for 600 s" in caplog.text


def test_a_loop_that_is_busy_is_late_and_not_asleep(loop: str) -> None:
    async def scenario() -> None:
        clock, slept, beats = Clock(), list[float](), list[int]()
        heart = Heartbeat(slept.append, lambda: beats.append(1), every=0.0, clock=clock)
        heart.start()
        clock.now += ASLEEP - 1
        await until(lambda: len(beats) >= 3)
        assert slept == [] and heart.lag == ASLEEP - 1
        assert "late by 4.000 s" in repr(heart)
        heart.stop()
        seen = len(beats)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(beats) == seen

    run(loop, scenario())


def test_the_clock_goes_on_while_the_machine_sleeps(loop: str) -> None:
    """It cannot be sent to sleep here; but its clock is the one that the kernel promises so."""
    import time

    from glasnost.net.heartbeat import _awake_or_not

    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= _awake_or_not() <= time.clock_gettime(time.CLOCK_BOOTTIME)
