"""Messages over one TLS connection: questions with their answers, news, and keep-alive."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from glasnost.core.wire import header, versions
from glasnost.core.wire.frames import FrameReader, encode_frame
from glasnost.core.wire.grease import Grease, unknown_message
from glasnost.core.wire.messages import (
    QUESTIONS,
    Codec,
    Failed,
    Message,
    Ping,
    Pong,
    Unreadable,
    encode,
)
from glasnost.errors import PathCut, ProtocolError, Refused, TrustError, UnknownName
from glasnost.net.sockets import has_address
from glasnost.net.tls import HANDSHAKE_TIMEOUT, TlsTransport, secure
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import Identity, identity_of

log = logging.getLogger("glasnost.channel")

#: After this many silent seconds a peer is asked whether it is there. NAT tables forget idle TCP
#: connections after minutes at worst (RFC 5382 asks for two hours, boxes do less).
KEEP_ALIVE: Final = 15.0
#: After this many silent seconds it is taken for dead: two questions may be lost.
SILENCE: Final = 40.0
#: How long a peer may take that is asked at once, when there is reason to doubt that it is there:
#: a round trip, with one or two packets lost on the way. A look that comes later than this was
#: slept through by ourselves, and says nothing about the peer.
CHECK: Final = 5.0
#: How much a peer that reads nothing may make us hold, before it is dropped.
MAX_UNSENT: Final = 4 << 20

OnMessage = Callable[["Channel", Message], None]
OnClose = Callable[["Channel", BaseException | None], None]


class Channel(asyncio.Protocol):
    """One peer of a control connection; use `open_channel` or `accept_channel`.

    ``on_message`` hears every message that answers no question of ours, ``on_close`` the end,
    once. Both are called on the loop and must not block. A peer that is silent for ``silence``
    seconds is dead; it is asked after ``keep_alive``, by default three eighths of that.
    ``version`` is what both ends speak.
    """

    # There are as many as targets, and most of them idle.
    __slots__ = (
        "_asked",
        "_codec",
        "_doubted",
        "_due",
        "_error",
        "_frames",
        "_grease",
        "_greased",
        "_heard",
        "_held",
        "_ids",
        "_keep_alive",
        "_local",
        "_loop",
        "_on_close",
        "_on_message",
        "_paused",
        "_silence",
        "_timer",
        "_transport",
        "closed",
        "observed",
        "peer",
        "version",
    )

    def __init__(
        self,
        transport: TlsTransport,
        peer: Identity,
        version: int,
        codec: Codec,
        on_message: OnMessage | None,
        on_close: OnClose | None,
        keep_alive: float | None = None,
        silence: float = SILENCE,
    ) -> None:
        self.peer = peer
        self.version = version
        self.observed = _address_text(transport.get_extra_info("peername"))
        self._transport = transport
        self._codec = codec
        self._on_message = on_message
        self._on_close = on_close
        self._local = transport.get_extra_info("sockname")
        self._silence = silence
        self._keep_alive = silence * KEEP_ALIVE / SILENCE if keep_alive is None else keep_alive
        self._loop = asyncio.get_running_loop()
        self._frames = FrameReader()
        self._grease = Grease()
        self._greased = 0  # the number of the message that nobody knows, once it is sent
        # Frames that came before we paused; there is none while there are none: it takes 700 bytes.
        self._held: deque[bytes] | None = None
        self._paused = False
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._heard = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._doubted = False
        self._error: BaseException | None = None
        self.closed = False

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self._asked)} questions open"
        return f"<Channel to {self.peer} at {self.observed}, {state}>"

    def start(self) -> None:
        """Begin to read; the first messages may be delivered before this returns."""
        self._look_in(self._keep_alive)
        self._transport.attach(self)

    def tell(self, message: Message) -> None:
        """Send one message; nothing is awaited. To a channel that is closed: nothing happens."""
        if self.closed:
            return
        self._send(encode(message))

    def _send(self, body: bytes) -> None:
        self._transport.write(encode_frame(self._grease(body)))
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self._end(PathCut(f"{self.peer} does not read what it is sent"))

    async def ask(self, message: Message, timeout: float) -> Message:
        """Send a question and wait for its answer.

        Raises `Refused` when the answer is `Failed`, `PathCut` when the channel ends first,
        TimeoutError after ``timeout`` seconds. Of a channel that has ended, what ended it. What
        the peer's version has not is not asked, and `Refused` with code ``version``.
        """
        versions.check(message.since, self.version, type(message).__name__, str(self.peer))
        if self.closed:
            raise self._error or PathCut(f"the connection to {self.peer} is closed")
        number = next(self._ids)
        future: asyncio.Future[Message] = self._loop.create_future()
        self._asked[number] = future
        try:
            self.tell(msgspec.structs.replace(message, id=number))
            async with asyncio.timeout(timeout):
                answer = await future
        finally:
            self._asked.pop(number, None)
        if isinstance(answer, Failed):
            kind = UnknownName if answer.code == "unknown-name" else Refused
            raise kind(answer.code, answer.why)
        return answer

    def pause_reading(self) -> None:
        """Deliver nothing more: the peer, if it says much, will have to wait."""
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on, soon, first with what has come already."""
        if self._paused:
            self._paused = False
            self._loop.call_soon(self._resume)

    def check(self) -> None:
        """Find out at once whether the peer is still there: we have slept, or this host's addresses
        have changed. What began at an address that it no longer has is over."""
        if self.closed or self._transport.is_closing():
            return
        if not has_address(self._local):
            self._end(PathCut(f"this host no longer has the address {self._local[0]}"))
        elif not self._doubted:
            self._doubted = True
            self.tell(Ping())
            self._look_in(CHECK)

    def close(self) -> None:
        """Say goodbye; ``on_close`` follows."""
        self._transport.close()

    # --- asyncio.Protocol -----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            self._held = self._held or deque()
            self._held += self._frames.feed(data)
        except ProtocolError as error:
            self._blame(error)
        self._deliver()

    def _resume(self) -> None:
        self._deliver()
        if not self._paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def _deliver(self) -> None:
        # What came before may have ended it.
        while self._held and not self._paused and not self._transport.is_closing():
            try:
                self._receive(self._codec.decode(self._held.popleft()))
            except ProtocolError as error:
                self._blame(error)
        if not self._held:
            self._held = None

    def _blame(self, error: ProtocolError) -> None:
        log.warning("%s: %s", self.peer, error)
        self._end(error)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.closed = True
        self._error = error = self._error or exc
        if self._timer is not None:
            self._timer.cancel()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(error or PathCut(f"{self.peer} closed the connection"))
        if self._on_close is not None:
            self._on_close(self, error)

    def _receive(self, message: Message) -> None:
        match message:
            case Ping(number):
                self.tell(Pong(id=number, now=time.time()))
            case Pong() if message.id not in self._asked:
                pass  # to our keep-alive: that anything was heard is all of it
            case Failed(number) if number and number == self._greased:
                pass  # as it should be: nobody knows that message
            case Unreadable(number, why):
                self.tell(Failed(id=number, code="unknown-message", why=why))
            case _ if message.id in self._asked and not isinstance(message, QUESTIONS):
                future = self._asked[message.id]
                if not future.done():
                    future.set_result(message)
            case _ if self._on_message is not None:
                self._on_message(self, message)
            case _:
                log.info("%s: nobody waits for %r", self.peer, type(message).__name__)

    def _look_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = self._loop.time() + seconds
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Notice a silent peer: ask some times, then give it up."""
        now = self._loop.time()
        if self._paused:
            self._heard = now  # it is we who do not listen
        silent, doubted = now - self._heard, self._doubted
        self._doubted = False
        if now - self._due > CHECK:
            self.check()  # what it has said while we slept may be unread yet
        elif silent >= (CHECK if doubted else self._silence):
            self._end(PathCut(f"{self.peer} was silent for {silent:.0f} s"))
        else:
            if silent >= self._keep_alive * 0.9:
                self._ask_after()
            self._look_in(min(self._keep_alive, self._silence - silent))

    def _ask_after(self) -> None:
        self.tell(Ping())
        if not self._greased:
            self._greased = next(self._ids)
            self._send(unknown_message(self._greased))

    def _end(self, error: BaseException) -> None:
        self._error = self._error or error
        self._transport.abort()


async def open_channel(
    sock: socket.socket,
    credentials: Credentials,
    expect: str,
    codec: Codec,
    on_message: OnMessage | None = None,
    on_close: OnClose | None = None,
    *,
    timeout: float = HANDSHAKE_TIMEOUT,
    **times: float,
) -> Channel:
    """Be the client on ``sock``, which is owned from here on.

    ``expect`` is the full name that the server's certificate must show, or ``broker.*`` for that
    service on any node of the pool. Raises as `glasnost.net.tls.secure` does.
    """
    label, _, rest = expect.partition(".")
    anywhere = rest == "*"
    name = None if anywhere else expect
    context = credentials.client_context(check_hostname=not anywhere, control=True)
    transport = await secure(sock, context, server_name=name, timeout=timeout)
    try:
        peer = identity_of(transport.get_extra_info("peercert"), credentials.domain)
        if anywhere and peer.service != label:
            raise TrustError(f"the peer is {peer}, not a {label}")
        version = versions.agreed(transport.get_extra_info("alpn_protocol"))
    except BaseException:
        transport.abort()
        raise
    channel = Channel(transport, peer, version, codec, on_message, on_close, **times)
    channel.start()
    return channel


async def accept_channel(
    sock: socket.socket,
    credentials: Credentials,
    codec: Codec,
    on_message: OnMessage | None = None,
    on_close: OnClose | None = None,
    *,
    admit: Callable[[Identity], None] | None = None,
    timeout: float = HANDSHAKE_TIMEOUT,
    **times: float,
) -> Channel:
    """Be the server on ``sock``, which is owned from here on.

    The client shows a certificate of the pool; ``admit`` may raise `Refused` about its identity,
    which is told to it and raised here. Raises as `glasnost.net.tls.secure` does.
    """
    context = credentials.server_context(control=True)
    transport = await secure(sock, context, server_side=True, timeout=timeout)
    try:
        peer = identity_of(transport.get_extra_info("peercert"), credentials.domain)
        version = versions.agreed(transport.get_extra_info("alpn_protocol"))
        if admit is not None:
            admit(peer)
    except (Refused, TrustError) as error:
        code = error.code if isinstance(error, Refused) else "untrusted"
        await transport.refuse(header.Answer(code, str(error)))
        raise
    transport.write(header.ACCEPTED)
    channel = Channel(transport, peer, version, codec, on_message, on_close, **times)
    channel.start()
    return channel


def _address_text(address: Any) -> str:
    """``203.0.113.5:4711``, ``[2001:db8::7]:4711``; empty for what has no such address."""
    if not isinstance(address, tuple):
        return ""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
