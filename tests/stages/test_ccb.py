"""``ccb``: every way in which it can end, and that none leaves anything open."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from glasnost.core.routes import Way
from glasnost.core.wire.header import TOKEN_SIZE, Call
from glasnost.core.wire.messages import BROKER, Codec, Done, Failed, Message, Ping, Relay, Request
from glasnost.errors import PathCut, ProtocolError, Refused, StageFailed, TrustError, Unavailable
from glasnost.net.channel import Channel, accept_channel
from glasnost.net.exact import write_call
from glasnost.net.port import Incoming
from glasnost.net.sockets import connect_tcp
from glasnost.roles.agent.replies import LocalExpectation, Replies
from glasnost.stages import Means
from glasnost.stages.shared import SharedChannels
from glasnost.stages.walk import walk
from glasnost.trust.credentials import Credentials
from tests.net.pairs import agent, turns, until
from tests.roles.broker_lab import PUBLIC, Door, read, world
from tests.stages.crossing import crossing, path, play
from tests.trust.pool import lab

TOKEN = b"t" * TOKEN_SIZE


class Broker:
    """A broker's port, with a hand for the broker: it answers when the scenario says so."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.door = Door(self._take)
        self.credentials = credentials or lab().service(lab().node("cm"), "broker")
        self.requests: asyncio.Queue[tuple[Channel, Request]] = asyncio.Queue()
        self.legs: asyncio.Queue[Incoming] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Channel]] = set()

    def _take(self, incoming: Incoming) -> None:
        if incoming.call.relay:
            self.legs.put_nowait(incoming)
            return
        work = accept_channel(incoming.sock, self.credentials, Codec(BROKER), self._hear)
        self._tasks.add(asyncio.ensure_future(work))

    def _hear(self, channel: Channel, message: Message) -> None:
        assert isinstance(message, Request)
        self.requests.put_nowait((channel, message))

    async def close(self) -> None:
        self.door.close()
        for one in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(one, Channel):
                one.close()
        await turns()


class Scene:
    """A client on its way through ``ccb:node7``, and the port at which it can be dialled back."""

    def __init__(self, broker: Broker, timeout: float) -> None:
        self.broker = broker
        self.replies = Replies()
        self.home = Door(self.replies.arrive)
        self.expected: list[LocalExpectation] = []
        self.means = Means(agent(), self._expect, timeout=timeout)

    async def _expect(self, timeout: float) -> LocalExpectation:
        self.expected.append(LocalExpectation(self.replies, timeout))
        return self.expected[-1]

    def start(self, way: Way = "dial-back", **means: Any) -> asyncio.Task[socket.socket]:
        self.deeds: list[tuple[int, str]] = []
        seen = self.deeds
        crossed = crossing(2, way, f"public/ip4:{PUBLIC}:{self.home.number}")
        front = f"public/ip4:127.0.0.1:{self.broker.door.number}/service:broker"
        on = path(f"{front}/ccb:node7", crossed)
        crossing_it = walk(
            on,
            dataclasses.replace(self.means, **means),
            reached=lambda index, deed: seen.append((index, deed)),
        )
        return asyncio.ensure_future(crossing_it)

    async def asked(self) -> tuple[Channel, Request]:
        async with asyncio.timeout(10):
            return await self.broker.requests.get()

    async def dial_back(self, request: Request) -> socket.socket:
        sock = await connect_tcp("127.0.0.1", self.home.number)
        await write_call(sock, Call(reply=request.reply))
        return sock


@asynccontextmanager
async def scene(
    timeout: float = 10.0, credentials: Credentials | None = None
) -> AsyncIterator[Scene]:
    broker = Broker(credentials)
    one = Scene(broker, timeout)
    try:
        yield one
    finally:
        assert not len(one.replies), "no reply name is left"
        one.home.close()
        await broker.close()


async def failure(walking: asyncio.Task[socket.socket]) -> BaseException:
    """What it failed with, below the stage's own error."""
    with pytest.raises(StageFailed) as caught:
        async with asyncio.timeout(10):
            await walking
    assert str(caught.value).startswith("stage 3 (ccb:node7): ")
    assert caught.value.__cause__ is not None
    return caught.value.__cause__


