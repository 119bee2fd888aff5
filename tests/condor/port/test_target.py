"""An agent that is registered with HTCondor's brokers: its plain services, and HTCondor's daemons
behind its port, are reached by HTCondor's clients though nobody dials it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from glasnost.condor.addresses.reading import parse
from glasnost.condor.ccb import ads
from glasnost.condor.classad import Ad
from glasnost.condor.port import serving
from glasnost.condor.port import target as module
from glasnost.condor.port.dialling import dial, read_address
from glasnost.condor.port.serving import PortService
from glasnost.condor.port.target import CcbTarget
from glasnost.condor.stages.sock import connect_message
from glasnost.errors import SettingsError, Unavailable
from glasnost.net.sockets import listen_tcp
from glasnost.settings import CondorSetting
from tests.condor.ccb.broker_lab import AES, RAW, Requester, Site, site
from tests.condor.daemon import caller
from tests.condor.port.endpoints import let_go, listen_at, take
from tests.condor.port.registered import Registered, registered
from tests.net.pairs import LOOPS, run, until
from tests.roles import agent_lab
from tests.roles.agent_lab import known_host as known_host

pytestmark = [
    pytest.mark.usefixtures("known_host", "a_caller"),
    pytest.mark.parametrize("loop", LOOPS),
]


@pytest.fixture
def a_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who registers is nobody special, whatever this host is set to."""
    monkeypatch.setattr(serving, "current_caller", lambda: caller(AES))


@asynccontextmanager
async def running(folder: Path, broker: Site, **condor: Any) -> AsyncIterator[Registered]:
    """An agent that is registered at this broker."""
    async with registered(folder, broker.own, **condor) as found:
        yield found


async def call(sock: socket.socket, id: str) -> None:
    """What a client says first on a connection that was dialled back from behind a port."""
    await asyncio.get_running_loop().sock_sendall(sock, connect_message(id, 20) + b"hello")


