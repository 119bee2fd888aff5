"""The agent of this host, asked over its local socket: the other end of `agent.clients`."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography import x509

from glasnost.core.protocols.record_rules import MAX_RECORDS
from glasnost.core.routes import Vantage
from glasnost.core.wire import messages as m
from glasnost.core.wire import versions
from glasnost.core.wire.grease import Grease
from glasnost.errors import GlasnostError, ProtocolError, Refused, Unavailable, UnknownName
from glasnost.net.fdpass import MAX_PACKET, connect_packets
from glasnost.net.packets import PacketConnection
from glasnost.net.port import Incoming
from glasnost.net.sentences import sentence
from glasnost.roles.agent.clients import PAGE
from glasnost.roles.awaited import Awaited
from glasnost.roles.local import Take
from glasnost.trust import checks

_CODEC = m.Codec(m.LOCAL)
#: How long the agent may take for what it knows itself, and for what it must ask others.
OWN_TIMEOUT = 5.0
ASK_TIMEOUT = 20.0

_M = TypeVar("_M", bound=m.Message)


@dataclass
class _Offering:
    """A service of this program, registered at the agent."""

    full: str
    _client: AgentClient
    _name: str

    def withdraw(self) -> None:
        self._client.withdraw(self._name)


class AgentClient:
    """A `LocalAgent` behind a socket. Use `AgentClient.connect`."""

    def __init__(self, sock: socket.socket) -> None:
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[m.Message]] = {}
        self._takes: dict[str, Take] = {}
        self._expected: dict[bytes, Awaited] = {}
        #: Done when the agent has gone; cancelled when we have let go of it.
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._grease = Grease()
        self._packets = PacketConnection(sock, self._received, self._gone)
        self.welcome = m.Welcome()
        self.root: x509.Certificate

    @classmethod
    async def connect(cls, run: Path) -> AgentClient:
        """The agent whose sockets lie in ``run``. Raises `Unavailable`, `Refused`."""
        path = run / "agent.sock"
        try:
            sock = connect_packets(path)
        except OSError as error:
            raise Unavailable(
                f"no agent runs on this host ({path}: {sentence(error)}): "
                "start one with `glasnost up` or `glasnost agent`"
            ) from None
        client = cls(sock)
        try:
            hello = m.Hello(v=versions.OLDEST, newest=versions.NEWEST)
            client.welcome = await client._ask(hello, m.Welcome)
            if client.welcome.v not in versions.SPOKEN:
                raise ProtocolError(f"the agent speaks version {client.welcome.v}, and we do not")
            client.root = checks.read_certificate(client.welcome.root)
        except BaseException:
            await client.close()
            raise
        return client

    def __repr__(self) -> str:
        return f"<AgentClient of {self.node}, {len(self._takes)} services>"

    @property
    def node(self) -> str:
        return self.welcome.node

    @property
    def domain(self) -> str:
        return self.welcome.domain

    @property
    def user(self) -> str:
        return self.welcome.user

    # --- LocalAgent -----------------------------------------------------------------------------

    async def offer(self, offer: m.Offer, take: Take) -> _Offering:
        if offer.name in self._takes:
            raise Refused("taken", f"this program has a service {offer.name!r} already")
        self._takes[offer.name] = take
        try:
            answer = await self._ask(offer, m.Offered)
        except Refused:
            self._takes.pop(offer.name, None)
            raise
        except BaseException:  # it may have the name, for all we know
            self.withdraw(offer.name)
            raise
        return _Offering(answer.full, self, offer.name)

    async def announce(self, entries: Sequence[m.Entry]) -> list[str]:
        """Publish records that lead elsewhere, for as long as this connection lasts. For each
        nothing, or why it is not: ``code: sentence``."""
        refused: list[str] = []
        for batch in _batches(entries):
            answer = await self._ask(m.Announce(records=tuple(batch)), m.Announced)
            if len(answer.refused) != len(batch):
                raise ProtocolError("the agent answered for other records than it was given")
            refused += answer.refused
        return refused

    async def retract(self, names: Sequence[str]) -> None:
        """Withdraw records that were announced, by label."""
        await self._ask(m.Withdraw(names=tuple(names)), m.Done)

    async def certify(self, kind: str, name: str, csr: bytes) -> list[x509.Certificate]:
        answer = await self._ask(m.Certify(kind=kind, name=name, csr=csr), m.Certified)
        return [checks.read_certificate(one) for one in answer.chain]

    async def resolve(self, name: str) -> tuple[m.Record, float]:
        answer = await self._ask(m.Resolve(name=name), m.Resolved, ASK_TIMEOUT)
        if answer.record is None:
            raise ProtocolError("the agent resolved a name to nothing")
        # Its signature was verified by the agent, which holds this node's key.
        return m.decode_record(answer.record.payload), answer.age

    async def listing(self, glob: str) -> list[tuple[m.Record, float]]:
        return await self.query(m.List(glob=glob))

    async def query(self, question: m.List) -> list[tuple[m.Record, float]]:
        found: list[tuple[m.Record, float]] = []
        after = ""
        while True:
            asked = msgspec.structs.replace(question, after=after, limit=PAGE)
            page = await self._ask(asked, m.Listing, ASK_TIMEOUT)
            records = [m.decode_record(signed.payload) for signed in page.records]
            found += zip(records, page.ages, strict=False)
            if not page.more or not records:
                return found
            if records[-1].name <= after or len(found) > MAX_RECORDS:
                raise Unavailable("the listing does not come to an end")
            after = records[-1].name

    async def directories(self) -> list[str]:
        return list((await self.status())["directories"])

    async def watch(self, question: m.Watch) -> m.Changes:
        return await self._ask(question, m.Changes, ASK_TIMEOUT + question.hold)

    async def where(self) -> Vantage:
        answer = await self._ask(m.Where(), m.WhereIs)
        try:
            return Vantage.from_dict(answer.vantage)
        except ValueError as error:
            raise ProtocolError(f"the agent's vantage: {error}") from None

    async def expect(self, timeout: float) -> Awaited:
        answer = await self._ask(m.Expect(timeout=timeout), m.Expected)
        awaited = self._expected[answer.reply] = Awaited(self.unexpect, answer.reply)
        return awaited

    async def status(self) -> dict[str, Any]:
        return (await self._ask(m.Status(), m.StatusIs)).status

    async def reload(self) -> m.Reloaded:
        """Have the agent read the settings again. `Refused` says why it cannot use them."""
        return await self._ask(m.Reload(), m.Reloaded)

    async def close(self) -> None:
        self.lost.cancel()
        self._packets.close()

    def drop(self, error: BaseException) -> None:
        """Give an agent up that does not do what it is asked: it is lost."""
        self._packets.close(error)

    # --- packets --------------------------------------------------------------------------------

    def withdraw(self, name: str) -> None:
        """Give a service's name back."""
        if self._takes.pop(name, None) is not None:
            self._packets.send(m.encode(m.Withdraw(names=(name,))))

    def unexpect(self, reply: bytes) -> None:
        """Give a reply name back, if nobody has called it."""
        if self._expected.pop(reply, None) is not None:
            self._packets.send(m.encode(m.Unexpect(reply=reply)))

    async def _ask(
        self, question: m.Message, expected: type[_M], timeout: float = OWN_TIMEOUT
    ) -> _M:
        kind = type(question).__name__
        versions.check(question.since, self.welcome.v, kind, "this host's agent")
        number = next(self._ids)
        packet = self._grease(m.encode(msgspec.structs.replace(question, id=number)))
        if len(packet) > MAX_PACKET:
            raise Refused("too-large", f"a question of {len(packet)} bytes: {MAX_PACKET} may be")
        future = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            if not self._packets.send(packet) and not future.done():
                gone = "has gone" if self._packets.closed else "takes no questions"
                raise Unavailable(f"the agent {gone}")
            async with asyncio.timeout(timeout):
                answer = await future
        except TimeoutError:
            raise Unavailable(f"the agent gave no answer within {timeout:g} s") from None
        finally:
            self._asked.pop(number, None)
        if isinstance(answer, m.Failed):
            raise _error(answer)
        if not isinstance(answer, expected):
            raise ProtocolError(f"the agent answered with {type(answer).__name__}")
        return answer

    def _received(self, data: bytes, passed: socket.socket | None) -> None:
        try:
            message = _CODEC.decode(data)
        except ProtocolError as error:
            if passed is not None:
                passed.close()
            self._packets.close(error)
            return
        if isinstance(message, m.Arrived) and passed is not None:
            self._arrived(Incoming(message.call, passed, message.peer))
            return
        if passed is not None:
            passed.close()
        future = self._asked.get(message.id)
        if future is not None and not future.done():
            future.set_result(message)
        elif (
            isinstance(message, m.Failed) and not message.id
        ):  # it answers nothing: it turns us away
            self._packets.close(Unavailable(f"the agent turned us away: {message.why}"))
        elif isinstance(message, m.Expected):  # whoever asked has been cancelled meanwhile
            self._packets.send(m.encode(m.Unexpect(reply=message.reply)))

    def _arrived(self, incoming: Incoming) -> None:
        if incoming.call.reply:
            awaited = self._expected.pop(incoming.call.reply, None)
            if awaited is None or not awaited.arrive(incoming):
                incoming.sock.close()
        elif take := self._takes.get(incoming.call.to):
            take(incoming)
        else:
            incoming.sock.close()

    def _gone(self, error: BaseException) -> None:
        gone = str(error) if isinstance(error, Unavailable) else "the agent has gone"
        for future in self._asked.values():
            if not future.done():
                future.set_exception(Unavailable(gone))
        for awaited in self._expected.values():
            awaited.fail(Unavailable(gone))
        self._expected.clear()
        if not self.lost.done():
            self.lost.set_result(None)


