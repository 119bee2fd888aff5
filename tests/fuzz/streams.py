"""Parsers that take bytes off a socket as they come: the port, TLS before it is one, packets."""

from __future__ import annotations

import array
import asyncio
import contextlib
import functools
import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import strategies as st

from glasnost.core.protocols.directory import Asked, Directory
from glasnost.core.protocols.writes import Answer
from glasnost.core.wire import header
from glasnost.core.wire.frames import encode_frame
from glasnost.core.wire.messages import (
    AUTHORITY,
    BROKER,
    DIRECTORY,
    Codec,
    Failed,
    List,
    Listing,
    Message,
)
from glasnost.errors import GlasnostError, PathCut, ProtocolError, Refused, TrustError
from glasnost.net.channel import Channel
from glasnost.net.dialogue import TLS_HANDSHAKE, Dialogue, receive_in_clear
from glasnost.net.exact import read_answer
from glasnost.net.fdpass import MAX_PACKET, receive_packet
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.tls import TlsTransport
from glasnost.stages import traits
from glasnost.trust.identity import Identity
from tests.core.protocols.directory_records import record
from tests.fuzz.parser import Parser, chunks, mutated, remade
from tests.fuzz.wire import ANSWERS, CALLS, MESSAGES, said_in
from tests.net.pairs import agent, web
from tests.trust.pool import DOMAIN

_AUTHORITY, _DIRECTORY, _BROKER = map(Codec, (AUTHORITY, DIRECTORY, BROKER))


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _run(work: Coroutine[Any, Any, bool]) -> bool:
    return _loop().run_until_complete(work)


class Raw:
    """The transport below a protocol: nothing is sent, and everything is counted."""

    def __init__(self) -> None:
        self.sent = 0
        self.first = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        self.first = self.first or data[:1]

    def close(self) -> None:
        self.closed = True

    abort = write_eof = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


def check_port(data: bytes) -> bool:
    """A shared port hands over exactly what stands behind the call, or refuses in one answer."""

    async def meet() -> bool:
        taken: list[Incoming] = []
        port = SharedPort(taken.append)
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)
            theirs.setblocking(False)
            port.serve(theirs, "peer")
            for chunk in chunks(data):
                with contextlib.suppress(BrokenPipeError):
                    ours.send(chunk)
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            port.close()
            for incoming in taken:
                with incoming.sock, contextlib.suppress(BlockingIOError):
                    size = header.PREFIX_SIZE + int.from_bytes(data[4:6], "big")
                    rest = incoming.sock.recv(1 << 16)
                    assert rest == data[size : size + len(rest)]
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                answered = ours.recv(1 << 16)
                assert not (taken and answered)
                assert not answered or header.answer_in(answered) is not None
        return bool(taken)

    return _run(meet())


