"""The contracts themselves: whoever breaks a promise is told which."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from glasnost.core.address import Stage
from glasnost.core.routes.traits import Traits
from glasnost.errors import PathCut
from glasnost.net.exact import read_exactly
from glasnost.stages import Means
from glasnost.stages.base import Kind, Step
from glasnost.testing.contracts import (
    Talk,
    check_kind,
    check_origin,
    check_prelude,
    check_refuses,
    converse,
    path,
    play,
)

Cross = Callable[[Step, socket.socket], Awaitable[socket.socket]]

FORWARD = Traits("forward")
TALK = Talk("hello", "public/ip4:192.0.2.1:1/pigeon", ((b"hello", b"ok"),))


def kind_of(cross: Cross, traits: Traits = FORWARD) -> Kind:
    async def crosses(step: Step, sock: socket.socket | None) -> socket.socket:
        assert sock is not None
        return await cross(step, sock)

    return Kind(traits, crosses)


async def asks(sock: socket.socket) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, b"hello")


async def keeps_all(step: Step, sock: socket.socket) -> socket.socket:
    try:
        await asks(sock)
        await read_exactly(sock, 2)
    except BaseException:
        sock.close()
        raise
    return sock


async def leaves_it_open_on_failure(step: Step, sock: socket.socket) -> socket.socket:
    await asks(sock)
    await read_exactly(sock, 2)
    return sock


async def leaves_it_open_when_cancelled(step: Step, sock: socket.socket) -> socket.socket:
    try:
        await asks(sock)
        await read_exactly(sock, 2)
    except PathCut:
        sock.close()
        raise
    return sock


async def reads_too_far(step: Step, sock: socket.socket) -> socket.socket:
    try:
        await asks(sock)
        await asyncio.get_running_loop().sock_recv(sock, 100)
    except BaseException:
        sock.close()
        raise
    return sock


async def believes_anything(step: Step, sock: socket.socket) -> socket.socket:
    try:
        await asks(sock)
        with contextlib.suppress(PathCut):
            await read_exactly(sock, 2)
    except BaseException:
        sock.close()
        raise
    return sock


async def hears_nobody(step: Step, sock: socket.socket) -> socket.socket:
    """And so its answer is still there, for as long as nobody plays."""
    with contextlib.suppress(asyncio.CancelledError):
        await keeps_all(step, sock)
    if sock.fileno() < 0:
        await asyncio.sleep(1)
    return sock


async def blocks(step: Step, sock: socket.socket) -> socket.socket:
    await keeps_all(step, sock)
    sock.setblocking(True)
    return sock


async def says_something_else(step: Step, sock: socket.socket) -> socket.socket:
    try:
        await asyncio.get_running_loop().sock_sendall(sock, b"salve")
        await read_exactly(sock, 2)
    except BaseException:
        sock.close()
        raise
    return sock


BROKEN: list[tuple[Cross, str]] = [
    (leaves_it_open_on_failure, "what it was given is left open"),
    (leaves_it_open_when_cancelled, "what it was given is left open"),
    (reads_too_far, "of the stream's .* was left"),
    (believes_anything, "crossed, though the far side said only b''"),
    (hears_nobody, "it goes on though it was cancelled"),
    (blocks, "as event loops use it"),
    (says_something_else, "what is said is b'salve', not b'hello'"),
]


def test_who_keeps_all_passes() -> None:
    check_kind(kind_of(keeps_all), TALK)


@pytest.mark.parametrize(("cross", "says"), BROKEN, ids=[c[0].__name__ for c in BROKEN])
def test_a_broken_promise_is_named(cross: Cross, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_kind(kind_of(cross), TALK)


def test_traits_that_planning_cannot_use_are_named() -> None:
    traits = Traits("forward", options=["Seed"])  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="options are a frozenset of keys"):
        check_kind(kind_of(keeps_all, traits), TALK)


@pytest.mark.parametrize(
    ("answer", "says"), [(None, "is not refused"), ("", "no sentence"), ("a\nb", "no sentence")]
)
def test_a_check_says_one_sentence(answer: str | None, says: str) -> None:
    def check(stage: Stage) -> str | None:
        return answer

    with pytest.raises(AssertionError, match=says):
        check_refuses(kind_of(keeps_all, Traits("forward", check=check)), "pigeon:7")


def test_an_origin_that_leaves_open_what_it_opens_is_named() -> None:
    held: list[socket.socket] = []

    async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
        opened = socket.socket()
        opened.setblocking(False)
        held.append(opened)
        at = (step.stage.args[0], int(step.stage.args[1]))
        await asyncio.get_running_loop().sock_connect(opened, at)
        await asyncio.sleep(0)
        return opened

    listener = socket.create_server(("127.0.0.1", 0))
    stage = f"ip4:127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(AssertionError, match="sockets are left open"):
        check_origin(Kind(Traits("origin", protocol="ip4"), cross), stage, listener, Means())
    for one in held:
        one.close()


async def gives_one(step: Step, sock: socket.socket | None) -> socket.socket:
    with socket.socket() as opened:
        return opened


async def does_not_stop(step: Step, sock: socket.socket | None) -> None:
    for _ in range(100):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("cross", "says"),
    [
        (gives_one, "gives no connection"),
        (does_not_stop, "goes on though it was cancelled"),
    ],
)
def test_a_prelude_that_breaks_a_promise_is_told_which(
    cross: Callable[[Step, socket.socket | None], Awaitable[socket.socket | None]], says: str
) -> None:
    kind = Kind(Traits("prelude"), cross)
    with pytest.raises(AssertionError, match=says):
        check_prelude(kind, path("public/knock:x/ip4:192.0.2.1:1"), Means())


def test_a_far_side_can_be_played_once() -> None:
    async def scenario() -> None:
        (await converse(kind_of(keeps_all), TALK)).close()

    play(scenario)


def test_the_stage_of_the_howto_keeps_all() -> None:
    """What stands there is what an author begins with."""
    page = Path(__file__).parents[2] / "docs" / "howto" / "write-a-stage.md"
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    module: dict[str, Any] = {}
    exec(compile(code, str(page), "exec"), module)
    module["test_the_gate_is_crossed_as_every_stage"]()
