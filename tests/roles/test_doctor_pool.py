"""Facts that others know, asked over real sockets: directories, clocks, what a probe tells."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from glasnost.core.address import Route
from glasnost.core.doctor.facts import Seen
from glasnost.core.wire import messages as m
from glasnost.core.wire.header import Call
from glasnost.errors import Refused
from glasnost.net.dialogue import receive_in_clear, send_in_clear
from glasnost.net.port import Incoming
from glasnost.roles.agent import Agent
from glasnost.roles.agent.clients import allowed_users
from glasnost.roles.doctor import pool, reach
from glasnost.roles.doctor.visit import Visit
from glasnost.stages import Means
from glasnost.trust.certificates import make_csr
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key
from tests.roles.agent_lab import call, known_host, nothing_left_open, running

__all__ = ["known_host"]
pytestmark = pytest.mark.usefixtures("known_host")


def nobody(incoming: Incoming) -> None:
    incoming.sock.close()


async def visit_to(agent: Agent, certified: bool = True, ahead: float = 0.0) -> Visit:
    """A visit by a program of this host, whose clock is ``ahead`` seconds before the others'."""
    key = new_key()
    chain = await agent.certify("user", "", make_csr(key))
    credentials = Credentials(agent.root, agent.domain, key, chain)
    assert agent.run is not None
    means = Means(
        credentials if certified else None,
        agent.expect,
        socket_owners=allowed_users(),
        socket_directories=frozenset({str(agent.run)}),
    )
    return Visit(
        agent,
        means,
        agent.identity.pool,
        agent.settings,
        await agent.status(),
        await agent.where(),
        clock=lambda: time.time() + ahead,
    )


@asynccontextmanager
async def host_with_directory(folder: Path) -> AsyncIterator[Agent]:
    """An agent whose directory knows its names."""
    async with running(folder, directory=True) as agent:
        await agent.offer(m.Offer(name="web"), nobody)

        async def known() -> bool:
            return {one.name for one, _ in await agent.listing("*")} == {
                f"{name}.node7.{agent.domain}" for name in ("web", "directory")
            }

        async with asyncio.timeout(20):
            while not await known():  # noqa: ASYNC110 - another's memory, no event
                await asyncio.sleep(0.01)
        yield agent


def test_directories_are_asked_for_this_hosts_names_and_for_the_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        told: list[str] = []
        async with host_with_directory(tmp_path) as agent:
            found = await pool.look(await visit_to(agent), told.append)
        [one] = found.directories.directories
        assert (one.name, one.why) == ("directory.node7", "") and one.seconds > 0
        assert found.directories.expected == ("directory.node7", "web.node7")
        assert {name for name, sequence in one.names if sequence} == {
            "directory.node7",
            "web.node7",
        }
        [sample] = found.clock.samples
        assert (sample.source, sample.proven) == ("directory.node7", True)
        assert abs(sample.ahead) <= sample.bound == one.seconds / 2
        # The only host of its pool: nobody else to reach, or to be reached by.
        assert (found.brokers.listed, found.brokers.own) == ((), False)
        assert [family.attempts for family in found.outgoing] == [(), ()]
        assert (found.incoming.seen, found.incoming.askable) == ((), 0)
        assert told[0] == "asking the directories" and len(told) == 3

    with nothing_left_open():
        asyncio.run(scenario())


