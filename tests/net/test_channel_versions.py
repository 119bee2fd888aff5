"""Channels agree on a version in their handshake, and bear what they do not know."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import msgspec
import pytest

from glasnost.core.wire import header
from glasnost.core.wire.frames import FrameReader, encode_frame
from glasnost.core.wire.grease import unknown_message
from glasnost.core.wire.messages import BROKER, Codec, Done, Failed, Pong, Register, encode
from glasnost.errors import Refused
from glasnost.net.channel import Channel, accept_channel, open_channel
from glasnost.net.dialogue import Dialogue, accept_dialogue, open_dialogue
from glasnost.net.tls import TlsTransport, secure
from tests.net.pairs import LOOPS, App, agent, run, tcp_pair, turns, until
from tests.net.test_channel import NAME, NEVER, End, broker


class Later(Register, frozen=True):
    """A question that version 1 does not know. (Of those, the vectors know what is a `Message`'s
    own child; this one is only ours.)"""

    since: ClassVar[int] = 2


CODEC = Codec(BROKER | Later)
pytestmark = pytest.mark.parametrize("loop", LOOPS)


def context(server: bool, *protocols: str) -> ssl.SSLContext:
    """TLS of a peer that offers, or picks from, these."""
    made = broker().server_context() if server else agent().client_context()
    if protocols:
        made.set_alpn_protocols(protocols)
    return made


async def open_it(sock: object, end: End, **times: float) -> Channel:
    times = times or {"keep_alive": NEVER}
    return await open_channel(
        sock,  # type: ignore[arg-type]
        agent(),
        NAME,
        CODEC,
        end.on_message,
        end.on_close,
        **times,
    )


async def accept_it(sock: object, end: End) -> Channel:
    return await accept_channel(
        sock,  # type: ignore[arg-type]
        broker(),
        CODEC,
        end.on_message,
        end.on_close,
        keep_alive=NEVER,
    )


class Bare:
    """The other end of a channel, by hand: whole messages, as maps."""

    def __init__(self, transport: TlsTransport) -> None:
        self.transport, self.app, self._frames = transport, App(), FrameReader()
        transport.attach(self.app)

    def say(self, body: bytes) -> None:
        self.transport.write(encode_frame(body))

    def heard(self) -> list[dict[str, object]]:
        data = bytes(self.app.data)
        self.app.data.clear()
        return [msgspec.msgpack.decode(body) for body in self._frames.feed(data)]


@asynccontextmanager
async def met_by(
    server: ssl.SSLContext, near: End, **times: float
) -> AsyncIterator[tuple[Channel, Bare]]:
    """Our channel to a server that is not ours."""
    ours, theirs = tcp_pair()
    client, transport = await asyncio.gather(
        open_it(ours, near, **times), secure(theirs, server, server_side=True)
    )
    transport.write(header.ACCEPTED)
    try:
        yield client, Bare(transport)
    finally:
        client.close()
        transport.close()
        await until(lambda: near.ends)
        await turns()


def test_two_of_today_speak_todays_version(loop: str) -> None:
    async def scenario() -> None:
        near, far = End(), End(lambda _: Done())
        ours, theirs = tcp_pair()
        client, server = await asyncio.gather(open_it(ours, near), accept_it(theirs, far))
        assert (client.version, server.version) == (2, 2)
        assert isinstance(await client.ask(Later(), 10), Done)
        client.close()
        await until(lambda: near.ends and far.ends)
        await turns()

    run(loop, scenario())


@pytest.mark.parametrize("protocols", [(), ("glasnost/1",), ("h2",), ("glasnost/0", "glasnost/1")])
def test_an_older_client_is_let_in(loop: str, protocols: tuple[str, ...]) -> None:
    async def scenario() -> None:
        far = End()
        ours, theirs = tcp_pair()
        transport, server = await asyncio.gather(
            secure(ours, context(False, *protocols), server_name=NAME), accept_it(theirs, far)
        )
        assert server.version == 1
        with pytest.raises(Refused, match="node8 speaks version 1, and Later came with version 2"):
            await server.ask(Later(), 10)
        transport.abort()
        await until(lambda: far.ends)
        await turns()

    run(loop, scenario())


@pytest.mark.parametrize("protocols", [(), ("glasnost/1",), ("glasnost/1", "glasnost/0")])
def test_what_an_older_server_lacks_is_not_asked(loop: str, protocols: tuple[str, ...]) -> None:
    async def scenario() -> None:
        near = End()
        async with met_by(context(True, *protocols), near) as (client, server):
            assert client.version == 1
            with pytest.raises(Refused) as refused:
                await client.ask(Later(), 10)
            assert refused.value.code == "version"
            asking = asyncio.ensure_future(client.ask(Register(), 10))
            await until(lambda: server.app.data)
            [question] = server.heard()  # the other one was not sent
            assert question["t"] == "register"
            server.say(encode(Done(id=question["id"])))  # type: ignore[arg-type]
            assert isinstance(await asking, Done)

    run(loop, scenario())


def test_a_client_of_a_version_too_new_hears_both_numbers(loop: str) -> None:
    async def scenario() -> None:
        far = End()
        ours, theirs = tcp_pair()
        accepting = asyncio.ensure_future(accept_it(theirs, far))
        transport = await secure(ours, context(False, "glasnost/4", "glasnost/3"), server_name=NAME)
        app = App()
        transport.attach(app)
        await until(lambda: app.ends)
        assert isinstance(app.end, Refused)
        assert app.end.code == "version"
        assert "speaks versions 2 and 1, and the peer wants 3" in app.end.why
        with pytest.raises(Refused):
            await accepting
        assert not far.ends
        assert not far.heard
        await turns()

    run(loop, scenario())


def test_a_server_of_a_version_too_new_refuses_us_with_its_sentence(loop: str) -> None:
    """It recognises ours, to say so; see `versions.RECOGNISED`."""

    async def scenario() -> None:
        near = End()
        ours, theirs = tcp_pair()
        server = context(True, "glasnost/5", "glasnost/4", "glasnost/1", "glasnost/2")
        opening = asyncio.ensure_future(open_it(ours, near))
        transport = await secure(theirs, server, server_side=True)
        assert transport.get_extra_info("alpn_protocol") == "glasnost/1"
        refusing = asyncio.ensure_future(
            transport.refuse(header.Answer("version", "5 and 4 are spoken here, not 1"))
        )
        channel = await opening
        with pytest.raises(Refused, match="5 and 4 are spoken here, not 1"):
            await channel.ask(Register(), 10)
        await refusing
        await turns()

    run(loop, scenario())


@pytest.mark.parametrize("offered", [("glasnost/7",), ("glasnost/3", "glasnost/9")])
def test_a_dialogue_refuses_as_a_channel_does(loop: str, offered: tuple[str, ...]) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        server = broker().server_context(control=True)
        opening = asyncio.ensure_future(
            open_dialogue(ours, context(False, *offered), NAME, CODEC, 4096)
        )
        accepting = asyncio.ensure_future(accept_dialogue(theirs, server, CODEC, 4096))
        with pytest.raises(Refused, match=f"the peer wants {offered[0][-1]}"):
            await opening  # its client takes what it offered for agreed, and is no client of ours
        with pytest.raises(Refused):
            await accepting
        await turns()

    run(loop, scenario())


def test_dialogues_agree_too(loop: str) -> None:
    async def meet(client: ssl.SSLContext) -> tuple[Dialogue, Dialogue]:
        ours, theirs = tcp_pair()
        server = broker().server_context(control=True)
        return await asyncio.gather(
            open_dialogue(ours, client, NAME, CODEC, 4096),
            accept_dialogue(theirs, server, CODEC, 4096),
        )

    async def scenario() -> None:
        for client, version in ((agent().client_context(control=True), 2), (context(False), 1)):
            ends = await meet(client)
            assert [end.version for end in ends] == [version] * 2
            if version == 1:
                with pytest.raises(Refused, match="Later came with version 2"):
                    await ends[0].ask(Later())
            for end in ends:
                end.close()
        await turns()

    run(loop, scenario())


def test_each_end_sends_what_nobody_knows(loop: str) -> None:
    """A field in the first message, and a message when it is silent for the first time."""

    async def scenario() -> None:
        near = End()
        async with met_by(context(True), near, keep_alive=0.01, silence=1000) as (client, server):
            heard: list[dict[str, object]] = []
            async with asyncio.timeout(10):
                while len(heard) < 20:
                    heard += server.heard()
                    await asyncio.sleep(0)
            assert [key for key in heard[0] if key.startswith("grease")] == ["grease-0"]
            unknown = [message for message in heard if message["t"] == "grease"]
            assert len(unknown) == 1
            number = unknown[0]["id"]
            assert isinstance(number, int) and number > 0
            # What it is answered with is nobody's news.
            server.say(encode(Failed(id=number, code="unknown-message", why="what?")))
            server.say(encode(Done(id=0)))
            await until(lambda: near.heard)
            assert [type(message) for message in near.heard] == [Done]
            assert client.closed is False

    run(loop, scenario())


def test_each_end_answers_what_it_does_not_know(loop: str) -> None:
    async def scenario() -> None:
        near = End()
        async with met_by(context(True), near) as (client, server):
            server.say(unknown_message(41))
            await until(lambda: server.app.data)
            [answer] = server.heard()
            assert (answer["t"], answer["id"], answer["code"]) == ("failed", 41, "unknown-message")
            server.say(encode(Pong()))
            server.say(encode(Done()))
            await until(lambda: near.heard)
            assert not client.closed

    run(loop, scenario())
