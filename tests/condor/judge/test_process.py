"""Work is done by another process, and what is too much for that one costs nobody else."""

import asyncio
import contextlib
import os
import signal

import pytest

from glasnost.condor.classad import Ad
from glasnost.condor.collector import Collector, Work
from glasnost.condor.judge import Judge, evaluate
from glasnost.condor.judge import process as judge_process
from glasnost.errors import Refused

GOOD = Work("A > 1 && B =!= undefined", [b"A = 1\0B = 1", b"A = 2\0B = 1", b"A = 3", b""])
#: A text doubled forty times.
BOMB = Work(
    "size(A40) > 0",
    [
        b"\0".join(
            [b'A0 = "xxxxxxxx"']
            + [b"A%d = strcat(A%d, A%d)" % (at + 1, at, at) for at in range(40)]
        )
    ],
)


def test_the_process_says_what_the_library_says() -> None:
    async def scenario() -> None:
        judge = Judge()
        try:
            many = Work(GOOD.expression, GOOD.rows * 10_000)
            assert await judge.verdicts([GOOD, many, Work("true")]) == [
                evaluate(work.expression, work.rows) for work in (GOOD, many, Work("true"))
            ]
            assert await judge.verdicts([]) == []
        finally:
            await judge.aclose()

    asyncio.run(scenario())


def test_what_is_no_expression_is_refused_and_the_next_is_not() -> None:
    async def scenario() -> None:
        judge = Judge()
        try:
            with pytest.raises(Refused, match="no expression"):
                await judge.verdicts([Work("((", [b""])])
            assert await judge.verdicts([GOOD]) == [[False, True, False, False]]
        finally:
            await judge.aclose()

    asyncio.run(scenario())


def test_bytes_that_are_no_text_cost_nothing() -> None:
    collector = Collector()
    lines = [b'Name = "a"', b'MyAddress = "<h:1>"', b'X = "\xff"']
    collector.update(1, Ad.from_lines(lines), 0)
    asked = Ad.from_lines([b'Requirements = X == "\xff" || X =!= "\xfe\n" || true'])

    async def scenario() -> None:
        judge = Judge()
        try:
            answer = collector.query(6, asked)
            assert await judge.verdicts(answer.work) == [[True]]
        finally:
            await judge.aclose()

    asyncio.run(scenario())


def test_what_takes_too_much_memory_does_not_get_it() -> None:
    async def scenario() -> None:
        judge = Judge(timeout=20, memory=768 * 1024**2)
        try:
            with contextlib.suppress(Refused):  # the process may not survive it
                assert await judge.verdicts([BOMB]) == [[False]]
            assert await judge.verdicts([GOOD]) == [[False, True, False, False]]
        finally:
            await judge.aclose()

    asyncio.run(scenario())


def test_what_takes_too_long_is_ended() -> None:
    async def scenario() -> None:
        judge = Judge()
        try:
            await judge.verdicts([GOOD])  # it is there
            judge._timeout = 0.2
            endless = Work(GOOD.expression, [b"A = %d" % at for at in range(300_000)])
            with pytest.raises(Refused, match="too much time or memory"):
                await judge.verdicts([endless])
            judge._timeout = 20
            assert await judge.verdicts([GOOD]) == [[False, True, False, False]]
        finally:
            await judge.aclose()

    asyncio.run(scenario())


def test_a_process_that_dies_is_replaced() -> None:
    async def scenario() -> None:
        judge = Judge()
        try:
            await judge.verdicts([GOOD])
            assert judge._process is not None
            os.kill(judge._process.pid, signal.SIGKILL)
            with pytest.raises(Refused, match="too much"):
                await judge.verdicts([GOOD])
            assert await judge.verdicts([GOOD]) == [[False, True, False, False]]
        finally:
            await judge.aclose()

    asyncio.run(scenario())


def test_who_asks_and_goes_leaves_nothing_to_the_next() -> None:
    async def scenario() -> None:
        judge = Judge()
        try:
            first = asyncio.ensure_future(judge.verdicts([Work("true", [b""] * 50_000)]))
            second = asyncio.ensure_future(judge.verdicts([GOOD]))
            await asyncio.sleep(0)  # both are under way
            first.cancel()
            assert await second == [[False, True, False, False]]
        finally:
            await judge.aclose()

    asyncio.run(scenario())


def test_without_the_extra_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_process, "is_here", lambda: False)
    judge = Judge()
    with pytest.raises(Refused, match=r'may be true or Name == "\.\.\." only'):
        asyncio.run(judge.verdicts([GOOD]))
    assert asyncio.run(judge.verdicts([])) == []
