"""A member that floods the directory delays itself, and is told: answers are counted, not time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from glasnost.core.protocols.effort import cost
from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import (
    Changes,
    Failed,
    Listing,
    Lookup,
    Message,
    Publish,
    Published,
    Query,
    Renew,
    Watch,
    Withdraw,
)
from glasnost.net.channel import Channel
from glasnost.net.port import Incoming
from glasnost.roles import turns as module
from tests.net.pairs import tcp_pair
from tests.roles.directory_lab import Site, full, served, signed, until
from tests.trust.pool import lab, node7, node8


async def listening(site: Site, heard: list[Message], node: str = "node7") -> Channel:
    """A channel of this node, and what it hears."""
    credentials = lab().agent(node7() if node == "node7" else node8())
    channel = await site.opener(credentials)()
    channel._on_message = lambda _, message: heard.append(message)
    return channel


FLOODS: list[tuple[str, int, Callable[[int], Message]]] = [
    ("lookups", 4000, lambda number: Lookup(id=number, name=full("web.node7"))),
    ("renewals", 100, lambda number: Renew(id=number, names=(full("web.node7"),) * 1000)),
    ("searches", 500, lambda number: Query(id=number, glob="*nothing")),
]


@pytest.mark.parametrize("name, many, question", FLOODS, ids=[case[0] for case in FLOODS])
def test_questions_overtake_another_members_flood(
    name: str, many: int, question: Callable[[int], Message]
) -> None:
    async def scenario() -> None:
        async with served() as (site, client):
            await client.publish([signed()])
            heard: list[Message] = []
            flood = await listening(site, heard)
            other = site.client(lab().agent(node8()))
            await other.lookup(full("web.node7"))
            for number in range(many):
                flood.tell(question(number + 1))
            for _ in range(3):
                await other.lookup(full("web.node7"))
            assert len(heard) < many / 2, "three answers, one after the other, came before the rest"
            await until(lambda: len(heard) == many)
            assert [message.id for message in heard] == list(range(1, many + 1))
            assert not any(isinstance(message, Failed) for message in heard)
            flood.close()
            other.close()

    asyncio.run(scenario())


def test_a_flood_of_signatures_is_overtaken_too() -> None:
    async def scenario() -> None:
        async with served() as (site, _):
            heard: list[Message] = []
            flood = await listening(site, heard)
            other = site.client(lab().agent(node8()))
            await other.publish([signed("web.node8")])
            record = signed("web.node7")
            for number in range(30):
                flood.tell(Publish(id=number + 1, records=(record,) * 100))
            await other.publish([signed("web.node8")])
            assert len(heard) < 15
            await until(lambda: len(heard) == 30)
            assert {type(message) for message in heard} == {Published}
            flood.close()
            other.close()

    asyncio.run(scenario())


def test_a_member_that_has_too_much_waiting_is_read_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 1000)
    waiting: list[int] = []

    async def scenario() -> None:
        async with served() as (site, client):
            await client.publish([signed()])
            assert site.server is not None
            turns = site.server._turns._turns
            add = turns.add

            def watched(member: str, cost: int, item: object) -> None:
                add(member, cost, item)  # type: ignore[arg-type]
                waiting.append(turns.waiting(member))

            monkeypatch.setattr(turns, "add", watched)
            heard: list[Message] = []
            flood = await listening(site, heard)
            for number in range(20_000):
                flood.tell(Lookup(id=number + 1, name=full("web.node7")))
            await until(lambda: len(heard) == 20_000)
            assert not any(isinstance(message, Failed) for message in heard)
            flood.close()

    asyncio.run(scenario())
    assert 1000 <= max(waiting) < 1010


def test_who_goes_round_that_by_many_connections_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1000)

    async def scenario() -> None:
        async with served() as (site, client):
            await client.publish([signed()])
            heard: list[Message] = []
            floods = [await listening(site, heard) for _ in range(4)]
            for flood in floods:
                for number in range(2000):
                    flood.tell(Lookup(id=number + 1, name=full("web.node7")))
            other = site.client(lab().agent(node8()))
            assert (await other.lookup(full("web.node7"))).record is not None
            await until(lambda: len(heard) == 8000)
            refused = [message for message in heard if isinstance(message, Failed)]
            assert refused and len(refused) < 4000
            assert {(no.code, no.why) for no in refused} == {
                ("busy", "node7 asks more than its share: wait for some answers")
            }
            found = await client.lookup(full("web.node7"))
            assert found.record is not None, "and then it is served again"
            for flood in floods:
                flood.close()
            other.close()

    asyncio.run(scenario())


def test_a_search_ends_with_its_asker() -> None:
    async def scenario() -> None:
        async with served() as (site, client):
            heard: list[Message] = []
            channel = await listening(site, heard)
            server = site.server
            assert server is not None
            await client.publish([signed(f"s{number}.node7") for number in range(100)])
            monkey = pytest.MonkeyPatch()
            with monkey.context() as patch:
                patch.setattr("glasnost.core.protocols.queries.STEP", 1)
                for number in range(50):
                    channel.tell(Query(id=number + 1, glob="*nothing"))
                await until(lambda: bool(server._turns))
                channel.close()
                await until(lambda: server.status()["channels"] == 1 and not server._turns)
            assert len(heard) < 50
            assert isinstance(await client.ask(Query(glob="*nothing"), Listing), Listing)

    asyncio.run(scenario())


def test_who_goes_before_its_turn_watches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with served() as (site, client):
            server = site.server
            assert server is not None
            await client.publish([signed()])
            log = (await client.ask(Watch(), Changes)).log
            watch = Watch(id=1, glob="nothing.*", log=log, seen=1, hold=60)
            with monkeypatch.context() as patch:
                patch.setattr(server._turns, "work", lambda: None)  # nobody's turn comes
                channel = await listening(site, [])
                channel.tell(watch)
                channel.tell(Withdraw(id=2, names=(full("web.node7"),)))
                await until(lambda: server._turns._turns.waiting("node7") > cost(watch))
                channel.close()
                await until(lambda: server.status()["channels"] == 1)
            server._turns.work()
            assert not server._turns
            assert server.status()["watches"] == 0
            assert server.status()["records"] == 0, "what it wanted done is done"

    asyncio.run(scenario())


def test_half_open_handshakes_of_one_address_are_bounded() -> None:
    async def scenario() -> None:
        async with served() as (site, client):
            server = site.server
            assert server is not None
            silent = []

            def call(peer: str) -> None:
                ours, theirs = tcp_pair()
                silent.append(ours)
                server.take(Incoming(Call(to="directory"), theirs, peer))

            for number in range(200):
                call(f"203.0.113.5:{number}")
            assert server.status()["handshakes"] == 128
            silent[-1].setblocking(True)
            assert b"128 handshakes with 203.0.113.5 are under way" in silent[-1].recv(1000)
            call("203.0.113.6:1")
            assert server.status()["handshakes"] == 129
            assert await client.list_all() == [], "others are let in"
            for sock in silent:
                sock.close()
            await until(lambda: server.status()["handshakes"] == 0)
            call("203.0.113.5:1")
            assert server.status()["handshakes"] == 1, "and then so is this one again"
            silent[-1].close()

    asyncio.run(scenario())
