"""What asks a daemon for its metrics."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import socket

from hypothesis import strategies as st

from glasnost.net.http import HttpServer, Page
from glasnost.settings import read_place
from tests.fuzz.parser import Parser, chunks, mutated, text_of

_REQUESTS = [
    b"GET /metrics HTTP/1.1\r\nHost: cm:9619\r\nAccept: text/plain\r\n\r\n",
    b"HEAD /metrics?x=1 HTTP/1.0\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
]
_ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) \r\nContent-Type: [^\r]+\r\nContent-Length: \d+\r\n")


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def check_request(data: bytes) -> bool:
    """Any bytes get one whole answer, or none where no request ends; nobody is kept waiting."""

    async def meet() -> bytes:
        server = HttpServer({"/metrics": lambda: Page(b"glasnost_x 1\n")}, timeout=10)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            for chunk in chunks(data):
                theirs.send(chunk)
            theirs.shutdown(socket.SHUT_WR)
            await server._serve(ours)
            theirs.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                return theirs.recv(1 << 16)
        return b""

    answer = _loop().run_until_complete(meet())
    if not answer:
        return False
    found = _ANSWER.match(answer)
    assert found is not None, answer
    return found[1] == b"200"


def check_place(text: str) -> bool:
    try:
        host, port = read_place(text)
    except ValueError as error:
        assert str(error)
        return False
    assert host and 0 <= port <= 65535
    return True


PARSERS = [
    Parser(
        "an HTTP request",
        ("glasnost.net.http.HttpServer._page",),
        check_request,
        st.binary(max_size=60) | mutated(_REQUESTS),
        seeds=lambda: _REQUESTS,
    ),
    Parser(
        "a place, [HOST:]PORT",
        ("glasnost.settings.read_place",),
        check_place,
        st.text(max_size=30)
        | mutated([b"127.0.0.1:9619", b"[::1]:9", b"80", b"cm:1"]).map(text_of),
        of=text_of,
        seeds=lambda: [b"127.0.0.1:9619", b"[::1]:9"],
    ),
]
