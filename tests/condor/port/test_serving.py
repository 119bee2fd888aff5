"""HTCondor's clients at a real agent, and where its daemons learn how they are met."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from glasnost.condor.addresses.reading import parse
from glasnost.condor.port.connect import Connect
from glasnost.condor.port.door import reply_id
from glasnost.condor.port.own import own_addresses, own_sinful, write_port_ad
from glasnost.condor.port.serving import PortService
from glasnost.core.wire.header import Answer, Call
from glasnost.core.wire.messages import Offer
from glasnost.net.interfaces import HostFacts, InterfaceAddress
from glasnost.net.port import Incoming
from glasnost.net.sockets import connect_tcp
from glasnost.roles.agent import Agent
from glasnost.roles.home import NodeIdentity
from glasnost.settings import CondorSetting
from tests.condor.port.endpoints import VECTORS, connect_message
from tests.net.pairs import nothing_left_open, tcp_pair, until
from tests.roles import agent_lab
from tests.roles.agent_lab import answer_of, everything, settle
from tests.roles.agent_lab import known_host as known_host

pytestmark = pytest.mark.usefixtures("known_host")


@asynccontextmanager
async def running(folder: Path, **condor: Any) -> AsyncIterator[tuple[Agent, PortService]]:
    settings = agent_lab.settings(condor=CondorSetting(**condor))
    service = PortService(settings)
    agent = Agent(NodeIdentity(settle(folder)), settings, folder / "run", other=service.door)
    with nothing_left_open():
        try:
            await agent.start()
            service.start(agent.port_number)
            yield agent, service
        finally:
            await agent.close()
            await service.close()


async def called(agent: Agent, id: str, behind: bytes = b"") -> socket.socket:
    assert agent.port_number is not None
    sock = await connect_tcp("127.0.0.1", agent.port_number)
    sock.send(connect_message(Connect(id, "TOOL")) + behind)
    return sock


@pytest.mark.parametrize("protection, served", [("plain", True), ("sealed", False)])
def test_a_plain_service_is_served_without_a_word_and_a_sealed_one_is_not(
    tmp_path: Path, protection: str, served: bool
) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as (agent, _):
            came: list[Incoming] = []
            await agent.offer(Offer(name="schedd", protection=protection), came.append)
            sock = await called(agent, "schedd", b"what it says")
            if served:
                await until(lambda: came)
                with came[0].sock as ours:
                    assert ours.recv(100) == b"what it says"
                    ours.send(b"answer")
                assert await everything(sock) == b"answer"
            else:
                assert came == []
                with pytest.raises(ConnectionResetError):
                    await everything(sock)

    asyncio.run(scenario())


@pytest.mark.parametrize("relay, served", [("any", True), ("sealed", False)])
def test_a_relayed_caller_gets_to_services_that_may_be_relayed(
    tmp_path: Path, relay: str, served: bool
) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as (agent, _):
            came: list[Incoming] = []
            offer = Offer(name="schedd", protection="plain", relay=relay)
            await agent.offer(offer, came.append)
            ours, theirs = tcp_pair()
            theirs.send(connect_message(Connect("schedd")))
            agent.serve(ours, "leg", relayed=True)
            if served:
                await until(lambda: came)
                came[0].sock.close()
            assert await everything(theirs) == b""
            assert len(came) == served

    asyncio.run(scenario())


def test_a_dial_back_by_a_daemon_of_htcondors_arrives(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as (agent, _):
            expectation = await agent.expect(5)
            sock = await called(agent, reply_id(expectation.reply), b"hello")
            with sock, await expectation.arrival() as arrived:
                assert arrived.recv(100) == b"hello"
            again = await called(agent, reply_id(expectation.reply))
            assert await everything(again) == b""

    asyncio.run(scenario())


def test_our_own_callers_are_served_as_ever(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as (agent, _):
            sock = await agent_lab.call(agent, Call(to="nobody"))
            assert answer_of(await everything(sock)).code == "no-service"
            came: list[Incoming] = []
            await agent.offer(Offer(name="web", protection="plain"), came.append)
            sock = await agent_lab.call(agent, Call(to="web"))
            await until(lambda: came)
            came[0].sock.close()
            assert answer_of(await everything(sock)) == Answer()

    asyncio.run(scenario())


def test_daemons_find_their_address_in_a_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "shared_port_ad"
        async with running(tmp_path, port_ad=str(path), alias="vm") as (agent, service):
            await until(path.exists)
            number = agent.port_number
            lines = dict(line.split(" = ", 1) for line in path.read_text().splitlines())
            place = f"127.0.0.1-{number}"
            mine = f"<127.0.0.1:{number}?addrs={place}&alias=vm&noUDP>"
            assert lines["MyAddress"] == f'"{mine}"'
            assert lines["SharedPortCommandSinfuls"] == f'"<127.0.0.1:{number}?alias=vm>"'
            assert lines["RequestsSucceeded"] == "0"
            path.unlink()  # as a master does that starts
            await until(path.exists)
            assert str(service.address("startd_1")) == mine[:-1] + "&sock=startd_1>"
        assert not path.exists()

    asyncio.run(scenario())


def test_the_file_reads_as_htcondors_own(tmp_path: Path) -> None:
    own = parse("<127.0.0.1:39801?addrs=127.0.0.1-39801&alias=vm&noUDP>")
    write_port_ad(tmp_path / "ad", own, {"succeeded": 2})
    ours = set((tmp_path / "ad").read_text().splitlines())
    # What HTCondor counts and we do not have: processes that it forked, and what waited at most.
    theirs = set(VECTORS["shared_port_ad_file"].splitlines())
    missing = {line.split(" = ")[0] for line in theirs - ours}
    assert missing == {
        "ForkedChildrenCurrent",
        "ForkedChildrenPeak",
        "RequestsPendingPeak",
    }
    assert ours <= theirs


def test_a_file_that_cannot_be_written_is_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, port_ad=str(tmp_path / "no" / "where")):
            await until(lambda: caplog.messages)

    asyncio.run(scenario())
    assert f"cannot write {tmp_path}/no/where: No such file or directory" in caplog.messages


HOST = HostFacts(
    "4f2a91",
    (
        InterfaceAddress("eth0", "ip6", "2001:db8::7"),
        InterfaceAddress("eth0", "ip4", "192.0.2.7"),
        InterfaceAddress("lan", "ip4", "10.0.0.7"),
    ),
    frozenset(),
)
ADDRESSES = [
    ("all that is listened on, IPv4 first", {}, "192.0.2.7-1+10.0.0.7-1+[2001-db8--7]-1"),
    ("one of them", {"listen": ("10.0.0.7",)}, "10.0.0.7-1"),
    ("one protocol", {"enable_ipv4": False}, "[2001-db8--7]-1"),
    ("what is advertised", {"advertise": ("203.0.113.9:4000",)}, "203.0.113.9-4000"),
    (
        "that and what is found",
        {"advertise": ("203.0.113.9", "found"), "listen": ("192.0.2.7",)},
        "203.0.113.9-1+192.0.2.7-1",
    ),
]


@pytest.mark.parametrize(
    ("changes", "addrs"), [case[1:] for case in ADDRESSES], ids=[case[0] for case in ADDRESSES]
)
def test_the_address_holds_what_is_listened_on(changes: dict[str, object], addrs: str) -> None:
    settings = agent_lab.settings(**({"listen": ("0.0.0.0", "::")} | changes))
    own = own_sinful(own_addresses(HOST, settings, 1))
    assert own.param("addrs") == addrs
    assert parse(str(own)) == own


def test_a_host_without_an_address_is_met_by_loopback() -> None:
    settings = agent_lab.settings(listen=("0.0.0.0", "::"))
    alone = HostFacts("4f2a91", (), frozenset())
    own = own_sinful(own_addresses(alone, settings, 1), sock="x")
    assert str(own) == "<127.0.0.1:1?addrs=127.0.0.1-1+[--1]-1&noUDP&sock=x>"