def check_channel(data: bytes) -> bool:
    """A control channel that is told anything: it answers, or ends with whose fault it is."""

    async def meet() -> bool:
        heard: list[Message] = []
        raw: Any = Raw()
        channel = Channel(
            raw,
            Identity("node8", domain=DOMAIN),
            2,
            _BROKER,
            lambda _, message: heard.append(message),
            None,
        )
        for chunk in chunks(data):
            channel.data_received(chunk)
        assert raw.sent <= 2000 * (1 + len(data) // 8)
        return bool(heard) and not raw.closed

    return _run(meet())


def check_tls(server_side: bool, data: bytes) -> bool:
    """Bytes where a TLS handshake should be: a refusal that is read, or the end."""

    async def meet() -> bool:
        name = None if server_side else f"web.{DOMAIN}"
        transport = TlsTransport(_context(server_side), server_side, name)
        raw: Any = Raw()
        transport.connection_made(raw)
        for chunk in chunks(data):
            transport.data_received(chunk)
        transport.connection_lost(None)
        assert transport.established is not None, "no handshake"
        error = transport.established.exception()
        assert isinstance(error, (Refused, TrustError, PathCut, ProtocolError)), error
        return raw.first == TLS_HANDSHAKE if server_side else isinstance(error, Refused)

    return _run(meet())


@functools.cache
def _context(server_side: bool) -> ssl.SSLContext:
    return web().server_context() if server_side else agent().client_context()


@functools.cache
def _hello() -> bytes:
    """The hello of a client of ours."""
    hello = ssl.MemoryBIO()
    client = _context(False).wrap_bio(ssl.MemoryBIO(), hello, server_hostname=f"web.{DOMAIN}")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return hello.read()


def _on_socket(read: Callable[[socket.socket], Coroutine[Any, Any, object]], data: bytes) -> bool:
    async def meet() -> bool:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.setblocking(False)
            ours.send(data)
            ours.close()
            try:
                await read(theirs)
            except (GlasnostError, ConnectionError) as error:
                assert str(error)
                return False
            return True

    return _run(meet())


def check_in_clear(data: bytes) -> bool:
    async def read(sock: socket.socket) -> None:
        message = await receive_in_clear(sock, _AUTHORITY, 4096)
        assert isinstance(message, Message)

    return _on_socket(read, data)


def check_plain_accept(data: bytes) -> bool:
    return _on_socket(read_answer, data)


def check_dialogue(data: bytes) -> bool:
    async def meet() -> bool:
        raw: Any = Raw()
        raw.attach = lambda protocol: protocol.connection_made(raw)
        dialogue = Dialogue(raw, 2, _AUTHORITY, 4096)
        dialogue._reader.feed_data(data)
        dialogue._reader.feed_eof()
        heard = 0
        try:
            while await dialogue.receive() is not None:
                heard += 1
        except (ProtocolError, PathCut):
            return False
        finally:
            dialogue.close()
        return heard > 0

    return _run(meet())


def check_packet(packet: tuple[bytes, int]) -> bool:
    """A packet with any bytes and any number of descriptors: none is left open."""
    data, count = packet
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.setblocking(False)
        given = [_null() if count & 8 else ours.fileno()] * (count & 7)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", given))]
        ours.sendmsg([data], rights if given else [])
        before = _next_descriptor()
        try:
            found, passed = receive_packet(theirs)
        except (ProtocolError, PathCut) as error:
            assert str(error)
            assert _next_descriptor() == before
            return False
        if passed is not None:
            passed.close()
        assert found == data
        assert _next_descriptor() == before
    return True


@functools.cache
def _null() -> int:
    return os.open(os.devnull, os.O_RDONLY)


def _next_descriptor() -> int:
    """The lowest number that is free: the same as before when nothing was left open."""
    descriptor = os.dup(0)
    os.close(descriptor)
    return descriptor


@functools.cache
def _directory() -> Directory:
    directory = Directory(DOMAIN, kinds=traits())
    for node in ("node7", "node8"):
        directory.table.keep(record(f"web.{node}"), 0.0, 1e12)
    return directory


def check_query(body: bytes) -> bool:
    """What a member asks a directory: a page, or one sentence why not."""
    try:
        question = _DIRECTORY.decode(body)
    except ProtocolError:
        return False
    if not isinstance(question, List):
        return False
    [effect] = _directory().handle(Asked("peer", "node8", question), 1.0)
    assert isinstance(effect, Answer)
    assert effect.message.id == question.id
    match effect.message:
        case Failed(_, _, why):
            assert 0 < len(why) < 5000
            return False
        case Listing(_, records, ages):
            assert len(records) == len(ages) <= 2
    return True


_QUERIES = [body for body in MESSAGES if b"\xa1t\xa5query" in body or b"\xa1t\xa4list" in body]
_FRAMED = [encode_frame(body) for body in said_in("broker")]
_CLEAR = [encode_frame(body) for body in said_in("authority")] + ANSWERS
_BEHIND = [call + b"\x16\x03\x01\x00\x05hello" for call in CALLS]
_SERVER_HELLO = bytes.fromhex("160303005a020000560303") + bytes(80)

PARSERS = [
    Parser(
        "the shared port",
        ("glasnost.net.port._Caller.read",),
        check_port,
        st.binary(max_size=60) | mutated(CALLS + _BEHIND),
        seeds=lambda: CALLS + _BEHIND,
    ),
    Parser(
        "control channel",
        ("glasnost.net.channel.Channel.data_received", "glasnost.net.channel.Channel._deliver"),
        check_channel,
        st.binary(max_size=60) | mutated(_FRAMED) | remade(said_in("broker")).map(encode_frame),
        seeds=lambda: _FRAMED,
    ),
    Parser(
        "before TLS, as client",
        (
            "glasnost.net.tls.TlsTransport.data_received",
            "glasnost.net.tls_engine.Engine._gather_answer",
        ),
        functools.partial(check_tls, False),
        st.binary(max_size=60) | mutated([*ANSWERS, _SERVER_HELLO]),
        seeds=lambda: [*ANSWERS, _SERVER_HELLO],
    ),
    Parser(
        "before TLS, as server",
        ("glasnost.net.tls.TlsTransport.data_received",),
        functools.partial(check_tls, True),
        st.binary(max_size=60) | st.deferred(lambda: mutated([_hello(), *CALLS])),
        seeds=lambda: [_hello(), *CALLS],
    ),
    Parser(
        "dialogue in the clear",
        ("glasnost.net.dialogue.receive_in_clear", "glasnost.net.exact.read_exactly"),
        check_in_clear,
        st.binary(max_size=60) | mutated(_CLEAR),
        seeds=lambda: _CLEAR,
    ),
    Parser(
        "dialogue inside TLS",
        ("glasnost.net.dialogue.Dialogue.receive",),
        check_dialogue,
        st.binary(max_size=60) | mutated(_CLEAR),
        seeds=lambda: _CLEAR,
    ),
    Parser(
        "a plain service's accept",
        ("glasnost.net.exact.read_answer",),
        check_plain_accept,
        st.binary(max_size=60) | mutated(ANSWERS),
        seeds=lambda: ANSWERS,
    ),
    Parser(
        "packets with descriptors",
        ("glasnost.net.fdpass.receive_packet", "glasnost.net.fdpass._receive"),
        check_packet,
        st.tuples(st.binary(max_size=60) | mutated(said_in("local agent")), st.integers(0, 15)),
        of=lambda data: (data[1 : MAX_PACKET // 2], data[0] % 16 if data else 0),
        seeds=lambda: [b"\1" + body for body in said_in("local agent")],
    ),
    Parser(
        "queries",
        ("glasnost.core.protocols.queries.Queries.step",),
        check_query,
        mutated(_QUERIES) | remade(_QUERIES),
        seeds=lambda: _QUERIES,
    ),
]