def test_a_clock_that_is_ahead_is_measured_with_its_bound(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with host_with_directory(tmp_path) as agent:
            found = await pool.look(await visit_to(agent, ahead=3600.0), lambda text: None)
        [sample] = found.clock.samples
        assert abs(sample.ahead + 3600.0) <= sample.bound

    asyncio.run(scenario())


def test_where_no_certificate_holds_the_authority_says_the_time_in_the_clear(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        tasks: list[asyncio.Task[None]] = []

        async def say(incoming: Incoming) -> None:
            with incoming.sock:
                question = await receive_in_clear(incoming.sock, m.Codec(m.AUTHORITY), 4096)
                assert isinstance(question, m.Root)
                await send_in_clear(incoming.sock, m.RootIs(id=1, now=time.time() + 7200))

        def take(incoming: Incoming) -> None:
            tasks.append(asyncio.create_task(say(incoming)))

        async with host_with_directory(tmp_path) as agent:
            await agent.offer(m.Offer(name="authority"), take)
            found = await pool.look(await visit_to(agent, certified=False), lambda text: None)
            await asyncio.gather(*tasks)
        [one] = found.directories.directories
        assert one.why == "this host has no certificate that holds"
        assert not found.directories.certified
        [sample] = found.clock.samples
        assert (sample.source, sample.proven) == ("the authority", False)
        assert abs(sample.ahead - 7200) <= sample.bound

    asyncio.run(scenario())


@pytest.mark.parametrize("now", [0.0, -1.0, math.nan, math.inf, 1e300])
def test_what_is_no_moment_is_no_time(tmp_path: Path, now: float) -> None:
    async def answer(message: m.Message, timeout: float) -> m.Message:
        return m.Pong(now=now)

    async def scenario() -> None:
        async with running(tmp_path) as agent:
            visit = await visit_to(agent)
            await visit.ping("broker.cm", SimpleNamespace(ask=answer))  # type: ignore[arg-type]
            assert visit.samples == []

    asyncio.run(scenario())


def test_where_nobody_says_the_time_there_is_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as agent:
            found = await pool.look(await visit_to(agent, certified=False), lambda text: None)
        assert found.clock.samples == () and found.directories.directories == ()
        assert found.brokers.listed is None, "there is no directory that could list any"

    asyncio.run(scenario())


# --- probes -------------------------------------------------------------------------------------


class Broker:
    """The channel to a broker that answers `Probe` as the test wants."""

    def __init__(self, answer: Callable[[m.Probe], Any]) -> None:
        self._answer = answer

    async def ask(self, probe: m.Probe, timeout: float) -> m.Message:
        answer: m.Message = await self._answer(probe)
        return answer


async def probed(agent: Agent, answer: Callable[[m.Probe], Any]) -> Seen:
    visit = await visit_to(agent)
    seen = await reach._probe(visit, "broker.cm", Broker(answer), "ip4", 4000)  # type: ignore[arg-type]
    assert len(agent.replies) == 0, "nobody waits for it any more"
    return seen


SEEN = "203.0.113.9:40001"


def test_a_probe_is_believed_when_its_call_arrives(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as agent:

            async def reached(probe: m.Probe) -> m.Message:
                assert probe.port == 4000
                (await call(agent, Call(reply=probe.reply))).close()
                return m.Probed(observed=SEEN, outcome="connected", seconds=0.25)

            found = await probed(agent, reached)
        assert found == Seen("broker.cm", "ip4", "203.0.113.9", 4000, "connected", True, 0.25)

    with nothing_left_open():
        asyncio.run(scenario())


def test_a_connection_that_came_to_somebody_else_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "ARRIVAL", 0.0)

    async def elsewhere(probe: m.Probe) -> m.Message:
        return m.Probed(observed="[2001:db8::7]:40001", outcome="connected")

    async def scenario() -> None:
        async with running(tmp_path) as agent:
            found = await probed(agent, elsewhere)
        assert (found.host, found.outcome, found.arrived) == ("2001:db8::7", "connected", False)

    asyncio.run(scenario())


async def _old(probe: m.Probe) -> m.Message:
    raise Refused("unknown-message", "message 'probe' is not understood here")


async def _quota(probe: m.Probe) -> m.Message:
    raise Refused("quota", "node7 has asked for 12 probes")


async def _nonsense(probe: m.Probe) -> m.Message:
    return m.Done()


async def _later(probe: m.Probe) -> m.Message:
    return m.Probed(observed=SEEN, outcome="eclipsed", why="the moon")


async def _hostile(probe: m.Probe) -> m.Message:
    return m.Probed(observed="x" * 9999 + ":1", outcome="refused", why="y" * 9999, seconds=math.nan)


async def _silent(probe: m.Probe) -> m.Message:
    return m.Probed(observed=SEEN, outcome="timeout", why="no answer within 5 s")


@pytest.mark.parametrize(
    "answer, outcome, why",
    [
        (_old, "not-asked", "it is an older release"),
        (_quota, "not-asked", "node7 has asked for 12 probes"),
        (_nonsense, "not-asked", "it answers something else"),
        (_later, "unreachable", "the moon"),
        (_silent, "timeout", "no answer within 5 s"),
        (_hostile, "refused", "y" * 300),
    ],
)
def test_whatever_a_broker_answers_is_a_fact(
    tmp_path: Path, answer: Callable[[m.Probe], Any], outcome: str, why: str
) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as agent:
            found = await probed(agent, answer)
        assert (found.outcome, found.why, found.arrived) == (outcome, why, False)
        assert found.seconds == 0.0 and len(found.host) <= 64

    asyncio.run(scenario())


DOORS = [
    "host.4f2a91/unix:%2Frun%2Fport.sock",
    "lab/ip4:10.0.0.7:9618",
    "public/ip4:203.0.113.9:9618",
    "public/ip6:[2001:db8::7]:4000",
    "public/ip4:203.0.113.9:9618/service:broker/ccb:node7",
    "public/dns:cm.example.org:9618",
]


def test_only_public_literals_are_published_to_be_dialled() -> None:
    found = reach._literals(map(Route.parse, DOORS))
    assert found == (("203.0.113.9", 9618), ("2001:db8::7", 4000))


@pytest.mark.parametrize(
    "text, direct",
    [
        ("public/ip4:203.0.113.9:9618/service:broker", True),
        ("public/ip6:[2001:db8::7]:9618/service:broker", False),
        ("lab/ip4:10.0.0.7:9618/service:broker", True),
        ("public/ip4:203.0.113.9:9618/ccb:gate/service:broker", False),
        ("public/ip4:203.0.113.9:443/tls:gate.example.org/service:broker", False),
    ],
)
def test_a_broker_sees_us_only_at_the_end_of_a_route_that_nobody_stands_in(
    text: str, direct: bool
) -> None:
    assert reach._is_direct(Route.parse(text), "ip4") == direct


def test_what_is_connected_to_is_told_with_its_source(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as agent:
            assert agent.port_number is not None
            met, source = await reach._connect("broker.cm", "127.0.0.1", agent.port_number)
            port = agent.port_number
        assert (met.why, source) == ("", "127.0.0.1") and met.seconds > 0
        refused, source = await reach._connect("broker.cm", "127.0.0.1", port)
        assert refused.why.startswith("connection refused after") and source == ""

    asyncio.run(scenario())
