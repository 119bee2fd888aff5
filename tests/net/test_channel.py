"""Channels: questions and answers, refusals, keep-alive, and what a peer may send."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from glasnost.core.wire import header
from glasnost.core.wire.frames import MAX_FRAME, FrameReader, encode_frame
from glasnost.core.wire.messages import (
    BROKER,
    Codec,
    DialBack,
    Done,
    Failed,
    Lookup,
    Message,
    Ping,
    Pong,
    Register,
    Registered,
    Relay,
    Request,
    encode,
)
from glasnost.errors import PathCut, ProtocolError, Refused, TrustError, UnknownName
from glasnost.net import channel as channel_module
from glasnost.net.channel import Channel, accept_channel, open_channel
from glasnost.net.tls import secure
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import Identity
from tests.net.pairs import LOOPS, App, agent, descriptors, run, tcp_pair, turns, until
from tests.trust.pool import DOMAIN, lab, node7

pytestmark = pytest.mark.parametrize("loop", LOOPS)

CODEC = Codec(BROKER)
NAME = f"broker.node7.{DOMAIN}"
#: Longer than any test: these channels are not kept alive.
NEVER = 1000.0


def broker() -> Credentials:
    return lab().service(node7(), "broker")


@dataclass
class End:
    """What one end of a channel hears, and how it answers."""

    answer: Callable[[Message], Message | None] = lambda message: None
    heard: list[Message] = field(default_factory=list)
    ends: list[BaseException | None] = field(default_factory=list)

    def on_message(self, channel: Channel, message: Message) -> None:
        self.heard.append(message)
        answer = self.answer(message)
        if answer is not None:
            channel.tell(msgspec.structs.replace(answer, id=message.id))

    def on_close(self, channel: Channel, error: BaseException | None) -> None:
        assert channel.closed
        self.ends.append(error)


@asynccontextmanager
async def channels(near: End, far: End, **times: float) -> Any:
    ours, theirs = tcp_pair()
    client, server = await asyncio.gather(
        open_channel(
            ours,
            agent(),
            NAME,
            CODEC,
            near.on_message,
            near.on_close,
            **(times or {"keep_alive": NEVER}),
        ),
        accept_channel(theirs, broker(), CODEC, far.on_message, far.on_close, keep_alive=NEVER),
    )
    try:
        yield client, server
    finally:
        client.close()
        server.close()
        await until(lambda: near.ends and far.ends)
        await turns()
        assert len(near.ends) == len(far.ends) == 1


@asynccontextmanager
async def raw_peer(near: End) -> Any:
    """A channel, and the bare TLS stream of a peer that may say anything."""
    ours, theirs = tcp_pair()
    client, server = await asyncio.gather(
        open_channel(ours, agent(), NAME, CODEC, near.on_message, near.on_close, keep_alive=NEVER),
        secure(theirs, broker().server_context(), server_side=True),
    )
    server.write(header.ACCEPTED)
    app = App()
    server.attach(app)
    try:
        yield client, server, app
    finally:
        client.close()
        server.close()
        await until(lambda: near.ends)
        await turns()


def test_questions_and_answers_both_ways(loop: str) -> None:
    async def scenario() -> None:
        near, far = End(lambda _: Done()), End(lambda _: Registered(contact="node8"))
        async with channels(near, far) as (client, server):
            assert str(client.peer) == "broker.node7"
            assert str(server.peer) == "node8"
            assert client.observed.startswith("127.0.0.1:")
            answer = await client.ask(Register(), 10)
            assert answer == Registered(id=answer.id, contact="node8")
            assert isinstance(await server.ask(DialBack(caller="alice"), 10), Done)
            assert [type(message) for message in far.heard] == [Register]
            assert repr(client) == (
                f"<Channel to broker.node7 at {client.observed}, 0 questions open>"
            )
        assert (near.ends, far.ends) == ([None], [None])
        assert "closed" in repr(client)

    run(loop, scenario())


def test_many_questions_at_once_find_their_answers(loop: str) -> None:
    async def scenario() -> None:
        held: list[Message] = []
        near, far = End(), End(lambda message: held.append(message))
        async with channels(near, far) as (client, server):
            asked = [
                asyncio.ensure_future(client.ask(Request(contact=str(number)), 10))
                for number in range(100)
            ]
            await until(lambda: len(held) == 100)
            for message in reversed(held):
                assert isinstance(message, Request)
                server.tell(Relay(id=message.id, token=message.contact.encode()))
            answers = await asyncio.gather(*asked)
            assert [answer.token for answer in answers] == [b"%d" % n for n in range(100)]

    run(loop, scenario())


def test_two_questions_with_one_number_do_not_meet(loop: str) -> None:
    """Both ends count from 1: the peer's first question is no answer to ours."""

    async def scenario() -> None:
        near, far = End(lambda _: Done()), End()
        async with channels(near, far) as (client, server):
            registering = asyncio.ensure_future(client.ask(Register(), 10))
            await until(lambda: far.heard)
            assert isinstance(await server.ask(DialBack(), 10), Done)
            assert not registering.done()
            assert near.heard[0].id == far.heard[0].id
            server.tell(Registered(id=far.heard[0].id))
            assert isinstance(await registering, Registered)

    run(loop, scenario())


