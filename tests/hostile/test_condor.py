"""HTCondor's protocols, and callers who say nothing, half of it, too much of it, or too often:
others are served meanwhile, and nothing is kept of whoever is refused."""

from __future__ import annotations

import asyncio
import socket

import pytest

from glasnost.condor.central.access import Access, policies
from glasnost.condor.classad import Ad
from glasnost.condor.collector import Work
from glasnost.condor.commands import Command
from glasnost.condor.judge import Judge
from glasnost.condor.security.ad_messages import MAX_HANDSHAKE
from glasnost.condor.security.methods.base import Doorkeeper
from glasnost.condor.security.negotiation import Myself
from glasnost.condor.server.collector import MAX_QUERY, CollectorServer
from glasnost.condor.server.command import HANDSHAKE_TIME, nops
from glasnost.condor.server.endpoint import Endpoint
from glasnost.condor.server.settings import Server
from glasnost.condor.stages.sock import connect_message
from glasnost.net.port import MAX_HALF_OPEN_PER_SOURCE
from tests.condor.ccb.broker_lab import site
from tests.condor.server.desk import EVERYBODY, OWN, all_of, framed, message, schedd
from tests.hostile.doors import ends
from tests.net.clock import run_fake
from tests.net.pairs import descriptors, tcp_pair, until

FLOOD = "203.0.113.5"
OTHER = "203.0.113.6:4711"
MOST, GUESTS = 40, 8
ASKED = message(Command.QUERY_SCHEDD_ADS, Ad({"MyType": "Query"}))
NOP = message(Command.DC_NOP_READ)
#: A command without the end of its message: a stranger's, and one whose payload is waited for.
HALVES = {
    "nothing": b"",
    "half a header": NOP[:3],
    "half a frame": NOP[:-1],
    "half a payload": framed(ASKED[5:13])[:-8].replace(b"\1", b"\0", 1) + ASKED[5:13],
    "a negotiation": framed((60010).to_bytes(8, "big"))[:-1],
    "idle behind a command": NOP,
}


class Host:
    """A collector's endpoint with few places, called from wherever a test says."""

    def __init__(self) -> None:
        self.collector = CollectorServer(lambda: OWN, lambda who, where: False)
        self.endpoint = Endpoint(
            Server(
                commands={**nops(), **self.collector.commands()},
                authorize=Access(EVERYBODY, {}),
                policy=policies(False, ()),
                me=lambda: Myself(subsystem="COLLECTOR"),
                keeper=Doorkeeper("wire.test"),
                clock=asyncio.get_running_loop().time,
            ),
            "collector",
            most=MOST,
            guests_of_one=GUESTS,
        )

    def call(self, address: str, said: bytes = b"") -> socket.socket:
        ours, theirs = tcp_pair()
        self.endpoint.take(theirs, address)
        if said and not ends(ours):
            ours.send(said)
        return ours

    async def ask(self, address: str = OTHER) -> None:
        """Be served, or fail."""
        with self.call(address, ASKED) as sock:
            assert await all_of(sock)

    async def close(self) -> None:
        await self.endpoint.close()
        await self.collector.close()


@pytest.mark.parametrize("said", HALVES.values(), ids=HALVES)
def test_an_endpoint_serves_others_while_one_address_floods_it(said: bytes) -> None:
    async def scenario() -> None:
        before = descriptors()
        host = Host()
        flood = [host.call(f"{FLOOD}:{number}", said) for number in range(3 * MOST)]
        assert len(host.endpoint) == GUESTS
        for sock in flood[GUESTS:]:
            assert await all_of(sock) == b""
        await host.ask()
        for sock in flood:
            sock.close()
        await until(lambda: not len(host.endpoint))
        await host.ask(f"{FLOOD}:9")
        await host.close()
        await until(lambda: descriptors() == before)

    asyncio.run(scenario())


def test_an_address_in_a_network_of_its_own_is_one_address() -> None:
    """A host of IPv6's may have as many addresses as it likes."""

    async def scenario() -> None:
        host = Host()
        flood = [host.call(f"[2001:db8::{number:x}]:5") for number in range(1, 20)]
        assert len(host.endpoint) == GUESTS
        await host.ask("[2001:db8:0:1::1]:5")
        for sock in flood:
            sock.close()
        await host.close()

    asyncio.run(scenario())


