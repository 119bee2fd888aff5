"""Parsers of what HTCondor's brokers, daemons and collectors say to our client."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Awaitable, Callable

from hypothesis import strategies as st

from glasnost.condor.cedar.frames import HEADER
from glasnost.condor.cedar.values import Writer
from glasnost.condor.classad import Ad, Value
from glasnost.condor.classad.answers import AnswerReader
from glasnost.condor.client import Call
from glasnost.condor.commands import Command
from glasnost.condor.pool import _batches
from glasnost.condor.stages import ccb
from glasnost.condor.stages.ccb import _hello, _relayed
from glasnost.condor.stream import CedarStream
from glasnost.core.address import Landing, Route
from glasnost.core.routes import Crossing, Exit, Path
from glasnost.errors import GlasnostError
from glasnost.stages import Means, Step
from tests.condor.daemon import RAW, caller
from tests.fuzz.parser import Parser, chunks, mutated

ID = "c0ffee" * 6
_TAIL = b"SSH-2.0-first"


def _message(*parts: int | dict[str, Value]) -> bytes:
    writer = Writer()
    for part in parts:
        if isinstance(part, int):
            writer.integer(part)
        else:
            writer.ad(Ad(part).lines())
    body = writer.message()
    return HEADER.pack(1, len(body)) + body


_HELLO = _message(69, {"ClaimId": ID, "RequestID": "1", "MyAddress": "<192.0.2.1:9618>"})
#: With a claim that is no text.
_ODD = _HELLO.replace(b"c0ffee", b"c0\xff\xffee", 1)
_PROXY = _message({"Result": True, "ProxyMode": True})
_NO = _message({"Result": False, "ErrorString": "invalid CCBID"})
_ANSWER = _message(1, {"Name": "one", "Cpus": 4}, 1, {"Name": "two"}, 0)


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _said(data: bytes, meet: Callable[[socket.socket], Awaitable[None]]) -> bool:
    """Whatever is said: what should come of it, or one sentence; and nothing stays open."""

    async def scenario() -> bool:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            for chunk in chunks(data):
                theirs.send(chunk)
            theirs.shutdown(socket.SHUT_WR)
            try:
                await meet(ours)
            except (GlasnostError, ConnectionError) as error:
                assert str(error)
                return False
        return True

    return _loop().run_until_complete(scenario())


def check_relay(data: bytes) -> bool:
    """A broker that was asked to relay: the stream behind the hello, from its first byte."""
    route = Route.parse("public/ip4:192.0.2.1:9618/condor.ccb:5")
    crossed = (Crossing(1, "relay"),)
    path = Path(Exit(Landing("ip4", "public")), 1, route, 1, crossed)

    async def meet(ours: socket.socket) -> None:
        async def reopen(token: bytes) -> socket.socket:
            return ours

        step = Step(path, 1, route.stages[1], Means(), reopen)
        try:
            sock = await _relayed(step, _CALLER, ID)
        except GlasnostError:
            assert ours.fileno() < 0
            raise
        with contextlib.suppress(BlockingIOError):
            assert data.endswith(sock.recv(1 << 16))

    return _said(data, meet)


def check_hello(data: bytes) -> bool:
    """Who dials back: the daemon, or somebody who does not know what only it was told."""

    async def meet(ours: socket.socket) -> None:
        await _hello(CedarStream(ours), ID)

    return _said(data, meet)


def check_answer(data: bytes) -> bool:
    """A collector's answer, to its end."""

    async def meet(ours: socket.socket) -> None:
        call = Call(CedarStream(ours, read_ahead=True), Command.QUERY_ANY_ADS, None)
        async with contextlib.aclosing(
            _batches(call, AnswerReader(encrypted=False), 1 << 20)
        ) as batches:
            async for batch in batches:
                for ad in batch:
                    ad.lines()

    return _said(data, meet)


_CALLER = caller(RAW)

PARSERS: list[Parser] = [
    Parser(
        "a broker of HTCondor's that relays",
        (f"{ccb.__name__}._answer", f"{ccb.__name__}._hello"),
        check_relay,
        st.one_of(st.binary(), mutated([_PROXY + _HELLO + _TAIL, _NO, _PROXY])),
        seeds=lambda: [_PROXY + _HELLO + _TAIL, _NO],
    ),
    Parser(
        "a daemon of HTCondor's that dials back",
        (f"{ccb.__name__}._hello",),
        check_hello,
        st.one_of(st.binary(), mutated([_HELLO + _TAIL, _ODD])),
        seeds=lambda: [_HELLO, _ODD],
    ),
    Parser(
        "a collector's answer, from its connection",
        ("glasnost.condor.pool._batches",),
        check_answer,
        st.one_of(st.binary(), mutated([_ANSWER])),
        seeds=lambda: [_ANSWER],
    ),
]
