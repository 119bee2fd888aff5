"""Races at exact times."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from glasnost.net.race import Lost, Won, race
from tests.net.clock import run_fake


class Track:
    """Attempts with a time and an outcome; notes when each began, and what became of it."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}
        self.cancelled: list[str] = []
        self.disposed: list[str] = []

    def runner(
        self, name: str, seconds: float, error: BaseException | None = None, stubborn: bool = False
    ) -> Callable[[], Awaitable[str]]:
        async def attempt() -> str:
            self.begun[name] = asyncio.get_running_loop().time()
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                self.cancelled.append(name)
                if not stubborn:
                    raise
            if error is not None:
                raise error
            return name

        return attempt

    async def race(
        self, *attempts: Callable[[], Awaitable[str]], timeout: float | None = None
    ) -> Won[str]:
        return await race(attempts, self.disposed.append, delay=0.25, timeout=timeout)


def test_the_best_one_wins_alone() -> None:
    track = Track()
    won = run_fake(track.race(track.runner("a", 0.1), track.runner("b", 0)))
    assert (won.index, won.result, won.begun, won.failures) == (0, "a", 1, ())
    assert track.begun == {"a": 0}


def test_the_next_one_starts_after_the_delay_and_may_win() -> None:
    track = Track()
    won = run_fake(track.race(track.runner("a", 9), track.runner("b", 0.1), track.runner("c", 9)))
    assert (won.index, won.result, won.begun) == (1, "b", 2)
    assert track.begun == {"a": 0, "b": 0.25}
    assert track.cancelled == ["a"]


def test_each_one_waits_its_turn() -> None:
    track = Track()
    won = run_fake(track.race(*(track.runner(name, 1) for name in "abcd")))
    assert won.result == "a"
    assert track.begun == {"a": 0, "b": 0.25, "c": 0.5, "d": 0.75}
    assert sorted(track.cancelled) == ["b", "c", "d"]


def test_a_failure_starts_the_next_one_at_once() -> None:
    track = Track()
    no = ConnectionRefusedError("no")
    won = run_fake(track.race(track.runner("a", 0.1, no), track.runner("b", 1)))
    assert track.begun == {"a": 0, "b": 0.1}
    [failure] = won.failures
    assert (failure.index, failure.error) == (0, no)
    assert failure.seconds == pytest.approx(0.1)


def test_after_a_failure_the_delay_counts_anew() -> None:
    track = Track()
    no = ConnectionRefusedError("no")
    run_fake(track.race(track.runner("a", 0.1, no), track.runner("b", 1), track.runner("c", 0)))
    assert track.begun == {"a": 0, "b": 0.1, "c": 0.35}


def test_of_two_at_one_moment_the_better_wins_and_the_other_is_disposed_of() -> None:
    track = Track()
    won = run_fake(track.race(track.runner("a", 0.5), track.runner("b", 0.25)))
    assert won.result == "a"
    assert track.disposed == ["b"]


def test_a_loser_that_finishes_in_spite_of_it_is_disposed_of() -> None:
    track = Track()
    won = run_fake(track.race(track.runner("a", 9, stubborn=True), track.runner("b", 0)))
    assert won.result == "b"
    assert track.disposed == ["a"]


def test_when_all_fail_each_says_why() -> None:
    track = Track()
    errors = [OSError("one"), OSError("two")]
    with pytest.raises(Lost, match="all 2 attempts failed") as lost:
        run_fake(track.race(*(track.runner(str(each), 0.1, each) for each in errors)))
    assert [failure.error for failure in lost.value.failures] == errors


def test_an_attempt_that_cancels_itself_has_failed() -> None:
    track = Track()
    no = asyncio.CancelledError()
    won = run_fake(track.race(track.runner("a", 0, no), track.runner("b", 0)))
    assert won.result == "b"
    assert isinstance(won.failures[0].error, asyncio.CancelledError)


def test_nobody_at_the_start_is_nobody_at_the_end() -> None:
    with pytest.raises(Lost) as lost:
        run_fake(Track().race())
    assert lost.value.failures == ()


def test_time_is_over_for_all_together() -> None:
    track = Track()
    late = track.runner("b", 9, stubborn=True)
    attempts = (track.runner("a", 9), late, track.runner("never", 0))
    with pytest.raises(Lost) as lost:
        run_fake(track.race(*attempts, timeout=0.4))
    assert [each.index for each in lost.value.failures] == [0, 1]
    assert [each.seconds for each in lost.value.failures] == pytest.approx([0.4, 0.15])
    assert all(isinstance(each.error, TimeoutError) for each in lost.value.failures)
    assert "never" not in track.begun
    assert track.disposed == ["b"]


def test_cancelling_ends_every_attempt() -> None:
    track = Track()

    async def scenario() -> None:
        racing = asyncio.ensure_future(
            track.race(track.runner("a", 9), track.runner("b", 9, stubborn=True))
        )
        await asyncio.sleep(0.3)
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing

    run_fake(scenario())
    assert sorted(track.cancelled) == ["a", "b"]
    assert track.disposed == ["b"]


def test_a_winner_that_nobody_takes_is_disposed_of() -> None:
    """Cancelled after the race is won, while the losers are being ended."""
    track = Track()
    leaving = asyncio.Event()

    async def slow_to_leave() -> str:
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            leaving.set()
            await asyncio.sleep(1)
        return "slow"

    async def scenario() -> None:
        racing = asyncio.ensure_future(track.race(slow_to_leave, track.runner("b", 0)))
        await leaving.wait()
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing
        assert track.disposed == ["b"]
        await asyncio.sleep(2)

    run_fake(scenario())
    assert track.disposed == ["b", "slow"]