@pytest.mark.parametrize("streaming", [False, True], ids=["dial-back", "relay"])
def test_htcondors_client_reaches_a_service_of_ours(
    loop: str, streaming: bool, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with site(secure=True) as broker, running(tmp_path, broker) as found:
            address = found.service.address("schedd")
            contact = address.contacts[0]
            assert contact == f"{broker.own}#1"
            requester = await broker.request("1", AES, streaming=streaming)
            sock, _ = await (requester.stream() if streaming else requester.dialled())
            with sock:
                await call(sock, "schedd")
                came = found.came
                await until(lambda: came)
                assert came[0].sock.recv(100) == b"hello"
                came[0].sock.send(b"answer")
                assert await asyncio.get_running_loop().sock_recv(sock, 100) == b"answer"
                came[0].sock.close()
            await _over(requester, streaming)

    run(loop, scenario())


async def _over(requester: Requester, streaming: bool) -> None:
    if streaming:
        requester.close()
    else:
        assert (await requester.result())["Result"] is True


def test_what_is_not_to_be_relayed_is_not(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site() as broker, running(tmp_path, broker) as found:
            requester = await broker.request("1", streaming=True)
            sock, _ = await requester.stream()
            await call(sock, "private")
            await let_go(sock)
            assert found.came == []
            requester.close()

    run(loop, scenario())


def test_htcondors_client_reaches_a_daemon_of_htcondors_behind_our_port(
    loop: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with site() as broker, running(tmp_path, broker):
            with listen_at(tmp_path / "startd_7_a") as listener:
                requester = await broker.request("1")
                sock, _ = await requester.dialled()
                with sock:
                    await call(sock, "startd_7_a")
                    with await asyncio.to_thread(lambda: take(listener)) as taken:
                        assert taken.recv(100) == b"hello"
                assert (await requester.result())["Result"] is True

    run(loop, scenario())


def test_daemons_learn_the_contact_from_the_file(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "shared_port_ad"
        async with site() as broker, running(tmp_path, broker, port_ad=str(path)):
            await until(lambda: path.exists() and "CCBID=" in path.read_text())
            lines = dict(line.split(" = ", 1) for line in path.read_text().splitlines())
            own = parse(lines["MyAddress"].strip('"'))
            assert own.contacts == (f"{broker.own}#1",)
            assert own.param("PrivNet") == "vm"

    run(loop, scenario())


def test_a_requester_that_cannot_be_dialled_is_told_why(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site() as broker, running(tmp_path, broker):
            with listen_tcp("127.0.0.1", 0) as nobody:
                number = nobody.getsockname()[1]
            requester = await broker.request("1", returns=f"<127.0.0.1:{number}>")
            answer = await requester.result()
            assert answer == Ad(
                {"Result": False, "ErrorString": "failed to connect: 127.0.0.1: connection refused"}
            )

    run(loop, scenario())


def test_who_lost_the_broker_comes_back_with_its_id(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        changes = []
        async with site() as broker:
            target = CcbTarget(
                lambda: caller(RAW),
                lambda sock, peer, relayed: sock.close(),
                changed=lambda: changes.append(target.contacts),
                jitter=lambda: 0.0,
            )
            target.follow([broker.own])
            await until(lambda: target.contacts)
            [link] = broker.broker._targets.values()
            link.stream.sock.shutdown(socket.SHUT_RDWR)
            await until(lambda: len(changes) == 3)
            assert changes == [(f"{broker.own}#1",), (), (f"{broker.own}#1",)]
            await target.close()
            assert target.contacts == ()

    run(loop, scenario())


def test_a_broker_that_says_nothing_any_more_is_left(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        # Three of them without a word are the end, also of a machine that was busy elsewhere.
        monkeypatch.setattr(module, "HEARTBEAT", 0.2)
        monkeypatch.setattr(ads, "ALIVE", Ad({"Command": 441}))
        async with site() as broker:
            target = CcbTarget(lambda: caller(RAW), lambda sock, peer, relayed: sock.close())
            target.follow([broker.own])
            await until(lambda: target.contacts)
            [link] = target._links.values()
            heard = link.heard
            await until(lambda: link.heard > heard)  # it answers heartbeats
            monkeypatch.setattr(broker.broker, "_tell", lambda peer, ad: None)
            await until(lambda: not target.contacts)
            await target.close()

    run(loop, scenario())


@pytest.mark.parametrize("returns", ["nonsense", "<127.0.0.1:0>", "", "<192.0.2.1>"])
def test_an_address_that_is_none_is_told(loop: str, returns: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site() as broker, running(tmp_path, broker):
            requester = await broker.request("1", returns=returns)
            answer = await requester.result()
            assert answer["Result"] is False
            assert str(answer["ErrorString"]).startswith("failed to connect: ")

    run(loop, scenario())


def test_what_the_dial_policy_forbids_is_not_dialled(loop: str) -> None:
    async def scenario() -> None:
        to = read_address("10.0.0.7:5?addrs=10.0.0.7-5+127.0.0.1-5")
        with pytest.raises(Unavailable, match=r"^10\.0\.0\.7 is ours; 127\.0\.0\.1 is ours$"):
            await dial(to, 1, lambda ip: f"{ip} is ours")

    run(loop, scenario())


def test_a_broker_elsewhere_does_not_make_us_dial_ourselves(loop: str) -> None:
    target: Any = object.__new__(CcbTarget)
    target._ranges = lambda: ["10.0.0.0/8"]

    class Link:
        own = "192.0.2.1"

    link: Any = Link()
    assert target._why_not(link, "127.0.0.1") == "127.0.0.1 is loopback"
    assert target._why_not(link, "10.1.2.3") is None
    assert target._why_not(link, "192.0.2.1") is None  # the broker's own, to relay


def test_a_broker_that_is_no_address_is_a_wrong_setting(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        own = CondorSetting(brokers=("cm.example.org", "[::1"))
        service = PortService(agent_lab.settings(condor=own))
        with pytest.raises(SettingsError, match=r"condor\.brokers: '\[::1'"):
            service.start(1, lambda sock, peer, relayed: None)
        await service.close()

    run(loop, scenario())
