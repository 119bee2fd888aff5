"""Half-open connections from one address, from many, and from a whole IPv6 network."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from glasnost.core.wire import header
from glasnost.net.exact import refusals
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import connect_tcp, listen_tcp
from glasnost.roles import authority, broker, directory
from tests.hostile.doors import DOORS, Door, door, ends
from tests.net.pairs import descriptors, until

OTHER = "198.51.100.6:4711"
#: Handshakes at a time, of all addresses together.
PLACES = 24
#: What one says who then says nothing: nothing, part of a TLS hello.
SAID = [b"", b"\x16\x03\x01\x02"]

#: The addresses of a flood, of twice as many connections as there are places.
FLOODS: dict[str, Callable[[int], str]] = {
    "one": lambda number: f"203.0.113.5:{number}",
    "few": lambda number: f"203.0.113.{number % 2}:{number}",
    "many": lambda number: f"203.0.113.{number % (PLACES // 4)}:{number}",
    "a-network": lambda number: f"[2001:db8::{number:x}]:4711",
}


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "MAX_HANDSHAKES", PLACES)
    monkeypatch.setattr(authority, "MAX_DIALOGUES", PLACES)
    monkeypatch.setattr(directory, "MAX_HANDSHAKES", PLACES)


def flood(role: Door, source: Callable[[int], str], said: bytes) -> list[socket.socket]:
    """Twice as many callers as there are places, who then say no more."""
    calling = []
    for number in range(2 * PLACES):
        calling.append(role.call(source(number)))
        if not ends(calling[-1]):
            calling[-1].send(said)
        assert role.held() <= PLACES
    return calling


@pytest.mark.parametrize("said", SAID, ids=["nothing", "part-of-a-hello"])
@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("source", FLOODS)
def test_others_are_let_in_while_a_flood_holds_all_the_places_it_can(
    source: str, name: str, said: bytes, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with door(name, tmp_path) as role:
            calling = flood(role, FLOODS[source], said)
            for _ in range(3):
                await role.ask(OTHER)
                assert role.held() <= PLACES
            # And everybody who has no place has been told so.
            await until(lambda: role.held() == sum(not ends(sock) for sock in calling))
            assert role.held() >= min(PLACES, authority.DIALOGUES_PER_SOURCE) - 1
            for sock in calling:
                sock.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("name", DOORS)
def test_who_has_as_few_places_as_anybody_keeps_them(name: str, tmp_path: Path) -> None:
    """As many addresses as places, each with one: who comes then is told to come again, and nobody
    who is shaking hands is thrown out for it. So it is when all members come back at once."""

    async def scenario() -> None:
        async with door(name, tmp_path) as role:
            calling = [role.call(f"203.0.113.{number}:1") for number in range(PLACES)]
            before = Counter(refusals)
            late = role.call(OTHER)
            await until(lambda: ends(late))
            assert refusals - before == Counter(busy=1)
            assert not any(map(ends, calling))
            calling.pop().close()
            await until(lambda: role.held() < PLACES)
            await role.ask(OTHER)
            for sock in [*calling, late]:
                sock.close()

    asyncio.run(scenario())


def test_the_port_serves_others_while_many_addresses_say_no_whole_header() -> None:
    whole = header.encode_call(header.Call(to="web"))
    came: list[Incoming] = []

    async def scenario() -> None:
        before = descriptors()
        port = SharedPort(came.append, per_source=8, half_open=PLACES)
        listener = listen_tcp("127.0.0.1", 0)
        number = listener.getsockname()[1]
        port.listen(listener)
        calling = []
        for source in range(PLACES):
            for _ in range(4):
                sock = await connect_tcp("127.0.0.1", number, f"127.0.1.{source}")
                sock.send(whole[:5])
                calling.append(sock)
        await until(lambda: port.accepted == len(calling))
        assert (port.half_open, port.refused) == (PLACES, len(calling) - PLACES)
        for count in range(1, 11):
            with await connect_tcp("127.0.0.1", number, "127.0.2.1") as sock:
                sock.send(whole)
                await until(lambda: came)
            came.pop().sock.close()
            assert port.accepted == len(calling) + count
        assert port.half_open == PLACES, "they were there all the while"
        assert sum(not ends(sock) for sock in calling) == PLACES
        for sock in calling:
            sock.close()
        await until(lambda: port.half_open == 0)
        port.close()
        await until(lambda: descriptors() == before)

    asyncio.run(scenario())