class Link:
    """The way to this host's agent: one connection that all parts of a program share, made anew
    after the agent was lost."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._client: AgentClient | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Link {self._client or 'not open'}>"

    async def get(self) -> AgentClient:
        """The agent, if it is there. Raises `Unavailable`, `Refused`."""
        async with self._opening:
            if self._closed:
                raise Unavailable("this program has let go of its agent")
            if self._client is None or self._client.lost.done():
                self._client = await AgentClient.connect(self._run)
            return self._client

    async def close(self) -> None:
        """Let go; services that were offered are withdrawn."""
        self._closed = True
        async with self._opening:
            if self._client is not None:
                await self._client.close()


def _batches(entries: Sequence[m.Entry]) -> Iterator[list[m.Entry]]:
    """As few as fit into packets."""
    batch: list[m.Entry] = []
    size = 0
    for entry in entries:
        more = len(m.encode(m.Announce(records=(entry,))))
        if batch and size + more > MAX_PACKET // 2:  # the answers are sentences, and must fit too
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += more
    if batch:
        yield batch


def _error(failed: m.Failed) -> GlasnostError:
    if failed.code == "unavailable":
        return Unavailable(failed.why)
    kind = UnknownName if failed.code == "unknown-name" else Refused
    return kind(failed.code, failed.why)
