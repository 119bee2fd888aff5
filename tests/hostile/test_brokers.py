"""Brokers that ask a target for what is absurd, too much or said before, and that lie to it."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from glasnost.core.wire.header import MAX_WHY, Call
from glasnost.core.wire.messages import (
    DialBack,
    Done,
    Failed,
    Leg,
    Message,
    Ping,
    Pong,
    Register,
    Registered,
)
from glasnost.net.channel import Channel, OnClose, OnMessage, accept_channel, open_channel
from glasnost.net.fdpass import MAX_PACKET
from glasnost.net.sockets import connect_tcp
from glasnost.roles import target as module
from glasnost.roles.target import Target
from tests.net.pairs import descriptors, tcp_pair, until
from tests.roles.broker_lab import CODEC, PUBLIC, Door
from tests.trust.pool import lab, node7

REPLY = b"r" * 16
Dial = Callable[[str, int], Coroutine[Any, Any, Any]]


class Hostile:
    """A broker whose certificate is good, and which says whatever it is told to."""

    def __init__(self, registered: Registered) -> None:
        self.registered = registered
        self.heard: list[Message] = []
        self.channels: list[Channel] = []

    async def open(self, name: str, hear: OnMessage, lost: OnClose) -> Channel:
        ours, theirs = tcp_pair()
        credentials = lab().service(lab().node("cm"), "broker")
        accepting = asyncio.create_task(accept_channel(theirs, credentials, CODEC, self._hear))
        channel = await open_channel(ours, lab().agent(node7()), "broker.*", CODEC, hear, lost)
        self.channels.append(await accepting)
        return channel

    def _hear(self, channel: Channel, message: Message) -> None:
        if isinstance(message, Register):
            channel.tell(msgspec.structs.replace(self.registered, id=message.id))
        else:
            self.heard.append(message)

    async def answers(self, said: Sequence[Message], which: int = -1) -> dict[int, Message]:
        """What each of these was answered with: there is one answer to each, and none to others."""
        self.heard.clear()
        for number, message in enumerate(said, 1):
            self.channels[which].tell(msgspec.structs.replace(message, id=number))
        await until(lambda: len(self.heard) == len(said))
        assert Counter(one.id for one in self.heard) == Counter(range(1, len(said) + 1))
        return {one.id: one for one in self.heard}


class World:
    def __init__(self, broker: Hostile, target: Target, door: Door) -> None:
        self.broker, self.target, self.door = broker, target, door
        #: Where the target has dialled.
        self.dialled: list[tuple[str, int]] = []

    def at(self) -> str:
        """A return route that leads to the door."""
        return f"public/ip4:{PUBLIC}:{self.door.number}"


@asynccontextmanager
async def world(
    registered: Registered = Registered(contact="node7"),  # noqa: B008 - frozen
    brokers: Sequence[str] = ("b1",),
    hold: asyncio.Event | None = None,
) -> AsyncIterator[World]:
    """A target that is registered with such brokers; in the end nothing may be open."""
    before = descriptors()
    broker, door = Hostile(registered), Door()

    async def dial(host: str, port: int) -> Any:
        w.dialled.append((host, port))
        if hold is not None:
            await hold.wait()
        return await connect_tcp("127.0.0.1", port)

    async def leg(name: str, token: bytes) -> Any:
        return await connect_tcp("127.0.0.1", door.number)

    target = Target(
        open_broker=broker.open,
        open_leg=leg,
        serve=lambda sock, peer, relayed: sock.close(),
        ranges=lambda: ["198.51.100.0/24"],
        dial=dial,
        jitter=lambda: 0.0,
    )
    w = World(broker, target, door)
    target.follow(brokers)
    await until(lambda: len(target.registered) == len(brokers))
    yield w
    await target.close()
    for channel in broker.channels:
        channel.close()
    door.close()
    await until(lambda: descriptors() == before)


ABSURD: dict[str, tuple[str, ...]] = {
    "none": (),
    "no text": ("",),
    "not a route": ("\0\n\x1b[2J", "/", "public/"),
    "this host": ("public/ip4:127.0.0.1:22", "public/ip6:[::1]:22", "public/ip4:0.0.0.0:22"),
    "nobody's": (
        "public/ip4:255.255.255.255:9",
        "public/ip4:224.0.0.1:9",
        "public/ip6:[ff02::1]:9",
    ),
    "a cloud's own": ("public/ip4:169.254.169.254:80", "public/ip6:[fe80::1%25eth0]:80"),
    "a file": ("host.4f2a91/unix:%2Fetc%2Fpasswd",),
    "a name": ("public/dns:example.org:80",),
    "by way of others": (
        f"public/ip4:{PUBLIC}:1080/socks5/ip4:10.1.2.3:22",
        f"public/ip4:{PUBLIC}:9618/ccb:node8/service:db",
        f"public/ip4:{PUBLIC}:9618/service:a/service:b",
        f"public/knock:door/ip4:{PUBLIC}:22",
    ),
    "a megabyte": ("public/" + "ip4:1.2.3.4:5/" * 70_000,),
    "thousands": ("public/ip4:127.0.0.1:22",) * 30_000,
    # Only so many are looked at, and what would do stands behind them.
    "the good one last": (*("public/ip4:127.0.0.1:22",) * 16, f"public/ip4:{PUBLIC}:9618"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_return_routes_are_refused_with_a_sentence_and_nothing_is_dialled(
    name: str,
) -> None:
    async def scenario() -> None:
        async with world() as w:
            answers = await w.broker.answers([DialBack(reply=REPLY, returns=ABSURD[name])])
            answer = answers[1]
            assert isinstance(answer, Failed) and answer.code == "no-return-route"
            assert 0 < len(answer.why) <= MAX_WHY and answer.why.isprintable()
            assert not w.dialled
            good = DialBack(reply=REPLY, returns=(w.at(),))
            assert isinstance((await w.broker.answers([good]))[1], Done)

    asyncio.run(scenario())


@pytest.mark.parametrize("timeout", [math.nan, math.inf, -math.inf, -1.0, 0.0, 1e300])
@pytest.mark.parametrize("reply", [b"", b"r", b"r" * 17, b"r" * 100_000])
def test_no_reply_name_and_no_time_is_too_odd_to_be_answered(reply: bytes, timeout: float) -> None:
    async def scenario() -> None:
        async with world() as w:
            odd = DialBack(reply=reply, returns=(w.at(),), caller="\x1b" * 9999, timeout=timeout)
            good = DialBack(reply=REPLY, returns=(w.at(),), timeout=timeout)
            answers = await w.broker.answers([odd, good])
            assert isinstance(answers[1], Failed) and answers[1].code == "bad-request"
            assert isinstance(answers[2], Done)

    asyncio.run(scenario())


def test_a_replay_dials_again_and_says_the_same_reply_name() -> None:
    """Whoever expects a dial-back takes one of each name: what is written never differs."""

    async def scenario() -> None:
        async with world() as w:
            said = [DialBack(reply=REPLY, returns=(w.at(),)), Leg(token=b"t" * 16)] * 5
            answers = await w.broker.answers(said)
            assert all(isinstance(one, Done) for one in answers.values())
            for _ in range(5):
                arrived = await asyncio.wait_for(w.door.arrived.get(), 20)
                assert arrived.call == Call(reply=REPLY)
                arrived.sock.close()
            assert w.target.status()["counts"] == {"dial_backs": 5, "legs": 5, "failed": 0}

    asyncio.run(scenario())


def test_one_broker_that_asks_for_too_much_leaves_room_for_the_others() -> None:
    hold = asyncio.Event()
    many = 3 * module.MAX_IN_FLIGHT

    async def scenario() -> None:
        async with world(brokers=("b1", "b2"), hold=hold) as w:
            greedy, other = w.broker.channels
            one = DialBack(reply=REPLY, returns=(w.at(),), timeout=30)
            for number in range(1, many + 1):
                greedy.tell(msgspec.structs.replace(one, id=number))
            share = module.PER_BROKER
            await until(lambda: len(w.broker.heard) == many - share)
            assert {(no.code, no.why) for no in w.broker.heard if isinstance(no, Failed)} == {
                ("busy", f"this target carries out {share} requests of this broker already")
            }
            await until(lambda: len(w.dialled) == share)
            assert w.target.status()["in_flight"] == share
            other.tell(msgspec.structs.replace(one, id=many + 1))
            await until(lambda: len(w.dialled) == share + 1)
            hold.set()
            await until(lambda: len(w.broker.heard) == many + 1)
            done = {one.id for one in w.broker.heard if isinstance(one, Done)}
            assert done == {*range(1, share + 1), many + 1}
            await until(lambda: w.target.status()["in_flight"] == 0)

    asyncio.run(scenario())


def test_registered_that_nobody_asked_for_changes_nothing() -> None:
    async def scenario() -> None:
        async with world() as w:
            [channel] = w.broker.channels
            for number in (0, 1, 1, 2, 9):
                channel.tell(Registered(id=number, contact="mallory", observed="203.0.113.9:1"))
            assert isinstance(await channel.ask(Ping(), 20), Pong)
            [status] = w.target.status()["brokers"]
            assert (status["contact"], status["observed"]) == ("node7", "")
            assert w.target.registered == ("b1",)

    asyncio.run(scenario())


def test_long_texts_of_a_broker_are_cut_before_they_are_kept() -> None:
    """What an agent tells of its brokers must fit the packet of its status."""
    long = Registered(contact="node7" * 100_000, observed="203.0.113.5:1" * 30_000)

    async def scenario() -> None:
        async with world(long) as w:
            assert len(msgspec.json.encode(w.target.status())) < MAX_PACKET / 32
            [channel] = w.broker.channels
            channel.tell(Failed(code="c" * 500_000, why="w" * 500_000))
            channel.close()
            await until(lambda: not w.target.registered)
            [status] = w.target.status()["brokers"]
            assert status["why"].startswith("www")
            assert len(msgspec.json.encode(w.target.status())) < MAX_PACKET / 32

    asyncio.run(scenario())


def test_a_refusal_that_is_as_long_as_a_frame_is_cut_too() -> None:
    class Refusing(Hostile):
        def _hear(self, channel: Channel, message: Message) -> None:
            channel.tell(Failed(id=message.id, code="c" * 9999, why="w" * 900_000))

    async def nothing(name: str, token: bytes) -> Any:
        raise AssertionError("it is not registered")

    async def scenario() -> None:
        broker = Refusing(Registered())
        target = Target(open_broker=broker.open, open_leg=nothing, serve=lambda *_: None)
        target.follow(("b1",))
        await until(lambda: target.status()["brokers"][0]["failures"])
        [status] = target.status()["brokers"]
        assert status["why"].startswith(("c", "w"))
        assert len(msgspec.json.encode(status)) < MAX_PACKET / 32
        await target.close()

    asyncio.run(scenario())
