"""The local socket, the agent's side: one object for each program that is connected."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import msgspec

from glasnost.core.wire import messages as m
from glasnost.core.wire import versions
from glasnost.core.wire.grease import Grease
from glasnost.errors import GlasnostError, ProtocolError, Refused, Unavailable
from glasnost.net.fdpass import MAX_PACKET, peer_process, peer_user, receive_packet, send_packet
from glasnost.net.packets import PacketConnection
from glasnost.net.port import Incoming
from glasnost.net.sentences import sentence
from glasnost.roles.agent.services import Service
from glasnost.trust import checks
from glasnost.trust.identity import is_user

if TYPE_CHECKING:
    from glasnost.roles.agent.agent import Agent

log = logging.getLogger("glasnost.agent")

_CODEC = m.Codec(m.LOCAL)
#: Questions of one program that are being answered at a time.
MAX_QUESTIONS = 256
#: Dial-backs that one program expects at a time: a sixteenth of the host's, so that one that
#: forgets its own leaves room for the others.
MAX_REPLIES = 256
#: Connections that wait for one program to take them, before callers are told that it is busy:
#: half of what its queue holds, so that there is room for answers.
MAX_WAITING = 128
#: Programs, and services of one of them, that `Status` tells of: it must fit a packet.
MAX_SHOWN = 64
#: Records in one page of a listing, if they fit a packet: usual ones have 1.5 kB.
PAGE = 64
#: Bytes around a record in a packet: its keys and lengths, and its age.
_AROUND = 64
#: Bytes of the sentence in `Failed`: some lines for each of the paths of a connect. A peer may
#: have made it longer.
MAX_WHY = 16 * 1024


class Client:
    """One program of this host: its services, the reply names it expects, its questions."""

    def __init__(self, agent: Agent, sock: socket.socket) -> None:
        self._agent = agent
        self.user = user_name(peer_user(sock))
        self._process = peer_process(sock)
        self._services: dict[str, Service] = {}
        self._replies: set[bytes] = set()
        self._tasks: dict[asyncio.Task[None], m.Message] = {}
        self._grease = Grease()
        self._packets = PacketConnection(sock, self._received, self._gone)

    def __repr__(self) -> str:
        return f"<Client {self.user}, {len(self._services)} services>"

    def describe(self) -> dict[str, Any]:
        """Who this is, for people and machines to read."""
        services = sorted(self._services)[:MAX_SHOWN]
        return {
            "pid": self._process,
            "user": self.user,
            "services": services,
            "announced": self._agent.announced.of(self),
        }

    @property
    def serves(self) -> bool:
        """Whether it has registered any service, or announced any record."""
        return bool(self._services) or self._agent.announced.of(self) > 0

    @property
    def queued(self) -> int:
        """Packets that the program has not made room for."""
        return self._packets.queued

    async def close(self) -> None:
        """Let go of the program, and end what it has asked."""
        self._packets.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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
        except (OSError, GlasnostError) as error:
            self._fail(message, error)

    def _answer(self, message: m.Message) -> None:
        match message:
            case m.Hello(_, oldest, newest):
                version = versions.choose(oldest, max(oldest, newest))
                self._reply(message, self._agent.welcome(self.user, version))
            case m.Ping():
                self._reply(message, m.Pong())
            case m.Offer():
                self._reply(message, m.Offered(full=self._offer(message)))
            case m.Announce():
                announced = self._agent.announced
                refused = [announced.put_or_say(self, one) for one in message.records]
                self._reply(message, m.Announced(refused=tuple(refused)))
            case m.Withdraw(_, names):
                for name in names:
                    if service := self._services.pop(name, None):
                        self._agent.services.remove(service)
                self._agent.announced.remove(self, names)
                self._reply(message, m.Done())
            case m.Certify():
                chain = self._agent.certify_for(message, self.user, frozenset(self._services))
                self._reply(message, m.Certified(chain=tuple(map(checks.to_der, chain))))
            case m.Expect(_, timeout):
                self._reply(message, m.Expected(reply=self._expect(timeout)))
            case m.Unexpect(_, reply):
                if reply in self._replies:
                    self._agent.replies.cancel(reply)
                self._reply(message, m.Done())
            case m.Where():
                self._reply(message, m.WhereIs(vantage=self._agent.vantage().as_dict()))
            case m.Status():
                self._reply(message, m.StatusIs(status=self._agent.describe()))
            case m.Reload():
                found = self._agent.reload()
                self._reply(message, m.Reloaded(changed=found.changed, kept=found.kept))
            case m.Resolve():
                self._later(message, self._resolve(message))
            case m.List():
                self._later(message, self._list(message))
            case m.Watch():
                self._later(message, self._watch(message))
            case m.Dial():
                self._later(message, self._dial(message))
            case m.Pong() | m.Done() | m.Failed():
                pass  # an answer is not answered
            case m.Unreadable(_, why):
                raise Refused("unknown-message", why)
            case _:
                raise Refused("unexpected", f"an agent is not told {type(message).__name__}")

    # --- services and dial-backs ----------------------------------------------------------------

    def _offer(self, offer: m.Offer) -> str:
        service = Service(offer, self._ready, self._arrived)
        self._agent.services.add(service)
        self._services[offer.name] = service
        return self._agent.identity.full(offer.name)

    def _ready(self) -> bool:
        return not self._packets.closed and self._packets.queued < MAX_WAITING

    def _arrived(self, incoming: Incoming) -> bool:
        packet = m.encode(m.Arrived(call=incoming.call, peer=incoming.peer))
        return self._packets.send(packet, incoming.sock)

    def _expect(self, timeout: float) -> bytes:
        if len(self._replies) >= MAX_REPLIES:
            raise Refused("busy", f"this program expects {MAX_REPLIES} dial-backs already")
        reply = self._agent.replies.expect(self._arrived, timeout, self._replies.discard)
        self._replies.add(reply)
        return reply

    # --- what takes its time --------------------------------------------------------------------

    def _later(self, question: m.Message, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= MAX_QUESTIONS:
            work.close()
            raise Refused("busy", f"{MAX_QUESTIONS} questions of this program are open already")
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = question
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        question = self._tasks.pop(task)
        error = Unavailable("it was ended") if task.cancelled() else task.exception()
        if isinstance(error, (OSError, GlasnostError)):
            self._fail(question, error)
        elif error is not None:
            log.error("%s: a bug of ours", type(question).__name__, exc_info=error)
            self._fail(question, Refused("failed", "the agent failed; its log says more"))

    async def _resolve(self, question: m.Resolve) -> None:
        signed, age = await self._agent.lookup(question.name)
        self._reply(question, m.Resolved(record=signed, age=age))

    async def _list(self, question: m.List) -> None:
        limit = question.limit if 0 < question.limit < PAGE else PAGE
        page = msgspec.structs.replace(question, limit=limit)
        self._reply(question, _fitting(await self._agent.list_page(page)))

    async def _watch(self, question: m.Watch) -> None:
        """Asks for less where the answer does not fit a packet; nothing of it has been seen yet."""
        limit = question.limit if 0 < question.limit < PAGE else PAGE
        while True:
            asked = msgspec.structs.replace(question, limit=limit)
            changes = await self._agent.watch(asked)
            if limit == 1 or len(m.encode(changes)) <= MAX_PACKET - _AROUND:
                self._reply(question, changes)
                return
            limit //= 2

    async def _dial(self, question: m.Dial) -> None:
        def ended(error: BaseException | None) -> None:
            if error is None:
                self._reply(question, m.Done())
            else:
                self._reply(question, m.Failed(code="cut", why=sentence(error)))

        dialled, sock = await self._agent.dial_for(question, self.user, ended)
        if not self._reply(question, dialled, sock):
            sock.close()

    # --- answering ------------------------------------------------------------------------------

    def _reply(
        self, question: m.Message, answer: m.Message, passed: socket.socket | None = None
    ) -> bool:
        """Send an answer; True when ``passed`` went with it."""
        packet = self._grease(m.encode(msgspec.structs.replace(answer, id=question.id)))
        if len(packet) > MAX_PACKET:
            self._fail(question, Refused("too-large", "the answer does not fit a packet"))
            return False
        sent = self._packets.send(packet, passed)
        if not sent:  # nothing happens where it has gone
            self._packets.close(ProtocolError(f"{self.user}'s program asks and does not read"))
        return sent

    def _fail(self, question: m.Message, error: Exception) -> None:
        code = "failed"
        if isinstance(error, Refused):
            code = error.code
        elif isinstance(error, Unavailable):
            code = "unavailable"
        why = sentence(error).encode("utf-8", "replace")[:MAX_WHY].decode("utf-8", "ignore")
        self._reply(question, m.Failed(code=code[:MAX_WHY], why=why))

    def _gone(self, error: BaseException) -> None:
        """The program has ended: its names are withdrawn, its reply names forgotten."""
        log.debug("%r: gone: %s", self, error)
        self._agent.forget(self)
        for service in self._services.values():
            self._agent.services.remove(service)
        self._agent.announced.remove_all(self)
        for reply in list(self._replies):
            self._agent.replies.cancel(reply)
        for task in self._tasks:
            task.cancel()


def _fitting(page: m.Listing) -> m.Listing:
    """As much of a page as one packet holds; at least one record, so that it gets on."""
    size = _AROUND
    for count, one in enumerate(page.records):
        size += len(one.payload) + len(one.signature) + len(one.certificate) + _AROUND
        if count and size > MAX_PACKET:
            return m.Listing(records=page.records[:count], ages=page.ages[:count], more=True)
    return page


def turn_away(sock: socket.socket, code: str, why: str) -> None:
    """Tell a program that we do not serve it, and why. What it has asked is read first, or closing
    would be an error to it, which it would hear of before our reason."""
    with sock, contextlib.suppress(OSError):
        sock.setblocking(False)
        send_packet(sock, m.encode(m.Failed(code=code, why=why)))
        receive_packet(sock)


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
