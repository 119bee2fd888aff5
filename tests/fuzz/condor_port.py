"""Parsers of HTCondor's shared port: its header as bytes, and at a port of ours."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import struct
from pathlib import Path

from hypothesis import strategies as st

from glasnost.condor.port.connect import (
    LEAST,
    MAX_HEAD,
    MAX_ID,
    Connect,
    head_size,
    read_connect,
)
from glasnost.condor.port.daemons import Daemons
from glasnost.condor.port.door import Door
from glasnost.errors import ProtocolError
from glasnost.net.port import Incoming, SharedPort
from tests.condor.port.endpoints import connect_message
from tests.fuzz.parser import Parser, chunks, mutated
from tests.net.pairs import tcp_pair

_PORT = "glasnost.condor.port.connect"


def _framed(command: int, rest: bytes) -> bytes:
    body = struct.pack(">q", command) + rest
    return struct.pack(">BI", 1, len(body)) + body


WHOLE = connect_message(Connect("web", "TOOL", 20))
HEADS = [
    WHOLE,
    WHOLE + b"what is said to the daemon",
    struct.pack(">BI", 0, 10) + WHOLE[5:15] + struct.pack(">BI", 1, len(WHOLE) - 15) + WHOLE[15:],
    connect_message(Connect("schedd_381_0d4b", "SCHEDD <127.0.0.1:9618?sock=schedd_1>", -1)),
    _framed(60010, b"a security ad"),
    b"GET / HTTP/1.1\r\n\r\n",
]


def check_head(data: bytes) -> bool:
    """How long the header is is known from less than all of it, and does not change."""
    if len(data) < LEAST:
        return False
    known = LEAST
    try:
        while (size := head_size(data[:known])) > known:
            if size > len(data):
                return False
            known = size
        if size == 0:
            assert head_size(data) == 0
            return True
        assert size <= MAX_HEAD
        connect = read_connect(data[:size])
    except ProtocolError:
        return False
    assert max(len(connect.id), len(connect.client)) <= MAX_ID
    return True


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


class _Host:
    def __init__(self) -> None:
        self.taken: list[Incoming] = []

    def give(self, incoming: Incoming) -> bool:
        if incoming.call.to in ("web", "default"):
            self.taken.append(incoming)
        return bool(self.taken)


def check_door(data: bytes) -> bool:
    """Whoever is called finds exactly what stands behind the header, or all there was; nobody is
    told a word."""

    async def meet() -> bool:
        host = _Host()
        calls: list[Incoming] = []
        door = Door(host, Daemons(Path("/nowhere")), {}, "default")
        port = SharedPort(calls.append, foreign=door)
        ours, theirs = tcp_pair()
        with ours:
            port.serve(theirs, "peer")
            for chunk in chunks(data):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    ours.send(chunk)
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            port.close()
            for incoming in host.taken:
                with incoming.sock, contextlib.suppress(BlockingIOError):
                    rest = incoming.sock.recv(1 << 16)
                    size = 0 if incoming.call.to == "default" else head_size(data)
                    assert rest == data[size : size + len(rest)]
            for incoming in calls:
                incoming.sock.close()
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                # A first byte of ours has it taken for ours, which answers.
                assert calls or not ours.recv(1 << 16) or data[:1] == b"\xab"
        return bool(host.taken)

    return _loop().run_until_complete(meet())


PARSERS = [
    Parser(
        "header of HTCondor's shared port",
        (f"{_PORT}.head_size", f"{_PORT}.read_connect"),
        check_head,
        st.binary(max_size=60) | mutated(HEADS),
        seeds=lambda: HEADS,
    ),
    Parser(
        "HTCondor's callers at a shared port",
        ("glasnost.net.foreign.Head.read",),
        check_door,
        st.binary(max_size=60) | mutated(HEADS),
        seeds=lambda: HEADS,
    ),
]