def test_failed_is_raised(loop: str) -> None:
    async def scenario() -> None:
        answers = iter([Failed(code="busy", why="try later"), Failed(code="unknown-name")])
        near, far = End(), End(lambda _: next(answers))
        async with channels(near, far) as (client, _):
            with pytest.raises(Refused, match="try later") as refused:
                await client.ask(Register(), 10)
            assert refused.value.code == "busy"
            with pytest.raises(UnknownName):
                await client.ask(Register(), 10)

    run(loop, scenario())


def test_an_answer_that_does_not_come_is_not_waited_for(loop: str) -> None:
    async def scenario() -> None:
        near, far = End(), End()
        async with channels(near, far) as (client, server):
            with pytest.raises(TimeoutError):
                await client.ask(Register(), 0.01)
            await until(lambda: far.heard)
            server.tell(Registered(id=far.heard[0].id))
            # It comes late: no question of ours is open, so it is news.
            await until(lambda: near.heard)
            assert "0 questions open" in repr(client)

    run(loop, scenario())


def test_what_is_not_understood_is_answered(loop: str) -> None:
    async def scenario() -> None:
        near, far = End(), End()
        async with channels(near, far) as (client, _):
            with pytest.raises(Refused, match="message 'lookup' is not understood") as refused:
                await client.ask(Lookup(name="x"), 10)
            assert refused.value.code == "unknown-message"
            assert far.heard == []

    run(loop, scenario())


def test_no_message_makes_us_answer_with_more_than_a_frame(loop: str) -> None:
    async def scenario() -> None:
        near, far = End(), End()
        async with raw_peer(near) as (_, server, app):
            body = msgspec.msgpack.encode({"t": "\x00" * (MAX_FRAME - 20), "id": 3})
            server.write(encode_frame(body))
            await until(lambda: app.data)
            assert len(app.data) < 1000
            assert near.ends == far.ends == []

    run(loop, scenario())


GARBAGE = [
    ("no map", encode_frame(b"\x01")),
    ("no message", encode_frame(b"")),
    ("too long", b"\xff\xff\xff\xff"),
    ("a map without a kind", encode_frame(b"\x80")),
    ("depth", encode_frame(b"\x91" * 100_000)),
]


