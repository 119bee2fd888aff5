"""Members who say what is out of place, replay, or show certificates that do not hold."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import msgspec
import pytest
from cryptography import x509

from glasnost.core.wire.frames import FrameReader, encode_frame
from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import QUESTIONS, Message, Ping, Pong, Record, Register, encode
from glasnost.errors import GlasnostError, PathCut, Refused, TrustError
from glasnost.net.channel import open_channel
from glasnost.net.tls import TlsTransport, secure
from glasnost.trust.certificates import issue_node_leaf, issue_service
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key
from glasnost.trust.records import sign_record
from tests.core.wire.vectors import ANY, vectors
from tests.net.pairs import App, turns, until
from tests.roles.broker_lab import CODEC
from tests.roles.broker_lab import Site as BrokerSite
from tests.roles.directory_lab import ADDRESS, full, served, signed
from tests.trust.pool import DAY, Node, Pool, lab, node7, node8

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


def chained(leaf: Callable[[Pool, Node], Credentials]) -> Credentials:
    return leaf(lab(), node7())


def _expired(pool: Pool, node: Node) -> Credentials:
    past = Pool(time.time() - 30 * DAY)
    past.key, past.root = pool.key, pool.root  # the same authority, a month ago
    old = past.node("node7")
    return past.agent(old)


def _elsewhere(pool: Pool, node: Node) -> Credentials:
    stranger = Pool(time.time())
    return stranger.agent(stranger.node("node7"))


def _long(pool: Pool, node: Node) -> Credentials:
    """A leaf that certifies another, and so on: ten of them."""
    chain = list(pool.agent(node).chain)
    key = node.key
    issuer = node.cert
    made: list[x509.Certificate] = []
    for _ in range(10):
        own = new_key()
        made.insert(0, issue_node_leaf(key, node.cert, own.public_key(), time.time(), 3600))
        key, issuer = own, made[0]
    assert issuer is made[0]
    return Credentials(pool.root, pool.domain, key, [*made, *chain])


def _deeper(pool: Pool, node: Node) -> Credentials:
    """`a.b.node7`: X.509 lets a node certify it, and it is none of ours."""
    from glasnost.trust import certificates

    key = new_key()
    name = f"a.b.node7.{pool.domain}"
    leaf = certificates._issue(
        "a",
        key.public_key(),
        node.key,
        node.cert,
        certificates._leaf(x509.DNSName(name)),
        time.time(),
        3600,
    )
    shown = pool.service(node, "web")
    shown.key, shown.chain = key, (leaf, node.cert)
    return shown


def _borrowed(pool: Pool, node: Node) -> Credentials:
    """node7's own key certifies a service of node8."""
    key = new_key()
    try:
        leaf = issue_service(
            node.key, node.cert, f"web.node8.{pool.domain}", key.public_key(), time.time(), 3600
        )
    except TrustError:
        from glasnost.trust import certificates

        leaf = certificates._issue(
            "web",
            key.public_key(),
            node.key,
            node.cert,
            certificates._leaf(x509.DNSName(f"web.node8.{pool.domain}")),
            time.time(),
            3600,
        )
    shown = pool.service(node, "web")
    shown.key, shown.chain = key, (leaf, node.cert)
    return shown


CHAINS = [_expired, _elsewhere, _long, _deeper, _borrowed]


@pytest.mark.parametrize("make", CHAINS, ids=lambda make: make.__name__.strip("_"))
def test_a_chain_that_does_not_hold_lets_nobody_in(
    make: Callable[[Pool, Node], Credentials], caplog: pytest.LogCaptureFixture
) -> None:
    """Expired, another pool's, ten certificates long, a name too deep, another node's name: the
    client hears why, and the broker holds nothing for it."""

    async def scenario() -> None:
        site = BrokerSite()
        broker = site.start()
        shown = chained(make)

        async def register() -> None:
            sock = await site.raw(Call(to="broker"))
            channel = await open_channel(sock, shown, "broker.*", CODEC)
            await channel.ask(Register(), 20)

        with pytest.raises((GlasnostError, OSError)) as caught:
            await register()
        assert isinstance(caught.value, (TrustError, Refused, PathCut, ConnectionError))
        await until(lambda: broker.status()["handshakes"] == 0)
        assert broker.status()["channels"] == broker.status()["targets"] == 0
        good = await site.channel(site.pool.agent(node8()))
        assert isinstance(await good.ask(Ping(), 20), Pong)
        good.close()
        await until(lambda: broker.status()["channels"] == 0)
        site.door.close()
        await site.stop()
        await turns()

    with caplog.at_level(logging.DEBUG):
        asyncio.run(scenario())
    assert not [one for one in caplog.records if one.exc_info]
