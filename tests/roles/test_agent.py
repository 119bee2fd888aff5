"""The agent as a whole: how it starts and ends, whom it dials for, how it keeps its certificate."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glasnost.core.address import Address, Route
from glasnost.core.routes import Vantage
from glasnost.core.wire import messages as m
from glasnost.errors import SettingsError, Unavailable, UnknownName
from glasnost.net import sockets
from glasnost.net.bridge import Stream
from glasnost.net.streams import streams
from glasnost.roles.agent import Agent, listening
from glasnost.roles.agent import upkeep as upkeep_module
from glasnost.roles.agent.brokers import UNLISTED, Brokers
from glasnost.roles.agent.lookups import Answer
from glasnost.roles.agent.upkeep import Upkeep
from glasnost.roles.home import NodeIdentity
from glasnost.roles.server import Server
from glasnost.trust import checks
from glasnost.trust.certificates import issue_node
from glasnost.trust.identity import Identity
from tests.net.pairs import exhausted, turns
from tests.roles.agent_lab import (
    CODEC,
    Program,
    known_host,
    nothing_left_open,
    readable,
    running,
    settings,
    settle,
)
from tests.roles.broker_lab import read
from tests.roles.directory_lab import until as eventually
from tests.trust.pool import DAY, Node, lab, node7

pytestmark = pytest.mark.usefixtures("known_host")
__all__ = ["known_host"]


async def greet(stream: Stream, identity: Identity | None) -> None:
    reader, writer = await streams(stream)
    writer.write(f"hello {identity}".encode())
    writer.write_eof()
    await reader.read(1)
    writer.close()


async def serving(agent: Agent, name: str = "greeter", **offer: Any) -> Server:
    async def reopen() -> Agent:
        return agent

    server = Server(m.Offer(name=name, **offer), greet, reopen)
    await server.start(agent)
    return server


# --- starting and ending --------------------------------------------------------------------------


def test_it_starts_and_ends_and_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as agent:
            assert agent.port_number
            assert repr(agent) == "<Agent node7, 0 services>"
        assert list((tmp_path / "run").iterdir()) == []
        await agent.close()
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def test_one_that_is_closed_in_the_same_breath(tmp_path: Path) -> None:
    """No task has taken its first step then, and none runs its `finally`."""

    async def run() -> None:
        agent = Agent(NodeIdentity(settle(tmp_path)), settings(), tmp_path / "run")
        await agent.start()
        await agent.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with nothing_left_open():
        asyncio.run(run())


def test_a_second_agent_leaves_the_first_ones_sockets_alone(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as agent:
            for port in (agent.port_number, 0):
                second = Agent(agent.identity, settings(port=port), tmp_path / "run")
                with pytest.raises(SettingsError):
                    await second.start()
                await second.close()
            program = Program(agent)
            assert await program.ask(m.Ping(id=1)) == m.Pong(id=1)
            program.close()

    with nothing_left_open():
        asyncio.run(run())


def test_both_protocols_listen_on_one_port_that_is_free_in_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = socket.create_server(("::1", 0), family=socket.AF_INET6)
    asked: list[tuple[str, int]] = []

    def listen_tcp(host: str, port: int) -> socket.socket:
        asked.append((host, port))
        if len(asked) == 1:  # the system gives a port that is taken in the other protocol
            port = taken.getsockname()[1]
        return sockets.listen_tcp(host, port)

    monkeypatch.setattr(listening, "listen_tcp", listen_tcp)

    async def run() -> None:
        agent = Agent(
            NodeIdentity(settle(tmp_path)), settings(listen=("127.0.0.1", "::1")), tmp_path / "run"
        )
        await agent.start()
        assert len(asked) == 4 and agent.port_number not in (None, taken.getsockname()[1])
        await agent.close()

    with taken, nothing_left_open():
        asyncio.run(run())


def test_without_descriptors_a_program_is_told_so_and_the_next_is_served(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as agent:
            assert agent.run is not None
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as early:
                early.setblocking(False)
                with exhausted():
                    early.connect(str(agent.run / "agent.sock"))
                    await readable(early)
                    said = CODEC.decode(early.recv(1000))
                assert isinstance(said, m.Failed)
                assert (said.code, said.why) == ("busy", "this agent has no descriptors left")
                assert early.recv(1000) == b""
            program = Program(agent)
            assert await program.ask(m.Ping(id=1)) == m.Pong(id=1)
            program.close()

    with nothing_left_open():
        asyncio.run(run())


def test_closing_withdraws_what_was_published_and_publishes_nothing_more(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path, directory=True) as agent:
            server = await serving(agent)
            program = Program(agent)
            await program.ask(m.Offer(id=1, name="other"))

            async def listed() -> set[str]:
                return {record.name.partition(".")[0] for record, _ in await agent.listing("*")}

            async def has_all() -> bool:
                return await listed() == {"directory", "greeter", "other"}

            async def has_less() -> bool:
                return await listed() == {"directory", "other"}

            await eventually(has_all)
            await server.close()
            await eventually(has_less)
        program.close()
        await turns()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with nothing_left_open():
        asyncio.run(run())


# --- names and dialling ---------------------------------------------------------------------------


def test_a_program_that_only_asks_gets_a_socket(tmp_path: Path) -> None:
    """Sealed: one end of a local pair, and the agent copies; plain: the very connection."""

    async def run() -> None:
        async with running(tmp_path) as agent:
            servers = [await serving(agent), await serving(agent, "open", protection="plain")]
            program = Program(agent)
            greetings = {"greeter.node7": f"hello {agent.user}@node7", "open.node7": "hello None"}
            for name, said in greetings.items():
                program.send(m.Dial(id=1, name=name))
                dialled, sock = await program.receive()
                assert isinstance(dialled, m.Dialled) and sock is not None
                assert dialled.full == f"{name}.lab.glasnost.internal"
                assert dialled.protection == ("plain" if name.startswith("open") else "sealed")
                with sock:
                    assert await read(sock, 100) == said.encode()
                if dialled.protection == "sealed":
                    assert await program.receive() == (m.Done(id=1), None), "how it ended"
            program.close()
            for server in servers:
                await server.close()
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def test_closing_cuts_what_is_copied(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as agent:
            server = await serving(agent)
            program = Program(agent)
            program.send(m.Dial(id=1, name="greeter.node7"))
            _, sock = await program.receive()
            assert sock is not None
            await server.close()
        with sock:
            await read(sock, 1000)
        program.close()
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def test_a_name_of_this_host_is_known_here_and_only_here(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path, directory=True) as agent:
            server = await serving(agent)
            record, age = await agent.resolve("greeter.node7")
            assert age == 0.0 and record.address.startswith("host.4f2a91/unix:")
            await server.close()
            with pytest.raises(UnknownName, match="no service 'greeter' is registered on node7"):
                await agent.resolve("greeter.node7")
            with pytest.raises(UnknownName):
                await agent.resolve("greeter.node8")

    with nothing_left_open():
        asyncio.run(run())


def test_what_is_on_a_host_without_doors_is_not_there(tmp_path: Path) -> None:
    async def run() -> None:
        agent = Agent(NodeIdentity(settle(tmp_path)), settings(), None)
        with pytest.raises(Unavailable, match="on this host, which has no port"):
            agent.dialling.address_of("authority", "")
        assert agent.dialling.address_of("authority", "public/ip4:192.0.2.1:9") == Address.parse(
            "public/ip4:192.0.2.1:9"
        )
        await agent.close()

    asyncio.run(run())


# --- brokers --------------------------------------------------------------------------------------


class Listed:
    """Lookups that know these brokers."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses

    async def lookup(self, name: str) -> Answer:
        if name not in self.addresses:
            raise UnknownName("unknown-name", f"no {name}")
        return Answer(m.Record(name, self.addresses[name]), m.Signed(b"", b"", b""), 0.0)

    async def all(self, glob: str) -> list[Answer]:
        return [await self.lookup(name) for name in self.addresses]


