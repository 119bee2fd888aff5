"""A program's side of the local socket: asking, being called, and what is left when it lets go."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from glasnost.core.wire import messages as m
from glasnost.core.wire.header import Call
from glasnost.errors import ProtocolError, Refused, Unavailable, UnknownName
from glasnost.net.port import Incoming
from glasnost.net.sockets import listen_unix
from glasnost.roles.agent import Agent
from glasnost.roles.agent_client import AgentClient, Link
from glasnost.version import __version__
from tests.net.pairs import turns, until
from tests.roles.agent_lab import (
    answer_of,
    call,
    everything,
    known_host,
    nothing_left_open,
    running,
)

pytestmark = pytest.mark.usefixtures("known_host")
__all__ = ["known_host"]

Scenario = Callable[[Agent, AgentClient], Awaitable[None]]


def play(folder: Path, scenario: Scenario) -> None:
    async def run() -> None:
        async with running(folder) as agent:
            assert agent.run is not None
            client = await AgentClient.connect(agent.run)
            try:
                await scenario(agent, client)
            finally:
                await client.close()
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def nobody(incoming: Incoming) -> None:
    raise AssertionError("nobody should be called")


def test_it_learns_who_and_where_it_is(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        assert (client.node, client.domain) == ("node7", "lab.glasnost.internal")
        assert client.user == agent.user and client.root == agent.root
        assert await client.where() == agent.vantage()
        status = await client.status()
        assert (status["node"], status["version"]) == ("node7", __version__)
        assert (status["pid"], status["programs"]) == (os.getpid(), [])
        with pytest.raises(UnknownName):
            await client.resolve("web.node7")
        with pytest.raises(Unavailable, match="no directory"):
            await client.listing("*")

    play(tmp_path, scenario)


def test_the_agent_says_which_programs_serve(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        await client.offer(m.Offer(name="web"), nobody)
        await client.offer(m.Offer(name="db"), nobody)
        expected = {"pid": os.getpid(), "user": client.user, "services": ["db", "web"]}
        assert (await client.status())["programs"] == [expected | {"announced": 0}]

    play(tmp_path, scenario)


def test_withdrawing_frees_the_name_for_another_program(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        assert agent.run is not None
        other = await AgentClient.connect(agent.run)
        try:
            offering = await client.offer(m.Offer(name="web"), nobody)
            assert offering.full == "web.node7.lab.glasnost.internal"
            with pytest.raises(Refused, match="already"):
                await client.offer(m.Offer(name="web"), nobody)
            with pytest.raises(Refused, match="already"):
                await other.offer(m.Offer(name="web"), nobody)
            offering.withdraw()
            await client.status()  # the agent has heard of it
            await other.offer(m.Offer(name="web"), nobody)
            offering.withdraw()
            await client.status()
            assert len(agent.services) == 1, "what is given back is not ours any more"
        finally:
            await other.close()

    play(tmp_path, scenario)


def test_an_offer_that_was_cancelled_leaves_no_name_behind(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        offering = asyncio.ensure_future(client.offer(m.Offer(name="web"), nobody))
        await asyncio.sleep(0)  # the question is on its way
        offering.cancel()
        await asyncio.wait([offering])
        await client.status()
        assert not len(agent.services)
        await client.offer(m.Offer(name="web"), nobody)

    play(tmp_path, scenario)


def test_a_dial_back_is_given_to_who_waits_for_it(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        expectation = await client.expect(30)
        caller = await call(agent, Call(reply=expectation.reply))
        with caller, await expectation.arrival() as sock:
            expectation.cancel()  # what was taken stays open
            assert sock.fileno() >= 0 and sock.gettimeout() == 0

    play(tmp_path, scenario)


def test_who_waits_no_longer_tells_the_agent(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        expectation = await client.expect(30)
        assert len(agent.replies) == 1
        expectation.cancel()
        await client.status()
        assert len(agent.replies) == 0
        late = await call(agent, Call(reply=expectation.reply))
        assert answer_of(await everything(late)).code == "unknown-reply"

    play(tmp_path, scenario)


def test_an_expectation_that_was_cancelled_while_it_was_asked_for_is_given_back(
    tmp_path: Path,
) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        expecting = asyncio.ensure_future(client.expect(30))
        await asyncio.sleep(0)
        expecting.cancel()
        await asyncio.wait([expecting])
        await client.status()
        await until(lambda: len(agent.replies) == 0)

    play(tmp_path, scenario)


def test_a_dial_back_that_came_and_was_not_taken_is_closed(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        expectation = await client.expect(30)
        caller = await call(agent, Call(reply=expectation.reply))
        await until(lambda: len(agent.replies) == 0)
        await client.status()  # the packet with the socket came before this answer
        expectation.cancel()
        assert await everything(caller) == b""

    play(tmp_path, scenario)


def test_when_the_agent_goes_whoever_waits_is_told(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        expectation = await client.expect(30)
        arrival = asyncio.ensure_future(expectation.arrival())
        question = asyncio.ensure_future(client.resolve("web.elsewhere"))
        await asyncio.sleep(0)
        await agent.close(withdraw=0)
        for waiting in (arrival, question):
            with pytest.raises(Unavailable):
                await waiting
        await client.lost
        expectation.cancel()
        with pytest.raises(Unavailable, match="has gone"):
            await client.status()

    play(tmp_path, scenario)


def test_letting_go_is_not_losing(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        await client.offer(m.Offer(name="web"), nobody)
        await client.close()
        assert client.lost.cancelled()
        await until(lambda: not len(agent.services))

    play(tmp_path, scenario)


def test_a_question_that_fits_no_packet_is_refused_here(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        with pytest.raises(Refused) as caught:
            await client.offer(m.Offer(name="web", labels={"role": "x" * 200_000}), nobody)
        assert caught.value.code == "too-large"
        await client.offer(m.Offer(name="web"), nobody)

    play(tmp_path, scenario)


# --- no agent, or one that is none ----------------------------------------------------------------


def test_no_agent_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no such file.*glasnost up"):
        asyncio.run(AgentClient.connect(tmp_path))
    with pytest.raises(Unavailable, match="too long"):
        asyncio.run(AgentClient.connect(tmp_path / ("x" * 120)))


ANSWERS: list[tuple[str, m.Message, type[Exception], str]] = [
    ("another message", m.Done(id=1), ProtocolError, "answered with Done"),
    ("another version", m.Welcome(id=1, v=9), ProtocolError, "version 9"),
    ("a refusal", m.Failed(id=1, code="version", why="too old"), Refused, "too old"),
]


@pytest.mark.parametrize(
    ("answer", "kind", "says"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS]
)
def test_an_agent_that_answers_strangely(
    tmp_path: Path, answer: m.Message, kind: type[Exception], says: str
) -> None:
    async def run() -> None:
        with listen_unix(tmp_path / "run" / "agent.sock", socket.SOCK_SEQPACKET) as listener:
            connecting = asyncio.ensure_future(AgentClient.connect(tmp_path / "run"))
            await asyncio.sleep(0)
            sock, _ = listener.accept()
            with sock:
                sock.send(m.encode(answer))
                with pytest.raises(kind, match=says):
                    await connecting
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def test_an_agent_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AgentClient._ask, "__defaults__", (0.01,))

    async def run() -> None:
        with listen_unix(tmp_path / "run" / "agent.sock", socket.SOCK_SEQPACKET):
            with pytest.raises(Unavailable, match="no answer within"):
                await AgentClient.connect(tmp_path / "run")

    asyncio.run(run())


# --- links ----------------------------------------------------------------------------------------


def test_a_link_is_shared_and_made_anew_after_the_agent_was_lost(tmp_path: Path) -> None:
    async def run() -> None:
        link = Link(tmp_path / "run")
        with pytest.raises(Unavailable):
            await link.get()
        async with running(tmp_path):
            first, again = await asyncio.gather(link.get(), link.get())
            assert first is again
        await first.lost
        with pytest.raises(Unavailable):
            await link.get()
        async with running(tmp_path):
            assert await link.get() is not first
            await link.close()
            with pytest.raises(Unavailable, match="let go"):
                await link.get()
        await turns()

    with nothing_left_open():
        asyncio.run(run())