def test_who_advertises_is_no_guest_and_has_half_of_all_places_at_most() -> None:
    async def scenario() -> None:
        host = Host()
        update = message(Command.UPDATE_SCHEDD_AD, schedd("s"))
        daemons = []
        for number in range(MOST // 2):
            daemons.append(host.call(f"{FLOOD}:{number}", update))
            await until(lambda: not host.endpoint.guests)
        assert len(host.endpoint) == MOST // 2 > GUESTS
        with host.call(f"{FLOOD}:99") as refused:
            assert len(host.endpoint) == MOST // 2
            assert await all_of(refused) == b""
        await host.ask()
        for sock in daemons:
            sock.close()
        await host.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("said", HALVES.values(), ids=HALVES)
def test_who_does_not_go_on_is_let_go(said: bytes) -> None:
    """The time is a fake one. Of a payload that is allowed more is waited for, as HTCondor does."""

    async def scenario() -> None:
        host = Host()
        with host.call(f"{FLOOD}:1", said) as sock:
            patience = 300 if said is HALVES["half a payload"] else HANDSHAKE_TIME
            loop = asyncio.get_running_loop()
            begun = loop.time()
            assert await all_of(sock) == b""
            assert loop.time() - begun == pytest.approx(patience, abs=1)
        await host.close()

    run_fake(scenario())


def test_a_byte_in_each_second_is_no_longer_listened_to_than_nothing() -> None:
    said = framed((60010).to_bytes(8, "big") + bytes(100))

    async def scenario() -> None:
        host = Host()
        with host.call(f"{FLOOD}:1") as sock:
            for count, byte in enumerate(said):  # noqa: B007 (how many those were)
                if ends(sock):
                    break
                sock.send(bytes([byte]))
                await asyncio.sleep(1)
            # The first packet's time, and that of what belongs to it.
            assert count <= 2 * HANDSHAKE_TIME + 1
        await host.close()

    run_fake(scenario())


#: What is longer than anything may be, as far as it gets.
HUGE = {
    "a frame of 4 GB": b"\1\xff\xff\xff\xff" + bytes(1000),
    "a negotiation without an end": b"\0"
    + (8).to_bytes(4, "big")
    + (60010).to_bytes(8, "big")
    + (b"\0" + (4096).to_bytes(4, "big") + b"x" * 4096) * (MAX_HANDSHAKE // 4096 + 2),
    "a query without an end": b"\0"
    + (8).to_bytes(4, "big")
    + ASKED[5:13]
    + (b"\0" + (4096).to_bytes(4, "big") + b"x" * 4096) * (MAX_QUERY // 4096 + 2),
    "an ad of two billion lines": framed(ASKED[5:13] + (2**31 - 1).to_bytes(8, "big")),
}


@pytest.mark.parametrize("said", HUGE.values(), ids=HUGE)
def test_what_is_too_long_is_closed_at_once(said: bytes) -> None:
    async def scenario() -> None:
        host = Host()
        with host.call(f"{FLOOD}:1") as sock:
            try:
                async with asyncio.timeout(10):
                    await asyncio.get_running_loop().sock_sendall(sock, said)
                    assert await all_of(sock) == b""
            except (ConnectionResetError, BrokenPipeError):
                pass  # it was closed before all was said
        await until(lambda: not len(host.endpoint))
        await host.ask()
        await host.close()

    asyncio.run(scenario())


def test_the_port_serves_others_while_one_address_says_half_a_header() -> None:
    async def scenario() -> None:
        async with site() as here:
            head = connect_message("collector", 20)
            flood = []
            for _ in range(2 * MAX_HALF_OPEN_PER_SOURCE):
                sock = socket.socket()
                sock.bind(("127.0.0.2", 0))
                sock.connect((here.host, here.number))
                sock.setblocking(False)
                sock.send(head[: len(head) // 2])
                flood.append(sock)
            await until(lambda: here.port.refused == MAX_HALF_OPEN_PER_SOURCE)
            assert here.port.half_open == MAX_HALF_OPEN_PER_SOURCE
            target = await here.target()
            assert (await target.heartbeat())["Command"] == Command.ALIVE
            target.close()
            for sock in flood:
                sock.close()
            await until(lambda: not here.port.half_open)

    asyncio.run(scenario())


def test_who_asks_for_much_work_waits_for_himself() -> None:
    """Twenty questions of one, and then one of another: he waits for one of them."""
    order: list[str] = []

    async def scenario() -> None:
        judge = Judge()
        work = [Work("A > 1", [b"A = 2"] * 1000)]

        async def asks(who: str) -> None:
            await judge.verdicts(work, who)
            order.append(who)

        try:
            await asyncio.gather(*(asks(FLOOD) for _ in range(20)), asks("203.0.113.6"))
        finally:
            await judge.aclose()

    asyncio.run(scenario())
    assert order.index("203.0.113.6") <= 1