# --- dial-back ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["before", "after", "alone"])
def test_the_dial_back_counts_whenever_the_brokers_word_comes(order: str) -> None:
    async def scenario() -> None:
        async with scene() as one:
            walking = one.start()
            channel, request = await one.asked()
            assert (request.contact, request.way, request.timeout) == ("node7", "dial-back", 10.0)
            assert request.returns == (f"public/ip4:{PUBLIC}:{one.home.number}",)
            if order == "after":
                channel.tell(Done(request.id))
                await channel_heard(channel)
                assert not walking.done()
            target = await one.dial_back(request)
            if order == "before":
                await until(lambda: not len(one.replies))
                channel.tell(Done(request.id))
            with target, await walking as sock:
                target.send(b"hello")
                assert await read(sock, 5) == b"hello"

    play(scenario)


async def channel_heard(channel: Channel) -> None:
    """Let what was told arrive: a Pong comes behind it."""
    await channel.ask(Ping(), 10)


Ending = Callable[[Scene, Channel, Request], Awaitable[None]]


async def refused(one: Scene, channel: Channel, request: Request) -> None:
    channel.tell(Failed(request.id, "not-registered", 'no target is registered as "node7"'))


async def lost(one: Scene, channel: Channel, request: Request) -> None:
    channel._transport.abort()


async def strange(one: Scene, channel: Channel, request: Request) -> None:
    channel._transport.write(b"\xff\xff\xff\xff")


async def agent_gone(one: Scene, channel: Channel, request: Request) -> None:
    one.expected[0].fail(Unavailable("the agent has gone"))
    one.replies.close()


ENDINGS = [
    ("the broker refuses", refused, Refused, "no target is registered"),
    ("the broker is lost", lost, PathCut, ""),
    ("the broker talks nonsense", strange, ProtocolError, "exceeds the limit"),
    ("the agent is lost", agent_gone, Unavailable, "the agent has gone"),
]


@pytest.mark.parametrize(
    ("ending", "kind", "says"), [c[1:] for c in ENDINGS], ids=[c[0] for c in ENDINGS]
)
def test_what_ends_it_is_said(ending: Ending, kind: type[Exception], says: str) -> None:
    async def scenario() -> None:
        async with scene() as one:
            walking = one.start()
            await ending(one, *await one.asked())
            error = await failure(walking)
            assert isinstance(error, kind) and says in str(error)

    play(scenario)


@pytest.mark.parametrize("told", [True, False])
def test_nobody_dials_back(told: bool) -> None:
    async def scenario() -> None:
        async with scene(timeout=0.1) as one:
            walking = one.start()
            channel, request = await one.asked()
            if told:
                channel.tell(Done(request.id))
            error = await failure(walking)
            assert isinstance(error, TimeoutError)
            if told:
                assert str(error) == "the target did not dial back within 0.1 s"
            # And who comes too late is told so.
            late = await one.dial_back(request)
            with late:
                assert (await read(late, 1000)).find(b"unknown-reply") > 0

    play(scenario)


def test_a_dial_back_that_comes_with_a_refusal_counts_or_is_closed() -> None:
    """They meet in every order; whichever wins, nothing stays open."""

    async def scenario() -> None:
        for pause in range(12):
            async with scene() as one:
                walking = one.start()
                channel, request = await one.asked()
                target = await one.dial_back(request)
                for _ in range(pause):
                    await asyncio.sleep(0)
                channel.tell(Failed(request.id, "unreachable", "no"))
                try:
                    (await walking).close()
                except StageFailed:
                    pass
                with target:
                    await read(target, 1000)

    play(scenario)


def test_cancelled_at_any_moment() -> None:
    async def scenario() -> None:
        for pause in range(40):
            async with scene() as one:
                walking = one.start()
                channel, request = await one.asked()
                target = await one.dial_back(request)
                channel.tell(Done(request.id))
                for _ in range(pause):
                    await asyncio.sleep(0)
                walking.cancel()
                await asyncio.wait([walking])
                if not walking.cancelled():
                    walking.result().close()
                with target:
                    await read(target, 1000)

    play(scenario)


# --- relay ----------------------------------------------------------------------------------------


