"""The agent of this host, asked over its local socket: the other end of `agent.clients`."""

from __future__ import annotations

import asyncio
import itertools
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography import x509

from glasnost.core.routes import Vantage
from glasnost.core.wire import messages as m
from glasnost.errors import GlasnostError, ProtocolError, Refused, Unavailable, UnknownName
from glasnost.net.fdpass import PacketConnection, connect_packets
from glasnost.net.port import Incoming
from glasnost.roles.agent.clients import PAGE
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


class _Expectation:
    """A reply name that the agent keeps for us."""

    def __init__(self, client: AgentClient, reply: bytes) -> None:
        self.reply = reply
        self.arrived: asyncio.Future[Incoming] = asyncio.get_running_loop().create_future()
        self._client = client
        self._given = False

    async def arrival(self) -> socket.socket:
        incoming = await self.arrived
        self._given = True
        return incoming.sock

    def cancel(self) -> None:
        self._client.unexpect(self.reply)
        if not self.arrived.done():
            self.arrived.cancel()
        elif not self.arrived.cancelled() and self.arrived.exception() is None and not self._given:
            self.arrived.result().sock.close()


class AgentClient:
    """A `LocalAgent` behind a socket. Use `AgentClient.connect`."""

    def __init__(self, sock: socket.socket) -> None:
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[m.Message]] = {}
        self._takes: dict[str, Take] = {}
        self._expected: dict[bytes, _Expectation] = {}
        #: Done when the agent has gone.
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._packets = PacketConnection(sock, self._received, self._gone)
        self.welcome: m.Welcome
        self.root: x509.Certificate

    @classmethod
    async def connect(cls, run: Path) -> AgentClient:
        """The agent whose sockets lie in ``run``. Raises `Unavailable`, `Refused`."""
        path = run / "agent.sock"
        try:
            sock = connect_packets(path)
        except OSError as error:
            raise Unavailable(
                f"no agent runs on this host ({path}: {(error.strerror or '').lower()}): "
                "start one with `glasnost up` or `glasnost agent`"
            ) from None
        client = cls(sock)
        try:
            client.welcome = await client._ask(m.Hello(), m.Welcome)
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
        self._takes.setdefault(offer.name, take)
        try:
            answer = await self._ask(offer, m.Offered)
        except BaseException:
            if self._takes.get(offer.name) is take:
                del self._takes[offer.name]
            raise
        return _Offering(answer.full, self, offer.name)

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
        found: list[tuple[m.Record, float]] = []
        after = ""
        while True:
            question = m.List(glob=glob, after=after, limit=PAGE)
            page = await self._ask(question, m.Listing, ASK_TIMEOUT)
            records = [m.decode_record(signed.payload) for signed in page.records]
            found += zip(records, page.ages, strict=False)
            if not page.more or not records:
                return found
            after = records[-1].name

    async def where(self) -> Vantage:
        return Vantage.from_dict((await self._ask(m.Where(), m.WhereIs)).vantage)

    async def expect(self, timeout: float) -> _Expectation:
        answer = await self._ask(m.Expect(timeout=timeout), m.Expected)
        expectation = _Expectation(self, answer.reply)
        self._expected[answer.reply] = expectation
        return expectation

    async def status(self) -> dict[str, Any]:
        return (await self._ask(m.Status(), m.StatusIs)).status

    async def close(self) -> None:
        self._packets.close()

    # --- packets --------------------------------------------------------------------------------

    def withdraw(self, name: str) -> None:
        """Give a service's name back."""
        self._takes.pop(name, None)
        self._packets.send(m.encode(m.Withdraw(names=(name,))))

    def unexpect(self, reply: bytes) -> None:
        """Forget a reply name; the agent lets it expire."""
        self._expected.pop(reply, None)

    async def _ask(
        self, question: m.Message, expected: type[_M], timeout: float = OWN_TIMEOUT
    ) -> _M:
        number = next(self._ids)
        future = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            if not self._packets.send(m.encode(msgspec.structs.replace(question, id=number))):
                raise Unavailable("the agent has gone")
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
            passed.setblocking(False)
            self._arrived(Incoming(message.call, passed, message.peer))
            return
        if passed is not None:
            passed.close()
        future = self._asked.get(message.id)
        if future is not None and not future.done():
            future.set_result(message)

    def _arrived(self, incoming: Incoming) -> None:
        if incoming.call.reply:
            expectation = self._expected.pop(incoming.call.reply, None)
            if expectation is not None and not expectation.arrived.done():
                expectation.arrived.set_result(incoming)
            else:
                incoming.sock.close()
        elif take := self._takes.get(incoming.call.to):
            take(incoming)
        else:
            incoming.sock.close()

    def _gone(self, error: BaseException) -> None:
        for future in self._asked.values():
            if not future.done():
                future.set_exception(Unavailable("the agent has gone"))
        for expectation in self._expected.values():
            expectation.arrived.cancel()
        if not self.lost.done():
            self.lost.set_result(None)


def _error(failed: m.Failed) -> GlasnostError:
    if failed.code == "unavailable":
        return Unavailable(failed.why)
    kind = UnknownName if failed.code == "unknown-name" else Refused
    return kind(failed.code, failed.why)
