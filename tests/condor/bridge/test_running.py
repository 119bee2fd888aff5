"""A bridge with a collector and an agent that are real: sockets, messages, records."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from glasnost.condor.bridge.following import Following
from glasnost.condor.bridge.gathering import Gathering, question
from glasnost.condor.bridge.running import Bridge
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command
from glasnost.condor.pool import Pool
from glasnost.condor.reaching import Reaching
from glasnost.condor.server.call import Call, Then
from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.errors import ProtocolError
from glasnost.roles.agent import Agent
from glasnost.roles.agent_client import AgentClient, Link
from glasnost.roles.experience import Experience
from glasnost.roles.standing import alone
from glasnost.settings import Settings
from glasnost.stages import register
from tests.condor.bridge.ads import POOL, ad, collector
from tests.condor.daemon import answering, caller, daemon
from tests.net.pairs import until
from tests.roles.agent_lab import known_host, nothing_left_open, running

pytestmark = pytest.mark.usefixtures("known_host")
__all__ = ["known_host"]

register(HTCONDOR)

Handler = Callable[[Call], Awaitable[Then]]
ADS = [collector(), ad(), ad("StartD", "host7.example.org", "<10.0.0.7:9618?sock=startd_1>")]


def asking(*addresses: str) -> Callable[[], AsyncGenerator[list[Ad], None]]:
    """Asks collectors at these addresses, as the command does."""
    who = caller()

    async def ask() -> AsyncGenerator[list[Ad], None]:
        with Reaching(alone(Settings(), Experience()), who.config) as reaching:
            pool = Pool(who, reaching, addresses, timeout=5)
            async with contextlib.aclosing(pool.query(question())) as batches:
                async for batch in batches:
                    yield batch

    return ask


def labels(agent: Agent) -> set[str]:
    return {record.name.partition(".")[0] for record in agent.announced}


@contextlib.asynccontextmanager
async def bridging(
    agent: Agent | Link, *addresses: str, every: float = 0.05, timeout: float = 5.0
) -> AsyncGenerator[Bridge, None]:
    async def find() -> Agent | AgentClient:
        return agent if isinstance(agent, Agent) else await agent.get()

    ask = asking(*addresses)
    bridge = Bridge(ask, lambda: Gathering(POOL), find, Following(every), timeout)
    bridge.start()
    try:
        yield bridge
    finally:
        await bridge.close()


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(60):
            await scenario()

    with nothing_left_open():
        asyncio.run(run())


def test_what_a_collector_tells_of_is_resolved_at_the_agent(tmp_path: Path) -> None:
    async def scenario() -> None:
        ads = list(ADS)
        async with (
            daemon(telling(ads)) as cm,
            running(tmp_path) as agent,
            bridging(agent, cm.address),
        ):
            await until(lambda: labels(agent) >= {"schedd-submit1", "startd-host7"})
            record, _ = await agent.resolve("startd-host7.node7.lab.glasnost.internal")
            assert record.address == "site/ip4:10.0.0.7:9618/condor.sock:startd_1"
            assert record.reach == ("ip4@public", "ip4@site")
            del ads[1]
            ads.append(ad(name="submit2.example.org"))
            await until(lambda: "schedd-submit2" in labels(agent))
            assert "schedd-submit1" not in labels(agent)

    play(scenario)


def telling(ads: Sequence[Ad]) -> dict[Command, Handler]:
    """A collector that tells of whatever these are now."""

    async def answer(call: Call) -> Then:
        return await answering(list(ads))[Command.QUERY_ANY_ADS](call)

    return {Command.QUERY_ANY_ADS: answer}


def test_an_agent_that_was_started_again_is_told_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        link = Link(tmp_path / "run")
        async with daemon(answering(ADS)) as cm, bridging(link, cm.address) as bridge:
            for _ in range(2):
                async with running(tmp_path) as agent:
                    await until(lambda: len(agent.announced) == 3)
                await until(lambda: bridge.published == 0)
            await link.close()

    play(scenario)


def test_the_records_go_with_the_bridge(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with daemon(answering(ADS)) as cm, running(tmp_path) as agent:
            link = Link(tmp_path / "run")
            async with bridging(link, cm.address):
                await until(lambda: len(agent.announced) == 3)
            await link.close()
            await until(lambda: not len(agent.announced))

    play(scenario)


def test_a_collector_that_comes_back_at_the_same_place_is_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "glasnost.bridge")

    async def scenario() -> None:
        ads: list[Ad] | None = list(ADS)

        async def answer(call: Call) -> Then:
            if ads is None:
                return Then.CLOSE
            return await answering(ads)[Command.QUERY_ANY_ADS](call)

        async with (
            daemon({Command.QUERY_ANY_ADS: answer}) as cm,
            running(tmp_path) as agent,
            bridging(agent, cm.address),
        ):
            await until(lambda: len(agent.announced) == 3)
            ads = None
            await until(lambda: "does not answer" in caplog.text)
            assert len(agent.announced) == 3, "what it has said holds"
            ads = [*ADS, ad(name="submit2.example.org")]
            await until(lambda: len(agent.announced) == 4)

    play(scenario)


# --- liars ----------------------------------------------------------------------------------------


async def hangs(call: Call) -> Then:
    await asyncio.Event().wait()
    return Then.CLOSE


async def breaks_off(call: Call) -> Then:
    writer = call.stream.writer()
    writer.integer(1)
    writer.ad(ad().lines())
    await call.stream.send(writer)
    return Then.CLOSE


async def lies(call: Call) -> Then:
    writer = call.stream.writer()
    writer.integer(7)
    await call.stream.send(writer)
    return Then.CLOSE


async def says_nonsense(call: Call) -> Then:
    return await answering(NONSENSE)[Command.QUERY_ANY_ADS](call)


NONSENSE = [
    Ad.from_lines([b'MyType = "Scheduler"', b'Name = "\xff\xfe"', b'MyAddress = "<\xff:1>"']),
    Ad.from_lines([b'MyType = "Scheduler"', b"Name = strcat(1)", b"MyAddress = 7"]),
    Ad({"MyType": "Machine", "Name": "slot1@\x1b[2J", "MyAddress": "<128.105.1.1:1?addrs=x>"}),
    ad(name="submit1.example.org", LastHeardFrom=-5, DaemonStartTime="soon"),
]

LIARS = [
    ("hangs", hangs, "its answer did not come to an end within 0.5 s"),
    ("breaks off", breaks_off, "does not answer: an answer ends in the middle"),
    ("lies", lies, "the collector does not answer: "),
    ("says nonsense", says_nonsense, "the pool has 1 daemon to publish"),
]


@pytest.mark.parametrize(
    ("liar", "says"), [one[1:] for one in LIARS], ids=[one[0] for one in LIARS]
)
def test_a_collector_that_lies_or_hangs_costs_a_sentence(
    liar: Handler, says: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "glasnost.bridge")

    async def scenario() -> None:
        async with (
            daemon({Command.QUERY_ANY_ADS: liar}) as cm,
            running(tmp_path) as agent,
            bridging(agent, cm.address, timeout=0.5),
        ):
            await until(lambda: says in caplog.text)

    play(scenario)
    assert "Traceback" not in caplog.text and "\x1b" not in caplog.text


def test_an_agent_that_does_not_do_what_it_is_asked_is_given_up_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = [ProtocolError("it answered with Pong"), ProtocolError("and again")]
    announce = AgentClient.announce

    async def sometimes(self: AgentClient, entries: Sequence[object]) -> list[str]:
        if fails:
            raise fails.pop()
        return await announce(self, entries)  # type: ignore[arg-type]

    monkeypatch.setattr(AgentClient, "announce", sometimes)

    async def scenario() -> None:
        async with daemon(answering(ADS)) as cm, running(tmp_path) as agent:
            link = Link(tmp_path / "run")
            async with bridging(link, cm.address) as bridge:
                await until(lambda: bridge.published == 3)
                assert len(agent.announced) == 3
            await link.close()

    play(scenario)
    assert not fails


def test_it_says_where_it_stands() -> None:
    assert repr(Following()) == "<Following 0 wanted, 0 told, collector answers>"
