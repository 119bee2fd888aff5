"""Probes with real sockets: what is dialled, what is said of it, and that nothing stays open."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from glasnost.core.protocols.broker_probes import PER_MEMBER
from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import Message, Probe, Probed
from glasnost.errors import Refused
from glasnost.net.sockets import connect_tcp
from glasnost.roles.broker_probes import Probing
from tests.net.pairs import descriptors
from tests.roles.broker_lab import Door, read, until, world

REPLY = b"r" * 16
#: Loopback is never probed, so the member is seen here, and the dialling goes to loopback.
SEEN = "198.51.100.4"
LAB = ("198.51.100.0/24",)


class Member:
    """Who asks: the broker's end of its channel, as far as a probe uses it."""

    def __init__(self, observed: str = f"{SEEN}:40001") -> None:
        self.observed = observed
        self.peer = SimpleNamespace(node="node7")
        self.answers: asyncio.Queue[Message] = asyncio.Queue()
        self.tell = self.answers.put_nowait


async def to_loopback(dialled: list[tuple[str, int]], host: str, port: int) -> socket.socket:
    dialled.append((host, port))
    return await connect_tcp("127.0.0.1", port)


async def silence(host: str, port: int) -> socket.socket:
    """Somebody drops all packets."""
    await asyncio.Event().wait()
    raise AssertionError


async def probe(
    port: int, dial: Callable[[str, int], Awaitable[socket.socket]], timeout: float = 20
) -> Probed:
    probing, member = Probing(LAB, dial=dial, timeout=timeout), Member()
    probing.take(member, Probe(3, port, REPLY))  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        answer = await member.answers.get()
    assert isinstance(answer, Probed) and answer.id == 3 and answer.observed == member.observed
    await until(lambda: probing.counts["under_way"] == 0)
    return answer


def test_a_port_that_listens_is_called_once_by_the_reply_name() -> None:
    async def scenario() -> None:
        door, dialled = Door(), list[tuple[str, int]]()
        answer = await probe(door.number, functools.partial(to_loopback, dialled))
        assert (answer.outcome, answer.why) == ("connected", "") and answer.seconds >= 0
        assert dialled == [(SEEN, door.number)]
        async with asyncio.timeout(20):
            incoming = await door.arrived.get()
        assert incoming.call == Call(reply=REPLY)
        with incoming.sock:
            assert await read(incoming.sock, 1) == b"", "nothing follows the call"
        door.close()

    before = descriptors()
    asyncio.run(scenario())
    assert descriptors() == before


def test_a_closed_port_is_refused() -> None:
    async def scenario() -> None:
        door = Door()
        door.close()
        answer = await probe(door.number, functools.partial(to_loopback, []))
        assert (answer.outcome, answer.why) == ("refused", "connection refused")

    asyncio.run(scenario())


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_an_address_that_drops_everything_is_a_timeout(seconds: float) -> None:
    answer = asyncio.run(probe(9618, silence, timeout=seconds))
    assert (answer.outcome, answer.why) == ("timeout", f"no answer within {seconds:g} s")


def test_what_leads_nowhere_is_said() -> None:
    async def nowhere(host: str, port: int) -> socket.socket:
        raise OSError(113, "Connect call failed")

    answer = asyncio.run(probe(9618, nowhere))
    assert (answer.outcome, answer.why) == ("unreachable", "no route to host")


def test_probes_under_way_end_with_the_broker() -> None:
    async def scenario() -> None:
        probing, member = Probing(LAB, dial=silence), Member()
        probing.take(member, Probe(3, 9618, REPLY))  # type: ignore[arg-type]
        assert probing.counts["under_way"] == 1
        await probing.close()
        assert probing.counts["under_way"] == 0 and member.answers.empty()

    asyncio.run(scenario())


def test_a_broker_answers_members_and_never_dials_loopback() -> None:
    async def scenario() -> None:
        async with world({"public": ("127.0.0.0/8",)}) as w:
            for _ in range(PER_MEMBER + 1):  # what is not dialled has no quota
                answer = await w.alice.ask(Probe(port=w.door.number, reply=REPLY), timeout=20)
                assert isinstance(answer, Probed) and answer.outcome == "not-dialled"
                assert answer.why == "127.0.0.1 is loopback"
                assert answer.observed.startswith("127.0.0.1:")
            with pytest.raises(Refused, match="no port"):
                await w.alice.ask(Probe(port=70000, reply=REPLY), timeout=20)
            assert w.door.arrived.empty()
            assert w.broker.status()["probes"] == 0

    asyncio.run(scenario())
