"""Members who say what is out of place, or replay."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

import msgspec
import pytest

from glasnost.core.wire.frames import FrameReader, encode_frame
from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import QUESTIONS, Message, Ping, Record, Register, encode
from glasnost.net.tls import TlsTransport, secure
from glasnost.trust.records import sign_record
from tests.core.wire.vectors import ANY, vectors
from tests.net.pairs import App, turns, until
from tests.roles.broker_lab import Site as BrokerSite
from tests.roles.directory_lab import ADDRESS, full, served, signed
from tests.trust.pool import Node, Pool, lab, node7, node8

#: All messages there are, each as some peer would send it.
EVERYTHING = [vector.read(ANY) for vector in vectors("messages.json")]


class Bare:
    """A member who sends any bytes at all."""

    def __init__(self, transport: TlsTransport) -> None:
        self.transport, self.app, self._frames = transport, App(), FrameReader()
        transport.attach(self.app)

    def say(self, *messages: Message) -> None:
        self.transport.write(b"".join(encode_frame(encode(message)) for message in messages))

    def heard(self) -> list[dict[str, object]]:
        data = bytes(self.app.data)
        self.app.data.clear()
        return [msgspec.msgpack.decode(body) for body in self._frames.feed(data)]

    async def answers(self, said: Sequence[Message]) -> list[dict[str, object]]:
        """What it hears until each question has an answer, and a last one of its own, too."""
        waited = {one.id for one in said if isinstance(one, QUESTIONS)} | {9999}
        self.say(*said, Ping(id=9999))
        heard: list[dict[str, object]] = []
        async with asyncio.timeout(60):
            while not waited <= {one["id"] for one in heard}:
                assert not self.app.ends, self.app.ends
                await turns()
                heard += self.heard()
        return heard


def check_answers(heard: list[dict[str, object]], said: Sequence[Message]) -> None:
    """Every question has one answer; an answer to nothing has none, or is called out of place."""
    numbers = [one["id"] for one in heard if one["t"] not in ("ping", "grease")]
    for message in said:
        if isinstance(message, QUESTIONS) and message.id:
            assert numbers.count(message.id) == 1, message
        else:
            assert numbers.count(message.id) <= 1, message


def numbered(messages: Sequence[Message]) -> list[Message]:
    return [
        msgspec.structs.replace(message, id=1000 + number)
        for number, message in enumerate(messages)
    ]


def test_a_broker_is_told_everything_that_there_is(caplog: pytest.LogCaptureFixture) -> None:
    """In order and backwards, each twice: answers to nothing asked, what only brokers say, other
    conversations' messages. It goes on serving, this member and others."""

    async def scenario() -> None:
        site = BrokerSite()
        broker = site.start()
        context = lab().agent(node7()).client_context(check_hostname=False, control=True)
        transport = await secure(await site.raw(Call(to="broker")), context)
        bare = Bare(transport)
        said = numbered([*EVERYTHING, *reversed(EVERYTHING)])
        heard = await bare.answers(said)
        # It registered, among other things; what it was then asked to do, it did not do.
        check_answers([one for one in heard if one["t"] not in ("dialback", "leg")], said)
        other = await site.channel(site.pool.agent(node8()))
        assert (await other.ask(Register(), 20)).contact == "node8"  # type: ignore[attr-defined]
        other.close()
        transport.close()
        await until(lambda: broker.status()["channels"] == broker.status()["requests"] == 0)
        assert broker.status()["waiting_legs"] == 0
        site.door.close()
        await site.stop()
        await turns()

    with caplog.at_level(logging.DEBUG):
        asyncio.run(scenario())
    assert not [one for one in caplog.records if one.exc_info]


def test_a_directory_is_told_everything_that_there_is(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with served() as (site, other):
            context = lab().agent(node7()).client_context(control=True)
            name = site.credentials.identity.full
            bare = Bare(await secure(site.dial(), context, server_name=name))
            said = numbered([*EVERYTHING, *reversed(EVERYTHING)])
            check_answers(await bare.answers(said), said)
            assert (await other.publish([signed("web.node7")])).refused == ("",)
            bare.transport.close()
            await turns()

    with caplog.at_level(logging.DEBUG):
        asyncio.run(scenario())
    assert not [one for one in caplog.records if one.exc_info]


def of(name: str, sequence: int, owner: Node) -> Record:
    return Record(full(name), ADDRESS, sequence=sequence, not_after=int(time.time()) + 3600)


def test_replays_and_borrowed_names_change_nothing() -> None:
    """An older record again; another node's, also with one's own signature; another pool's."""

    async def scenario() -> None:
        async with served() as (_, client):
            stranger = Pool(time.time())
            theirs = stranger.node("node7")
            old, new = (
                sign_record(of("web.node7", number, node7()), node7().key, node7().cert)
                for number in (1, 2)
            )
            assert (await client.publish([new])).refused == ("",)
            foreign = sign_record(of("web.node8", 9, node8()), node8().key, node8().cert)
            forged = sign_record(of("web.node8", 9, node8()), node7().key, node7().cert)
            elsewhere = sign_record(of("web.node7", 9, theirs), theirs.key, theirs.cert)
            mixed = msgspec.structs.replace(new, signature=old.signature)
            borrowed = msgspec.structs.replace(elsewhere, certificate=new.certificate)
            deeper = sign_record(of("a.web.node7", 9, node7()), node7().key, node7().cert)
            answer = await client.publish(
                [old, new, foreign, forged, elsewhere, mixed, borrowed, deeper]
            )
            codes = [why.partition(":")[0] for why in answer.refused]
            assert codes == ["stale", "", "denied", *["untrusted"] * 5]
            assert (await client.lookup(full("web.node7"))).record == new
            assert len(await client.list_all()) == 1

    asyncio.run(scenario())