def broker(node: str) -> str:
    return f"broker.{node}.lab.glasnost.internal"


def test_a_brokers_own_text_cannot_spoil_what_this_host_publishes(tmp_path: Path) -> None:
    async def run() -> None:
        agent = Agent(NodeIdentity(settle(tmp_path)), settings(broker_count=9), tmp_path / "run")
        brokers = Brokers(agent)
        long = "public/ip4:192.0.2.1:9" + "/service:x" * 15
        addresses = {
            broker("evil"): f"{long},public/ip4:192.0.2.2:9/service:broker",
            broker("garbage"): "this is no address",
            broker("node7"): "public/ip4:192.0.2.3:9/service:broker",
        }
        await brokers.look(Listed(addresses))  # type: ignore[arg-type]
        assert list(map(str, brokers.doors())) == [
            "public/ip4:192.0.2.2:9/service:broker/ccb:node7"
        ], "and nobody is his own broker"
        await brokers.close()
        await agent.close()

    with nothing_left_open():
        asyncio.run(run())


def test_brokers_that_are_registered_with_each_other_do_not_lead_round_in_circles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The routes of another broker through our own door, or through the contact that we have there,
    are for nobody; those through a third host are."""

    async def run() -> None:
        agent = Agent(NodeIdentity(settle(tmp_path)), settings(), tmp_path / "run")
        here = Vantage(returns=(Route.parse("public/ip4:192.0.2.7:9"),))
        monkeypatch.setattr(agent, "vantage", lambda: here)
        brokers = Brokers(agent)
        good = (
            "public/ip4:192.0.2.2:9/service:broker",
            "public/ip4:192.0.2.3:9/service:broker/ccb:b2/service:broker",
        )
        round_about = (
            "public/ip4:192.0.2.7:9/service:broker/ccb:b2/service:broker",
            "public/ip4:192.0.2.2:9/service:broker/ccb:node7/service:broker/ccb:b2/service:broker",
        )
        await brokers.look(Listed({broker("b2"): ",".join((*good, *round_about))}))  # type: ignore[arg-type]
        assert list(map(str, brokers.doors())) == [f"{route}/ccb:node7" for route in good]
        await brokers.close()
        await agent.close()

    with nothing_left_open():
        asyncio.run(run())


def test_programs_without_an_agent_are_not_in_each_others_place(tmp_path: Path) -> None:
    """Each has a contact of its own, and none has that of the node: an agent may come."""

    async def run() -> None:
        home, doors = settle(tmp_path), set()
        there = {broker("cm"): "public/ip4:192.0.2.2:9/service:broker"}
        for _ in range(2):
            agent = Agent(NodeIdentity(home), settings(), None)
            brokers = Brokers(agent)
            await brokers.look(Listed(there))  # type: ignore[arg-type]
            doors |= {str(door) for door in brokers.doors()}
            await brokers.close()
            await agent.close()
        assert len(doors) == 2
        assert all("/service:broker/ccb:node7." in door for door in doors), doors

    with nothing_left_open():
        asyncio.run(run())


def test_a_broker_of_the_settings_that_is_not_there_does_not_keep_us_from_the_others(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        named = ("broker.gone", "broker.cm")
        agent = Agent(NodeIdentity(settle(tmp_path)), settings(brokers=named), None)
        brokers = Brokers(agent)
        with pytest.raises(UnknownName):
            await brokers.look(Listed({}))  # type: ignore[arg-type]
        there = {broker("cm"): "public/ip4:192.0.2.2:9/service:broker"}
        await brokers.look(Listed(there))  # type: ignore[arg-type]
        assert len(brokers.doors()) == 1
        await brokers.close()
        await agent.close()

    with nothing_left_open():
        asyncio.run(run())


def test_a_broker_that_is_listed_no_more_is_kept_for_a_while(tmp_path: Path) -> None:
    """Its process was killed, and its host has withdrawn its name: what is published of it stays
    true, and it is tried again until it is back."""

    async def run() -> None:
        now = [0.0]
        agent = Agent(NodeIdentity(settle(tmp_path)), settings(), None)
        brokers = Brokers(agent, clock=lambda: now[0])
        there = {broker("cm"): "public/ip4:192.0.2.2:9/service:broker"}
        await brokers.look(Listed(there))  # type: ignore[arg-type]
        doors = brokers.doors()
        now[0] = UNLISTED - 1
        await brokers.look(Listed({}))  # type: ignore[arg-type]
        assert brokers.doors() == doors and list(brokers.status()) == list(there)
        await brokers.look(Listed(there))  # type: ignore[arg-type]
        now[0] += UNLISTED - 1
        await brokers.look(Listed({}))  # type: ignore[arg-type]
        assert brokers.doors() == doors
        now[0] += 1
        await brokers.look(Listed({}))  # type: ignore[arg-type]
        assert brokers.doors() == [] and brokers.status() == {}
        await brokers.close()
        await agent.close()

    with nothing_left_open():
        asyncio.run(run())


# --- certificates ---------------------------------------------------------------------------------


class Keeping:
    """A node whose certificate lasts ``lifetime`` seconds, an authority, and a clock to set."""

    def __init__(self, folder: Path, lifetime: float) -> None:
        self.now = time.time()
        self.away = False
        self.lifetime = lifetime
        self.fetched = 0
        key, pool = node7().key, lab()
        self.node = Node("node7", key, self._issue())
        self.identity = NodeIdentity(settle(folder, self.node), lambda: self.now)
        self.upkeep = Upkeep(self.identity, self._fetch, lambda: None)
        assert pool.domain == self.identity.domain

    def _issue(self) -> Any:
        pool, key = lab(), node7().key.public_key()
        return issue_node(pool.key, pool.root, "node7", pool.domain, key, self.now, self.lifetime)

    async def _fetch(self) -> m.Enrolled:
        self.fetched += 1
        if self.away:
            raise Unavailable("the authority is away")
        return m.Enrolled(certificate=checks.to_der(self._issue()))

    def look(self) -> None:
        asyncio.run(self._look())

    async def _look(self) -> None:
        self.upkeep._retry_at = 0.0  # each run has a loop, and a loop's clock, of its own
        await self.upkeep.look()

    def pause(self) -> float:
        async def ask() -> float:
            return self.upkeep._pause()

        return asyncio.run(ask())


def test_certificates_renew_at_half_life_and_not_before(tmp_path: Path) -> None:
    one = Keeping(tmp_path, 10 * DAY)
    one.look()
    assert one.fetched == 0 and one.pause() == 60.0
    one.now += 5 * DAY + 1
    before = one.identity.certificate
    one.look()
    assert one.fetched == 1 and one.identity.certificate != before
    assert one.identity.credentials.chain[1] == one.identity.certificate
    one.look()
    assert one.fetched == 1


def test_the_leaf_is_renewed_though_the_authority_is_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The node's own certificate is good for days yet, and its leaf for a day only."""
    one = Keeping(tmp_path, 10 * DAY)
    one.away = True
    for _ in range(9):
        one.now += DAY
        one.look()
        assert one.identity.credentials.not_after > one.now + DAY / 2
    assert one.fetched > 1 and "the authority is away" in caplog.text
    assert one.upkeep.problem == "the authority is away"
    one.away = False
    one.look()
    assert one.upkeep.problem == ""


