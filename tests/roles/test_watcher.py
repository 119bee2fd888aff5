"""Watching through an agent: what is there, what changes, and what comes of a directory's end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import glasnost
from glasnost.core.protocols.views import Appeared, Away, Back, Gone, News, Present
from glasnost.core.wire import messages as m
from glasnost.errors import Refused, Unavailable
from glasnost.node import Node
from glasnost.roles import watcher as module
from glasnost.roles.agent import Agent
from glasnost.roles.watcher import Watcher
from tests.net.pairs import turns, until
from tests.roles.agent_lab import known_host, nothing_left_open, running, serving_directory, settle
from tests.roles.directory_lab import full, signed
from tests.trust.pool import lab

__all__ = ["known_host"]

DIRECTORY = full("directory.node7")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, known_host: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLASNOST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GLASNOST_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(module, "RETRY", (0.01, 0.05))


def play(folder: Path, scenario: Callable[[Agent], Awaitable[None]]) -> None:
    """Run a scenario on a host that was told of a directory; in the end nothing may be open."""
    settle(folder, directories=(m.Directory(DIRECTORY, ""),))

    async def run() -> None:
        async with running(folder) as agent:
            await scenario(agent)
        await turns()

    with nothing_left_open():
        asyncio.run(run())


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def following(news: AsyncGenerator[News, None], kind: type[Any], short: str = "") -> Any:
    """The next news of this kind, and of this name; what comes before is passed over."""
    async with asyncio.timeout(20):
        async for one in news:
            name = "" if isinstance(one, (Present, Away, Back)) else one.record.name
            if isinstance(one, kind) and name == (short and full(short)):
                return one
    raise AssertionError("the news ended")


def test_through_an_agent_and_a_directory(tmp_path: Path) -> None:
    async def scenario(agent: Agent) -> None:
        async with serving_directory(agent):
            news = glasnost.watch("role=db", glob="*.node7.*")
            assert await anext(news) == Present(())
            labels = {"role": "db"}
            async with (
                await glasnost.start_server(handle, "other"),
                await glasnost.start_server(handle, "db", labels=labels),
            ):
                appeared = await anext(news)
                assert isinstance(appeared, Appeared), "and not what has no such label"
                assert appeared.record.name == full("db.node7")
                assert appeared.record.labels == labels
            gone = await anext(news)
            assert isinstance(gone, Gone) and gone.record.name == full("db.node7")
            assert gone.why == "withdrawn"
            await news.aclose()

    play(tmp_path, scenario)


def test_a_directory_that_restarts_is_away_and_back_and_nothing_is_told_twice(
    tmp_path: Path,
) -> None:
    async def scenario(agent: Agent) -> None:
        async with Node() as node:
            async with (
                await glasnost.start_server(handle, "before"),
                serving_directory(agent),
            ):
                news = node.watch(glob="*.node7.*")
                await until(lambda: told_of_everything(agent))
                present = await anext(news)
                assert isinstance(present, Present)
                names = {one.name for one in present.records}
                assert full("before.node7") in names
            assert isinstance(await following(news, Away), Away)
            async with (
                await glasnost.start_server(handle, "after"),
                serving_directory(agent),
            ):
                assert await following(news, Back) == Back(DIRECTORY)
                await following(news, Gone, "before.node7")
                await following(news, Appeared, "after.node7")
            await news.aclose()

    play(tmp_path, scenario)


def told_of_everything(agent: Agent) -> bool:
    """Whether the directory has all that this host publishes."""
    return set(agent.describe()["directories"].values()) == {"told of everything"}


# --- against an agent that answers as a scenario says ---------------------------------------------


class Scripted:
    """An agent's part in watching: ``answers`` by directory, one for each question, those behind an
    event when that is set; then it does not answer."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.records: dict[str, list[m.Record]] = {}
        self.asked: list[m.Watch] = []

    async def get(self) -> Any:
        return self

    async def directories(self) -> list[str]:
        return list(self.answers)

    async def query(self, question: m.Query) -> list[tuple[m.Record, float]]:
        return [(one, 1.0) for one in self.records.get(question.directory, [])]

    async def watch(self, question: m.Watch) -> m.Changes:
        self.asked.append(question)
        left = self.answers[question.directory]
        if not left:
            await asyncio.Event().wait()
        answer = left.pop(0)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, m.Changes)
        return answer


def listen(
    agent: Scripted, scenario: Callable[[AsyncGenerator[News, None]], Awaitable[None]]
) -> None:
    async def run() -> None:
        news = Watcher(agent.get, "*", ()).news()
        try:
            async with asyncio.timeout(20):
                await scenario(news)
        finally:
            await news.aclose()

    asyncio.run(run())