@pytest.mark.parametrize("name, data", GARBAGE, ids=[case[0] for case in GARBAGE])
def test_garbage_ends_the_channel_without_a_traceback(
    loop: str, name: str, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        near = End()
        async with raw_peer(near) as (client, server, _):
            asking = asyncio.ensure_future(client.ask(Register(), 10))
            server.write(data + encode_frame(encode(Registered())))
            with pytest.raises(ProtocolError):
                await asking
            with pytest.raises(ProtocolError):  # and whoever asks later hears why
                await client.ask(Register(), 10)
            assert near.heard == []
        assert isinstance(near.ends[0], ProtocolError)

    with caplog.at_level(logging.DEBUG):
        run(loop, scenario())
    assert not [each for each in caplog.records if each.exc_info]


def test_messages_come_whole_however_they_are_cut(loop: str) -> None:
    async def scenario() -> None:
        near = End()
        async with raw_peer(near) as (_, server, _):
            data = encode_frame(encode(Registered(contact="a"))) * 2
            for at in range(len(data)):
                server.write(data[at : at + 1])
                await asyncio.sleep(0)
            server.write(data)
            await until(lambda: len(near.heard) == 4)

    run(loop, scenario())


def test_nothing_is_heard_after_ones_own_close(loop: str) -> None:
    async def scenario() -> None:
        near = End()
        async with raw_peer(near) as (client, server, _):
            near.answer = lambda message: client.close()
            server.write(encode_frame(encode(Done())) * 3)
            await until(lambda: near.ends)
            assert len(near.heard) == 1

    run(loop, scenario())


# --- the end --------------------------------------------------------------------------------------


def test_closing_fails_the_open_questions_of_both(loop: str) -> None:
    async def scenario() -> None:
        near, far = End(), End()
        async with channels(near, far) as (client, server):
            asked = [
                asyncio.ensure_future(client.ask(Register(), 10)),
                asyncio.ensure_future(server.ask(DialBack(), 10)),
            ]
            await until(lambda: near.heard and far.heard)
            server.close()
            for each in asked:
                with pytest.raises(PathCut):
                    await each
            with pytest.raises(PathCut):
                await client.ask(Register(), 10)
            client.tell(Done())  # to nobody

    run(loop, scenario())


def test_a_cut_is_told_as_one(loop: str) -> None:
    async def scenario() -> None:
        near = End()
        async with raw_peer(near) as (client, server, _):
            asking = asyncio.ensure_future(client.ask(Register(), 10))
            await turns()
            server.abort()
            with pytest.raises(PathCut, match="cut"):
                await asking
        assert isinstance(near.ends[0], PathCut)

    run(loop, scenario())


def test_a_dead_peer_is_noticed(loop: str) -> None:
    """The peer's socket is open and nobody reads it, as after a power cut."""

    async def scenario() -> None:
        near, far = End(), End()
        async with channels(near, far, keep_alive=0.01, silence=0.05) as (client, server):
            server._transport.pause_reading()
            asking = asyncio.ensure_future(client.ask(Register(), 10))
            with pytest.raises(PathCut, match="was silent"):
                await asking
            server._transport.resume_reading()

    run(loop, scenario())


def test_a_living_peer_is_asked_and_kept(loop: str) -> None:
    async def scenario() -> None:
        near, far = End(), End()
        async with channels(near, far, keep_alive=0.01, silence=10) as (client, _):
            heard = client._heard
            await until(lambda: client._heard > heard + 0.03)  # three times its answer came
            assert near.heard == far.heard == []  # and nobody above was bothered
            assert near.ends == []

    run(loop, scenario())


def test_a_peer_that_is_doubted_is_asked_at_once(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before its keep-alive. One that answers is kept; asking twice is asking once."""
    monkeypatch.setattr(channel_module, "CHECK", 0.05)

    async def scenario() -> None:
        near, far = End(), End()
        async with channels(near, far) as (client, server):
            client._heard = 0.0
            client.check()
            client.check()
            await until(lambda: client._heard > 0)
            await until(lambda: not client._doubted)
            assert near.ends == []
            server._transport.pause_reading()
            asking = asyncio.ensure_future(client.ask(Register(), 10))
            client.check()
            with pytest.raises(PathCut, match="was silent"):
                await asking
            client.check()  # of what has ended: nothing happens
            server._transport.resume_reading()

    run(loop, scenario())


def test_a_connection_from_an_address_that_is_gone_ends_at_once(loop: str) -> None:
    """The host is on another network: what is sent from there comes nowhere, and says nothing."""

    async def scenario() -> None:
        near, far = End(), End()
        async with channels(near, far) as (client, _):
            client._local = ("198.51.100.7", 4711)
            client.check()
            await until(lambda: near.ends)
            assert str(near.ends[0]) == "this host no longer has the address 198.51.100.7"

    run(loop, scenario())


def test_who_slept_asks_before_it_judges(loop: str) -> None:
    """A process that was stopped finds its timers late and its peers silent; what they have said
    meanwhile waits to be read."""

    async def scenario() -> None:
        near, far = End(), End()
        async with channels(near, far) as (client, _):
            client._heard -= 2 * NEVER
            heard = client._heard
            client._due -= 2 * NEVER
            client._look()
            await until(lambda: client._heard > heard)
            assert near.ends == []

    run(loop, scenario())


def test_pings_are_answered_with_their_number_and_the_time(loop: str) -> None:
    async def scenario() -> None:
        near = End()
        async with raw_peer(near) as (_, server, app):
            before = time.time()
            server.write(encode_frame(encode(Ping(id=7))))
            await until(lambda: app.data)
            [body] = FrameReader().feed(bytes(app.data))
            pong = CODEC.decode(body)
            assert isinstance(pong, Pong) and pong.id == 7
            assert before <= pong.now <= time.time()

    run(loop, scenario())


def test_a_ping_can_be_asked_and_an_older_peer_says_no_time(loop: str) -> None:
    async def scenario() -> None:
        near, far = End(), End()
        async with channels(near, far) as (client, server):
            before = time.time()
            answer = await client.ask(Ping(), timeout=20)
            assert isinstance(answer, Pong) and before <= answer.now <= time.time()
            server.tell(Pong(id=99))  # that nobody asked for
            assert isinstance(await client.ask(Ping(), timeout=20), Pong)
            assert near.heard == []
        async with raw_peer(End()) as (client, server, app):
            asking = asyncio.create_task(client.ask(Ping(), timeout=20))
            await until(lambda: app.data)
            server.write(encode_frame(encode(Pong(id=1))))
            assert await asking == Pong(id=1, now=0.0)

    run(loop, scenario())


def test_a_peer_that_reads_nothing_is_dropped(loop: str) -> None:
    async def scenario() -> None:
        near = End()
        async with raw_peer(near) as (client, server, _):
            server.pause_reading()
            message = DialBack(returns=("x" * 500_000,))
            while not near.ends:
                client.tell(message)
                await asyncio.sleep(0)
        assert "does not read" in str(near.ends[0])

    run(loop, scenario())


# --- letting in -----------------------------------------------------------------------------------


def test_who_is_not_admitted_learns_why(loop: str) -> None:
    def admit(identity: Identity) -> None:
        assert str(identity) == "node8"
        raise Refused("forbidden", "node8 may not be here")

    async def scenario() -> None:
        ours, theirs = tcp_pair()
        before = descriptors()
        near = End()
        accepting = asyncio.ensure_future(
            accept_channel(theirs, broker(), CODEC, admit=admit, keep_alive=NEVER)
        )
        client = await open_channel(
            ours, agent(), NAME, CODEC, on_close=near.on_close, keep_alive=NEVER
        )
        with pytest.raises(Refused, match="node8 may not be here") as refused:
            await client.ask(Register(), 10)
        assert refused.value.code == "forbidden"
        with pytest.raises(Refused, match="may not be here"):
            await accepting
        assert isinstance(near.ends[0], Refused)
        await turns()
        assert descriptors() == before - 2

    run(loop, scenario())


EXPECTED = [
    ("its name", NAME, None),
    ("any broker", "broker.*", None),
    ("another name", f"broker.node8.{DOMAIN}", "Hostname mismatch"),
    ("any directory", "directory.*", "the peer is broker.node7, not a directory"),
]


@pytest.mark.parametrize("name, expect, error", EXPECTED, ids=[case[0] for case in EXPECTED])
def test_the_server_must_be_whom_we_expect(
    loop: str, name: str, expect: str, error: str | None
) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        before = descriptors()
        far = End()
        client, server = await asyncio.gather(
            open_channel(ours, agent(), expect, CODEC, keep_alive=NEVER),
            accept_channel(theirs, broker(), CODEC, on_close=far.on_close, keep_alive=NEVER),
            return_exceptions=True,
        )
        if error is not None:
            assert isinstance(client, TrustError)
            assert error in str(client)
        if isinstance(client, Channel):
            client.close()
        if isinstance(server, Channel):
            await until(lambda: far.ends)
        await turns()
        assert descriptors() == before - 2

    run(loop, scenario())


def test_a_port_refuses_a_channel_too(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        theirs.send(header.encode_answer(header.Answer("no-such-service", "no broker here")))
        with pytest.raises(Refused, match="no broker here"):
            await open_channel(ours, agent(), NAME, CODEC, keep_alive=NEVER)
        await turns()
        theirs.close()

    run(loop, scenario())


def test_an_address_is_told_only_where_there_is_one(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        far = End()
        client, server = await asyncio.gather(
            open_channel(ours, agent(), NAME, CODEC, keep_alive=NEVER),
            accept_channel(theirs, broker(), CODEC, on_close=far.on_close, keep_alive=NEVER),
        )
        assert client.observed == server.observed == ""
        client.close()
        await until(lambda: far.ends)
        await turns()

    run(loop, scenario())


# --- pausing --------------------------------------------------------------------------------------


def test_a_paused_channel_delivers_nothing_until_it_goes_on_and_loses_nothing(loop: str) -> None:
    async def scenario() -> None:
        near, far = End(), End()
        async with channels(near, far) as (client, server):

            def pause_at_third(message: Message) -> None:
                if message == DialBack(caller="2"):
                    server.pause_reading()

            far.answer = pause_at_third
            messages = [DialBack(caller=str(number)) for number in range(10)]
            for message in messages[:5]:
                client.tell(message)
            await until(lambda: len(far.heard) == 3)
            for message in messages[5:]:
                client.tell(message)
            await turns()
            assert far.heard == messages[:3]
            server.resume_reading()
            server.pause_reading()  # at once again: it is the last word that counts
            await turns()
            assert far.heard == messages[:3]
            server.resume_reading()
            await until(lambda: len(far.heard) == 10)
            assert far.heard == messages

    run(loop, scenario())


def test_who_does_not_listen_takes_nobody_for_silent(loop: str) -> None:
    async def scenario() -> None:
        near, far = End(), End(lambda _: Registered())
        async with channels(near, far, keep_alive=0.02, silence=0.1) as (client, _):
            client.pause_reading()
            paused = client._heard
            await until(lambda: client._heard > paused + 0.2)  # twice what is taken for death
            assert not client.closed
            client.resume_reading()
            assert isinstance(await client.ask(Register(), 10), Registered)

    run(loop, scenario())