def test_a_node_that_has_expired_goes_on_asking_and_comes_back(tmp_path: Path) -> None:
    one = Keeping(tmp_path, 10 * DAY)
    one.away = True
    one.now += 11 * DAY
    leaf = one.identity.credentials.chain[0]
    one.look()
    assert one.identity.credentials.chain[0] == leaf, "nobody would believe another"
    assert one.pause() > 0.1
    one.away = False
    one.look()
    assert one.identity.credentials.not_after > one.now


def test_a_clock_that_was_ahead_when_the_leaf_was_made(tmp_path: Path) -> None:
    one = Keeping(tmp_path, 10 * DAY)
    one.now += 2 * DAY
    one.look()  # a leaf from the future
    assert checks.issued(one.identity.credentials.chain[0]) >= one.now - 1
    one.now -= 2 * DAY
    one.look()
    assert checks.issued(one.identity.credentials.chain[0]) <= one.now


def test_a_clock_that_jumps_past_the_certificates_end_and_back_has_cost_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The authority's is right meanwhile: what it makes has expired already, for us."""
    one = Keeping(tmp_path, 10 * DAY)
    right, kept = one.now, one.identity.certificate
    fetched = m.Enrolled(certificate=checks.to_der(one._issue()))
    leaf = one.identity.credentials.chain[0]

    async def fetch() -> m.Enrolled:
        one.fetched += 1
        return fetched

    one.upkeep._fetch = fetch
    one.now += 400 * DAY
    one.look()
    assert one.fetched == 1 and "has expired" in caplog.text
    assert one.identity.certificate == kept and one.identity.credentials.chain[0] == leaf
    assert one.pause() <= upkeep_module.LOOK[1], "it does not sleep until the wrong clock says"
    one.now = right + 60
    one.look()
    assert one.fetched == 1, "nothing is due"
    assert NodeIdentity(one.identity.home, lambda: one.now).certificate == kept
    one.now = right + 5 * DAY + 1
    fetched = m.Enrolled(certificate=checks.to_der(one._issue()))
    one.look()
    assert one.fetched == 2 and one.identity.certificate != kept


def test_a_failed_renewal_is_tried_again_soon_enough_and_not_too_often(tmp_path: Path) -> None:
    cases: list[tuple[float, Callable[[float], bool]]] = [
        (5.1 * DAY, lambda wait: wait == upkeep_module.RETRY[1]),
        (10 * DAY - 100, lambda wait: 9 <= wait <= 11),
        (10 * DAY, lambda wait: wait == upkeep_module.RETRY[0]),
        (10 * DAY + 1000, lambda wait: 99 <= wait <= 101),
    ]
    for later, fits in cases:
        one = Keeping(tmp_path / str(int(later)), 10 * DAY)
        one.now += later
        assert fits(one.upkeep._wait()), later


def test_upkeep_asks_once_while_it_waits(tmp_path: Path) -> None:
    one = Keeping(tmp_path, 10 * DAY)
    one.away = True
    one.now += 6 * DAY

    async def run() -> None:
        await one.upkeep.look()
        await one.upkeep.look()

    asyncio.run(run())
    assert one.fetched == 1
