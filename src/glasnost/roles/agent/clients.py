"""The local socket, the agent's side: one object for each program that is connected."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import msgspec

from glasnost.core.wire import messages as m
from glasnost.errors import GlasnostError, ProtocolError, Refused, Unavailable
from glasnost.net.fdpass import MAX_QUEUED, PacketConnection
from glasnost.net.port import Incoming
from glasnost.net.sockets import peer_user
from glasnost.roles.agent.services import Service
from glasnost.stages.walk import sentence
from glasnost.trust import checks
from glasnost.trust.identity import is_user

if TYPE_CHECKING:
    from glasnost.roles.agent.agent import Agent

log = logging.getLogger("glasnost.agent")

_CODEC = m.Codec(m.LOCAL)
#: Questions of one program that are being answered at a time.
MAX_QUESTIONS = 256
#: Records in one page of a listing: they must fit a packet.
PAGE = 40


class Client:
    """One program of this host: its services, the reply names it expects, its questions."""

    def __init__(self, agent: Agent, sock: socket.socket) -> None:
        self._agent = agent
        self.uid = peer_user(sock)
        self.user = user_name(self.uid)
        self._services: dict[str, Service] = {}
        self._replies: set[bytes] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._packets = PacketConnection(sock, self._received, self._gone)

    def __repr__(self) -> str:
        return f"<Client {self.user}, {len(self._services)} services>"

    def close(self) -> None:
        self._packets.close()

    def _received(self, data: bytes, passed: socket.socket | None) -> None:
        if passed is not None:
            passed.close()  # no message of a program brings one
        try:
            message = _CODEC.decode(data)
        except ProtocolError as error:
            self._packets.close(error)
            return
        try:
            self._answer(message)
        except GlasnostError as error:
            self._fail(message, error)

    def _answer(self, message: m.Message) -> None:
        match message:
            case m.Hello():
                self._reply(message, self._agent.welcome(self.user))
            case m.Ping():
                self._reply(message, m.Pong())
            case m.Offer():
                self._reply(message, m.Offered(full=self._offer(message)))
            case m.Withdraw(_, names):
                for name in names:
                    if service := self._services.pop(name, None):
                        self._agent.services.remove(service)
                self._reply(message, m.Done())
            case m.Certify():
                chain = self._agent.certify_for(message, self.user, frozenset(self._services))
                self._reply(message, m.Certified(chain=tuple(map(checks.to_der, chain))))
            case m.Expect(_, timeout):
                reply = self._agent.replies.expect(self._dialled_back, min(timeout, 60.0))
                self._replies.add(reply)
                self._reply(message, m.Expected(reply=reply))
            case m.Where():
                self._reply(message, m.WhereIs(vantage=self._agent.vantage().as_dict()))
            case m.Status():
                self._reply(message, m.StatusIs(status=self._agent.describe()))
            case m.Resolve() | m.List() | m.Dial():
                self._later(message)
            case m.Unreadable(_, why):
                raise Refused("unknown-message", why)
            case _:
                raise Refused("unexpected", f"an agent is not told {type(message).__name__}")

    def _offer(self, offer: m.Offer) -> str:
        service = Service(offer, self._ready, self._arrived)
        self._agent.services.add(service)
        self._services[offer.name] = service
        return self._agent.identity.full(offer.name)

    def _ready(self) -> bool:
        return not self._packets.closed and self._packets.queued < MAX_QUEUED

    def _arrived(self, incoming: Incoming) -> bool:
        packet = m.encode(m.Arrived(call=incoming.call, peer=incoming.peer))
        return self._packets.send(packet, incoming.sock)

    def _dialled_back(self, incoming: Incoming) -> bool:
        self._replies.discard(incoming.call.reply)
        return self._arrived(incoming)

    def _later(self, question: m.Message) -> None:
        if len(self._tasks) >= MAX_QUESTIONS:
            raise Refused("busy", f"{MAX_QUESTIONS} questions of this program are open already")
        task = asyncio.get_running_loop().create_task(self._ask(question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, question: m.Message) -> None:
        work: Coroutine[Any, Any, None]
        match question:
            case m.Resolve():
                work = self._resolve(question)
            case m.List():
                work = self._list(question)
            case m.Dial():
                work = self._dial(question)
        try:
            await work
        except (OSError, GlasnostError) as error:
            self._fail(question, error)

    async def _resolve(self, question: m.Resolve) -> None:
        signed, age = await self._agent.lookup(question.name)
        self._reply(question, m.Resolved(record=signed, age=age))

    async def _list(self, question: m.List) -> None:
        page = msgspec.structs.replace(question, limit=min(question.limit, PAGE))
        self._reply(question, await self._agent.list_page(page))

    async def _dial(self, question: m.Dial) -> None:
        dialled, sock = await self._agent.dial_for(question, self.user)
        if not self._reply(question, dialled, sock):
            sock.close()

    def _reply(
        self, question: m.Message, answer: m.Message, passed: socket.socket | None = None
    ) -> bool:
        return self._packets.send(m.encode(msgspec.structs.replace(answer, id=question.id)), passed)

    def _fail(self, question: m.Message, error: Exception) -> None:
        code = "failed"
        if isinstance(error, Refused):
            code = error.code
        elif isinstance(error, Unavailable):
            code = "unavailable"
        # One packet holds it, whatever a peer made it say.
        why = sentence(error)[:60_000]
        self._reply(question, m.Failed(code=code, why=why))

    def _gone(self, error: BaseException) -> None:
        """The program has ended: its names are withdrawn, its reply names forgotten."""
        self._agent.forget(self)
        for service in self._services.values():
            self._agent.services.remove(service)
        for reply in self._replies:
            self._agent.replies.cancel(reply)
        for task in self._tasks:
            task.cancel()


def user_name(uid: int) -> str:
    """The local user's name, or ``uid1000`` where it has none that a certificate can show."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = ""
    return name if is_user(name) else f"uid{uid}"


def allowed_users() -> frozenset[int]:
    """Who may ask this agent: root and its own user."""
    return frozenset({0, os.getuid()})