def test_a_leg_goes_the_same_way_with_its_token() -> None:
    async def scenario() -> None:
        async with scene() as one:
            walking = one.start("relay")
            channel, request = await one.asked()
            assert (request.way, request.reply, request.returns) == ("relay", b"", ())
            channel.tell(Relay(request.id, TOKEN))
            leg = await one.broker.legs.get()
            assert leg.call == Call(to="broker", relay=TOKEN)
            with leg.sock, await walking as sock:
                leg.sock.send(b"hello")
                assert await read(sock, 5) == b"hello"

    play(scenario)


def test_two_paths_share_one_connection_to_their_broker_and_say_so() -> None:
    async def scenario() -> None:
        async with scene() as one:
            shared = SharedChannels()
            first, opened = one.start("relay", shared=shared), one.deeds
            await one.asked()
            second, waited = one.start("relay", shared=shared), one.deeds
            await one.asked()
            assert (2, "TLS with broker") in opened
            assert waited == [(2, ""), (2, "share connection to broker"), (2, "ask for relay")]
            for walking in (first, second):
                walking.cancel()
            await asyncio.wait([first, second])
            shared.close()

    play(scenario)


def test_a_broker_that_answers_strangely_or_refuses_to_relay() -> None:
    async def scenario() -> None:
        for answer, kind in ((Done, ProtocolError), (Failed, Refused)):
            async with scene() as one:
                walking = one.start("relay")
                channel, request = await one.asked()
                channel.tell(answer(request.id))
                assert isinstance(await failure(walking), kind)

    play(scenario)


def test_a_leg_that_cannot_be_opened() -> None:
    async def scenario() -> None:
        async with scene() as one:
            walking = one.start("relay")
            channel, request = await one.asked()
            one.broker.door.close()
            channel.tell(Relay(request.id, TOKEN))
            with pytest.raises(StageFailed, match="connection refused") as caught:
                await walking
            assert caught.value.number == 1, "the leg's own first stage"

    play(scenario)


# --- before it is asked ---------------------------------------------------------------------------


def test_what_is_missing_is_said() -> None:
    async def scenario() -> None:
        async with scene() as one:
            error = await failure(one.start(credentials=None))
            assert "has joined no pool" in str(error)
            error = await failure(one.start(expect=None))
            assert "no port that a target could dial back to" in str(error)

    play(scenario)


def test_only_a_broker_is_asked() -> None:
    async def scenario() -> None:
        async with scene(credentials=lab().service(lab().node("cm"), "web")) as one:
            error = await failure(one.start())
            assert isinstance(error, TrustError) and "not a broker" in str(error)

    play(scenario)


# --- with a real broker and a real target ---------------------------------------------------------


#: What is said to be done on the way, with the index of the stage: first to the broker.
TO_BROKER = [(2, ""), (0, "connect"), (1, "send header"), (2, "TLS with broker")]
DEEDS: list[tuple[Way, list[tuple[int, str]]]] = [
    ("dial-back", [(2, "dial-back"), (3, "send header")]),
    ("relay", [(2, "ask for relay"), (0, "connect"), (1, "send header"), (3, "send header")]),
]


@pytest.mark.parametrize(("way", "deeds"), DEEDS)
def test_through_a_real_broker(way: Way, deeds: list[tuple[int, str]]) -> None:
    seen: list[tuple[int, str]] = []

    async def scenario() -> None:
        async with world() as one:
            replies = Replies()
            home = Door(replies.arrive)

            async def expect(timeout: float) -> LocalExpectation:
                return LocalExpectation(replies, timeout)

            crossed = crossing(2, way, f"public/ip4:{PUBLIC}:{home.number}")
            front = f"public/ip4:127.0.0.1:{one.site.door.number}/service:broker"
            on = path(f"{front}/ccb:node7/service:echo", crossed)
            async with asyncio.timeout(10):
                sock = await walk(
                    on, Means(agent(), expect), reached=lambda *told: seen.append(told)
                )
                incoming = await one.door.arrived.get()
            with sock, incoming.sock:
                assert incoming.call == Call(to="echo")
                incoming.sock.send(b"hello")
                assert await read(sock, 5) == b"hello"
            home.close()
            assert not len(replies)

    play(scenario)
    assert seen == TO_BROKER + deeds
