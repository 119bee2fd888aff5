"""A member that floods the broker delays itself: answers are counted, not time."""

from __future__ import annotations

import asyncio

from glasnost.core.wire.messages import Done, Failed, Message, Request
from glasnost.net.channel import Channel
from tests.roles.broker_lab import PUBLIC, World, until, world

#: Requests: several readings of a socket, each of which decrypts 256 kB before any is served.
FLOOD = 10_000


async def flooding(w: World, heard: list[Message]) -> Channel:
    """A channel of a member of its own that has asked for everything at once."""
    pool = w.site.pool
    channel = await w.site.channel(
        pool.agent(pool.node("node9")), lambda _, message: heard.append(message)
    )
    for number in range(FLOOD):
        channel.tell(
            Request(
                id=number + 1,
                contact="node7",
                reply=b"f" * 16,
                returns=(f"public/ip4:{PUBLIC}:{w.door.number}",),
                timeout=10,
            )
        )
    return channel


async def dial_back(w: World) -> Message:
    returns = (f"public/ip4:{PUBLIC}:{w.door.number}",)
    return await w.ask(reply=b"r" * 16, returns=returns, timeout=10)


def test_a_request_overtakes_another_members_flood() -> None:
    async def scenario() -> None:
        async with world() as w:
            assert isinstance(await dial_back(w), Done)
            heard: list[Message] = []
            flood = await flooding(w, heard)
            for _ in range(3):
                assert isinstance(await dial_back(w), Done)
            assert len(heard) < FLOOD / 2, "three dial-backs, one after the other, came before"
            await until(lambda: len(heard) == FLOOD)
            flood.close()

    asyncio.run(scenario())


def test_each_request_of_a_flood_is_answered_and_told_what_was_too_much() -> None:
    async def scenario() -> None:
        async with world() as w:
            heard: list[Message] = []
            flood = await flooding(w, heard)
            await until(lambda: len(heard) == FLOOD)
            assert {message.id for message in heard} == set(range(1, FLOOD + 1))
            assert {one.code for one in heard if isinstance(one, Failed)} == {"quota"}
            assert sum(isinstance(one, Done) for one in heard) >= 64, "its share was served"
            flood.close()

    asyncio.run(scenario())


def test_who_hangs_up_leaves_nothing_that_waits_for_its_turn() -> None:
    async def scenario() -> None:
        async with world() as w:
            heard: list[Message] = []
            flood = await flooding(w, heard)
            await until(lambda: heard)
            flood._transport.abort()
            await until(lambda: w.broker.status()["channels"] == 2)
            assert isinstance(await dial_back(w), Done)
            await until(lambda: w.broker.status()["requests"] == 0 and not w.broker._turns)

    asyncio.run(scenario())
