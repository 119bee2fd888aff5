"""``knock``: packets in an order that our own settings say, and nothing is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from glasnost.core.address import Address
from glasnost.core.routes import Target, plan
from glasnost.errors import StageFailed
from glasnost.settings import KnockSetting, Settings
from glasnost.stages import Means, traits
from glasnost.stages.walk import walk
from tests.core.routes.worlds import vantage
from tests.stages.crossing import path, play

HERE = ("127.0.0.1",)


@contextlib.contextmanager
def doors() -> Iterator[tuple[list[str], list[socket.socket]]]:
    """A firewall's ports: how a knock at each is written, and their sockets."""
    with contextlib.ExitStack() as stack:
        kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_DGRAM)
        sockets = [stack.enter_context(socket.socket(socket.AF_INET, kind)) for kind in kinds]
        ports = []
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
            if sock.type == socket.SOCK_STREAM:
                sock.listen()
            protocol = "tcp" if sock.type == socket.SOCK_STREAM else "udp"
            ports.append(f"{sock.getsockname()[1]}/{protocol}")
            sock.setblocking(False)
        yield ports, sockets


def with_knock(*ports: str) -> Means:
    return Means(settings=Settings(knocks={"fw": KnockSetting(ports, HERE, delay=0, wait=0)}))


def test_each_port_gets_its_packet_in_order_and_then_the_connection_is_made() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        heard: list[str] = []
        with doors() as (ports, sockets), socket.create_server(("127.0.0.1", 0)) as listener:
            for name, sock in zip(ports, sockets, strict=True):
                loop.add_reader(sock, heard.append, name)
            means = Means(
                settings=Settings(knocks={"fw": KnockSetting(tuple(ports), HERE, 0.01, 0.01)})
            )
            on = path(f"public/knock:fw/ip4:127.0.0.1:{listener.getsockname()[1]}")
            with await walk(on, means):
                pass
            for sock in sockets:
                loop.remove_reader(sock)
        assert list(dict.fromkeys(heard)) == ports

    play(scenario)


def test_nobody_there_is_no_failure_of_the_knock() -> None:
    async def scenario() -> None:
        with doors() as (ports, _):
            pass
        with socket.create_server(("127.0.0.1", 0)) as listener:
            on = path(f"public/knock:fw/ip4:127.0.0.1:{listener.getsockname()[1]}")
            with await walk(on, with_knock(*ports)):
                pass
        with pytest.raises(StageFailed, match=r"^stage 2 \(ip4:.*connection refused"):
            await walk(path(f"public/knock:fw/ip4:127.0.0.1:{ports[1][:-4]}"), with_knock(*ports))

    play(scenario)


def test_a_knock_that_our_settings_do_not_have_is_discarded_in_planning() -> None:
    route = "public/knock:fw/ip4:192.0.2.1:9618"
    known, unknown = (traits(means.settings) for means in (with_knock("7/tcp"), Means()))
    target = Target(Address.parse(route))
    assert plan(vantage("ip4@public"), target, kinds=known).candidates
    (rejected,) = plan(vantage("ip4@public"), target, kinds=unknown).rejected
    says = "stage 1 (knock:fw): there is no [knocks.fw] in the settings of this host"
    assert rejected.reason == says


def test_nor_is_it_ever_crossed() -> None:
    async def scenario() -> None:
        with pytest.raises(StageFailed, match=r"there is no \[knocks.fw\]"):
            await walk(path("public/knock:fw/ip4:127.0.0.1:1"), Means())

    play(scenario)


def test_who_publishes_a_route_with_our_knock_learns_nothing_of_it() -> None:
    """It leads to another address of this host, where every door is open."""

    async def scenario() -> None:
        with doors() as (ports, sockets):
            means = Means(
                settings=Settings(knocks={"fw": KnockSetting(tuple(ports), ("192.0.2.1",))})
            )
            says = (
                r"^stage 1 \(knock:fw\): \[knocks.fw\] of the settings is not for ip4:127.0.0.1:1$"
            )
            with pytest.raises(StageFailed, match=says):
                await walk(path("public/knock:fw/ip4:127.0.0.1:1"), means)
            with pytest.raises(StageFailed, match=r"is not for dns:localhost:1"):
                await walk(path("public/knock:fw/dns:localhost:1", lands="ip4"), means)
            for sock in sockets:
                with pytest.raises(BlockingIOError):
                    sock.accept() if sock.type == socket.SOCK_STREAM else sock.recv(1)

    play(scenario)


def test_a_knock_is_for_somebody() -> None:
    with pytest.raises(ValueError, match="hosts is empty"):
        KnockSetting(("7/tcp",), ())


BAD = [
    ((), "1 to 32 ports"),
    (("1/tcp",) * 33, "1 to 32 ports"),
    (("tcp/7000",), "is written"),
    (("0/udp",), "is written"),
    (("65536/udp",), "is written"),
    (("7000/sctp",), "is written"),
    (("７/udp",), "is written"),
]


@pytest.mark.parametrize(("ports", "says"), BAD)
def test_what_is_no_knock_is_refused(ports: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        KnockSetting(ports, HERE)


@pytest.mark.parametrize("times", [{"delay": -1}, {"wait": 6}, {"delay": float("nan")}])
def test_a_knock_does_not_wait_for_ever(times: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="from 0 to 5 seconds"):
        KnockSetting(("7/tcp",), HERE, **times)
