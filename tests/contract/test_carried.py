"""The contract of kinds whose streams are carried: whoever breaks a promise is told which."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from glasnost.net.exact import read_exactly
from glasnost.net.sockets import closed_on_error
from glasnost.stages.base import Step
from glasnost.testing import carried
from glasnost.testing.carried import Far, check_carried
from glasnost.testing.contracts import TAIL
from tests.contract.test_contracts import Cross, kind_of


async def plays(sock: socket.socket) -> None:
    """A far side that says "ok" to everybody, and is a stream then."""
    loop = asyncio.get_running_loop()
    with sock, contextlib.suppress(OSError):
        await loop.sock_sendall(sock, b"ok" + TAIL)
        while data := await loop.sock_recv(sock, 65536):
            await loop.sock_sendall(sock, data)


FAR = Far("plain", "public/ip4:192.0.2.1:1/pigeon", plays)


async def keeps_all(step: Step, sock: socket.socket) -> socket.socket:
    with closed_on_error(sock):
        await read_exactly(sock, 2)
    return sock


async def leaves_it_open(step: Step, sock: socket.socket) -> socket.socket:
    await read_exactly(sock, 2)
    return sock


async def reads_too_far(step: Step, sock: socket.socket) -> socket.socket:
    with closed_on_error(sock):
        await read_exactly(sock, 3)
    return sock


async def believes_anything(step: Step, sock: socket.socket) -> socket.socket:
    with closed_on_error(sock):
        await asyncio.get_running_loop().sock_recv(sock, 2)
    return sock


async def hears_nobody(step: Step, sock: socket.socket) -> socket.socket:
    with contextlib.suppress(asyncio.CancelledError):
        return await keeps_all(step, sock)
    await asyncio.sleep(1)
    return sock


async def keeps_waiting(step: Step, sock: socket.socket) -> socket.socket:
    with closed_on_error(sock), contextlib.suppress(OSError):
        return await keeps_all(step, sock)
    await asyncio.sleep(1)
    raise AssertionError


BROKEN: list[tuple[Cross, str]] = [
    (leaves_it_open, "what it was given is left open"),
    (reads_too_far, "not all of 13 bytes of the stream come, and no end"),
    (believes_anything, "the far side said nothing at all|the stream's first word is"),
    (hears_nobody, "it goes on though it was cancelled"),
    (keeps_waiting, "it waits for who has closed after 0 bytes"),
]


def test_who_keeps_all_passes() -> None:
    check_carried(kind_of(keeps_all), FAR)


@pytest.mark.parametrize(("cross", "says"), BROKEN, ids=[c[0].__name__ for c in BROKEN])
def test_a_broken_promise_is_named(
    cross: Cross, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried, "_PATIENCE", 0.3)  # what is broken is waited for in vain
    with pytest.raises(AssertionError, match=says):
        check_carried(kind_of(cross), FAR)