WEB = signed("web.node7")
RECORD = m.decode_record(WEB.payload)


def test_it_goes_on_where_it_was_and_asks_at_once_after_a_failure() -> None:
    agent = Scripted(
        cm=[
            m.Changes(log="a", seen=5),
            m.Changes(log="a", seen=7),
            Unavailable("it was lost"),
            m.Changes(log="a", seen=8, records=(WEB,), ages=(1.0,)),
        ]
    )

    async def scenario(news: AsyncGenerator[News, None]) -> None:
        assert [await anext(news) for _ in range(4)] == [
            Present(()),
            Away("cm", "it was lost"),
            Back("cm"),
            Appeared(RECORD),
        ]

    listen(agent, scenario)
    asked = [(one.log, one.seen, one.hold > 0) for one in agent.asked[:4]]
    assert asked == [("", 0, False), ("a", 5, True), ("a", 7, True), ("a", 7, False)]


def test_who_has_missed_too_much_begins_anew_and_hears_the_difference() -> None:
    later = asyncio.Event()
    agent = Scripted(
        cm=[
            m.Changes(log="a", seen=5),
            later,
            Refused("too-old", "begin anew"),
            m.Changes(log="b", seen=1),
        ]
    )
    agent.records["cm"] = [RECORD]

    async def scenario(news: AsyncGenerator[News, None]) -> None:
        assert await anext(news) == Present((RECORD,))
        agent.records["cm"] = []
        later.set()
        gone = await anext(news)
        assert isinstance(gone, Gone) and gone.record == RECORD

    listen(agent, scenario)


def test_the_first_answer_waits_a_moment_for_the_other_directories(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is silent does not hold it up; one that is dead is said to be."""
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    agent = Scripted(one=[m.Changes(log="a")], silent=[], dead=[Unavailable("refused")] * 9)
    agent.records["one"] = [RECORD]

    async def scenario(news: AsyncGenerator[News, None]) -> None:
        assert await anext(news) == Present((RECORD,))
        assert await anext(news) == Away("dead", "refused")

    listen(agent, scenario)


def test_a_question_that_cannot_be_answered_is_an_error() -> None:
    async def scenario(news: AsyncGenerator[News, None]) -> None:
        with pytest.raises(Refused, match="no term"):
            await anext(news)

    listen(Scripted(cm=[Refused("bad-query", "no term")]), scenario)


def test_a_host_without_a_directory_says_so() -> None:
    async def scenario(news: AsyncGenerator[News, None]) -> None:
        with pytest.raises(Unavailable, match="told of no directory"):
            await anext(news)

    listen(Scripted(), scenario)


def test_directories_come_and_go_with_the_pools_description(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    agent = Scripted(one=[m.Changes(log="a")])
    agent.records["one"] = [RECORD]
    other = m.decode_record(signed("db.node8", by=lab().node("node8")).payload)
    agent.records["two"] = [other]

    async def scenario(news: AsyncGenerator[News, None]) -> None:
        assert await anext(news) == Present((RECORD,))
        del agent.answers["one"]
        agent.answers["two"] = [m.Changes(log="b")]
        heard = [await anext(news), await anext(news)]
        assert Appeared(other) in heard
        assert Gone(RECORD, "no directory has it any more") in heard

    listen(agent, scenario)


def test_a_reader_who_takes_nothing_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it does: then it hears the rest."""
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    answers = [
        m.Changes(log="a", seen=number, records=(signed(f"s{number}.node7"),), ages=(1.0,))
        for number in range(1, 9)
    ]
    later = asyncio.Event()
    agent = Scripted(cm=[m.Changes(log="a"), later, *answers])
    many = [m.decode_record(signed(f"old{number}.node7").payload) for number in range(5)]
    agent.records["cm"] = many

    async def scenario(news: AsyncGenerator[News, None]) -> None:
        assert await anext(news) == Present(tuple(many))
        first = asyncio.ensure_future(anext(news))
        await until(lambda: len(agent.asked) == 2)
        later.set()
        one = await first
        assert isinstance(one, Appeared) and one.record.name == full("s1.node7")
        for _ in range(10):
            await turns()
        assert len(agent.asked) <= 4, "two wait, and there is room for no more"
        for number in range(2, 9):
            one = await anext(news)
            assert isinstance(one, Appeared) and one.record.name == full(f"s{number}.node7")

    listen(agent, scenario)
