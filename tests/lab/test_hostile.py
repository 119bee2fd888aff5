"""Floods of real daemons: others are served while they last, and in the end nothing is held."""

from __future__ import annotations

import asyncio
import secrets
import selectors
import socket
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from glasnost.core.wire.header import TOKEN_SIZE, Call, encode_call
from glasnost.core.wire.messages import (
    BROKER,
    DIRECTORY,
    Codec,
    Done,
    Found,
    Lookup,
    Message,
    Query,
    Request,
)
from glasnost.errors import Refused
from glasnost.net.channel import Channel, open_channel
from glasnost.net.exact import write_call
from glasnost.net.sockets import tune
from glasnost.roles.home import NodeIdentity
from glasnost.testing.census import Counts
from glasnost.testing.lab import Host
from glasnost.testing.world import PATIENCE
from glasnost.trust.credentials import Credentials
from tests.lab.fault_pool import DAEMONS, FaultPool

if TYPE_CHECKING:
    from tests.lab.conftest import Wire

pytestmark = pytest.mark.lab

DOMAIN = "demo.glasnost.internal"
PORT = 9618

#: Half-open connections of one kind: more than one address may have at any door.
HALF_OPEN = 200
#: Questions of one member at once: more than any daemon lets wait.
FLOOD = 10_000
#: What a daemon may hold more in memory after a flood than before. Python keeps what it once had
#: for the next time; 10,000 questions that all were kept would be ten times this.
ROOM = 32 * 2**20

#: How far each kind of caller comes before it falls silent: whom it calls, and what it says then.
SILENT = [
    ("part of a header", b"\xabG\x01"),
    *((role, encode_call(Call(to=role))) for role in DAEMONS[1:]),
    *(
        (f"{role}, part of a hello", encode_call(Call(to=role)) + b"\x16\x03\x01\x02")
        for role in DAEMONS[1:]
    ),
]


def test_half_open_connections_of_one_host_keep_nobody_else_out(
    pool: FaultPool, wire: Wire
) -> None:
    world = pool.world
    with pool.traffic() as traffic:
        before = world.census()
        flood = []
        for _, said in SILENT:
            for _ in range(HALF_OPEN):
                flood.append(wire.connect(pool.alice, pool.cm.ip4))
                flood[-1].send(said)
        world.wait_for("transfers of all kinds, none of them failed", traffic.in_a_row(20))
        fetched = world.fetch(pool.node7, "web.alice", 100_000)
        assert fetched["ok"], fetched
        flood = list(_open(flood))
        assert flood, "they were there all the while"
        while flood:  # nobody hangs up but the daemons
            _wait(flood)
            flood = list(_open(flood))
        world.wait_for("more transfers", traffic.in_a_row(20))
    _check_memory(pool, before.memory)
    pool.wait_until_nothing_grew()


def test_a_flood_of_questions_to_the_directory_delays_nobody_else(
    pool: FaultPool, wire: Wire
) -> None:
    name = f"web.alice.{DOMAIN}"

    async def scenario() -> None:
        heard: list[Message] = []
        flood = await _channel(pool, wire, pool.alice, "directory", heard)
        other = await _channel(pool, wire, pool.laptop, "directory", [])
        for number in range(1, FLOOD + 1):
            flood.tell(Query(id=number, glob="*nothing*"))
        for _ in range(5):
            assert isinstance(await other.ask(Lookup(name=name), PATIENCE), Found)
        assert len(heard) < FLOOD / 2, "five answers, one after the other, came before the rest"
        await _answered(heard)
        flood.close()
        other.close()

    _flooded(pool, scenario())


def test_a_flood_of_requests_to_the_broker_delays_nobody_else(pool: FaultPool, wire: Wire) -> None:
    """Both have the same target dial the flooding host, where nobody waits for these names."""
    returns = (f"public/ip4:{pool.alice.ip4}:{PORT}",)

    def request(number: int, contact: str = "node7") -> Request:
        reply = secrets.token_bytes(TOKEN_SIZE)
        return Request(id=number, contact=contact, reply=reply, returns=returns, timeout=10)

    async def scenario() -> None:
        heard: list[Message] = []
        flood = await _channel(pool, wire, pool.alice, "broker", heard)
        other = await _channel(pool, wire, pool.laptop, "broker", [])
        for number in range(1, FLOOD + 1):
            flood.tell(request(number))
        for _ in range(5):
            with pytest.raises(Refused, match="no target is registered"):
                await other.ask(request(0, "nobody"), PATIENCE)
        assert len(heard) < FLOOD / 2, "five answers, one after the other, came before the rest"
        assert isinstance(await other.ask(request(0), PATIENCE), Done)
        await _answered(heard)
        assert any(isinstance(one, Done) for one in heard), "it has its share"
        flood.close()
        other.close()

    _flooded(pool, scenario())


# --- what they share ------------------------------------------------------------------------------


def _flooded(pool: FaultPool, scenario: Coroutine[Any, Any, None]) -> None:
    world = pool.world
    with pool.traffic() as traffic:
        before = world.census()
        asyncio.run(scenario)
        world.wait_for("transfers of all kinds, none of them failed", traffic.in_a_row(20))
    _check_memory(pool, before.memory)
    pool.wait_until_nothing_grew()


def _check_memory(pool: FaultPool, before: Counts) -> None:
    now = pool.world.census().memory
    for key, was in before.items():
        assert now.get(key, 0) < was + ROOM, (key, was, now)


def _credentials(pool: FaultPool, host: Host) -> Credentials:
    """What this host's agent shows: whoever has broken into it has them, too."""
    return NodeIdentity(pool.world.folder / host.name).credentials


async def _channel(
    pool: FaultPool, wire: Wire, host: Host, role: str, heard: list[Message]
) -> Channel:
    """This host's own channel to a daemon, past its agent."""
    sock = tune(wire.connect(host, pool.cm.ip4))
    await write_call(sock, Call(to=role))
    codec = Codec(DIRECTORY if role == "directory" else BROKER)
    name = f"{role}.cm.{DOMAIN}"
    return await open_channel(
        sock, _credentials(pool, host), name, codec, lambda _, message: heard.append(message)
    )


async def _answered(heard: Sequence[Message]) -> None:
    """Wait until each question of a flood has its answer, and check that it is the only one."""
    async with asyncio.timeout(PATIENCE):
        while len(heard) < FLOOD:  # noqa: ASYNC110 - a list sends no events
            await asyncio.sleep(0.01)
    assert {message.id for message in heard} == set(range(1, FLOOD + 1))


def _open(flood: Sequence[socket.socket]) -> Iterator[socket.socket]:
    """Those that the other side has not ended; the others are closed."""
    for sock in flood:
        sock.setblocking(False)
        try:
            while sock.recv(4096):
                pass
        except BlockingIOError:
            yield sock
            continue
        except ConnectionResetError:
            pass
        sock.close()


def _wait(flood: Sequence[socket.socket]) -> None:
    """Until something comes for any of these."""
    with selectors.DefaultSelector() as selector:
        for sock in flood:
            selector.register(sock, selectors.EVENT_READ)
        assert selector.select(PATIENCE), f"{len(flood)} are still open"
