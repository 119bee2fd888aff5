"""A plugin that misbehaves while it crosses a stage: one route lost, a sentence, nothing open."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from glasnost.core.address import Address, Landing
from glasnost.core.routes import Exit, Target, Vantage
from glasnost.core.routes.traits import Traits
from glasnost.core.wire.header import Call, encode_call
from glasnost.errors import Refused, StageFailed
from glasnost.roles.dialler import as_socket, connect
from glasnost.stages import Kind, Means, Step
from glasnost.stages.walk import walk
from tests.stages.crossing import path, play
from tests.stages.plugins import put_up

Cross = Callable[[Step, socket.socket | None], Awaitable[socket.socket | None]]


@asynccontextmanager
async def peer() -> AsyncIterator[tuple[int, asyncio.Queue[bytes]]]:
    """A port, and what came there of each connection until its end."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()


async def gives_nothing(step: Step, sock: socket.socket | None) -> socket.socket | None:
    return None


async def gives_a_word(step: Step, sock: socket.socket | None) -> socket.socket | None:
    return "coo"  # type: ignore[return-value]


async def gives_a_closed_one(step: Step, sock: socket.socket | None) -> socket.socket | None:
    assert sock is not None
    sock.close()
    return sock


async def fails(step: Step, sock: socket.socket | None) -> socket.socket | None:
    raise KeyError("wings")


async def refuses(step: Step, sock: socket.socket | None) -> socket.socket | None:
    raise Refused("tired", "the pigeon sleeps")


async def exits(step: Step, sock: socket.socket | None) -> socket.socket | None:
    sys.exit(3)


async def cancels_itself(step: Step, sock: socket.socket | None) -> socket.socket | None:
    raise asyncio.CancelledError


async def hangs(step: Step, sock: socket.socket | None) -> socket.socket | None:
    await asyncio.Event().wait()
    return sock


async def reads_on(step: Step, sock: socket.socket | None) -> socket.socket | None:
    assert sock is not None
    await asyncio.get_running_loop().sock_recv(sock, 1)
    return sock


async def hears_nobody(step: Step, sock: socket.socket | None) -> socket.socket | None:
    """Cancelled, it goes on; but what it waits for comes to an end with the stream."""
    assert sock is not None
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.get_running_loop().sock_recv(sock, 1)
    return sock


def is_no_coroutine(step: Step, sock: socket.socket | None) -> socket.socket | None:
    return sock


SPOILED: list[tuple[str, Cross, str]] = [
    ("gives nothing", gives_nothing, "plugin pigeon: gives nothing where a connection is expected"),
    ("gives a word", gives_a_word, "plugin pigeon: gives a value of type str where a connection"),
    ("gives a closed one", gives_a_closed_one, "plugin pigeon: gives a closed connection"),
    ("fails", fails, "plugin pigeon: KeyError: 'wings'"),
    ("refuses, as it may", refuses, "the pigeon sleeps"),
    ("ends the program", exits, "plugin pigeon: SystemExit: 3"),
    ("cancels itself", cancels_itself, "plugin pigeon: it cancels itself"),
    ("hangs", hangs, "plugin pigeon: not crossed within 0.05 s"),
    ("waits for an answer", reads_on, "plugin pigeon: not crossed within 0.05 s"),
    ("hears nobody", hears_nobody, "plugin pigeon: not crossed within 0.05 s"),
    ("is no coroutine", is_no_coroutine, "plugin pigeon: TypeError: "),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("cross", "says"), [c[1:] for c in SPOILED], ids=[c[0] for c in SPOILED])
def test_what_it_spoils_is_one_route(
    monkeypatch: pytest.MonkeyPatch, cross: Cross, says: str
) -> None:
    """None of them closes what it was given."""

    async def scenario() -> None:
        async with peer() as (port, heard):
            with pytest.raises(StageFailed) as caught:
                await walk(path(f"public/ip4:127.0.0.1:{port}/pigeon:7"), Means(timeout=0.05))
            assert (caught.value.number, caught.value.stage) == (2, "pigeon:7")
            assert caught.value.why.startswith(says)
            assert await heard.get() == b""  # the far side is told that it is over

    with put_up(monkeypatch, pigeon=Kind(Traits("forward"), cross)):
        play(scenario)


@pytest.mark.parametrize("cross", [gives_nothing, fails, exits, hangs, hears_nobody])
def test_the_other_routes_go_on(monkeypatch: pytest.MonkeyPatch, cross: Cross) -> None:
    async def scenario() -> None:
        async with peer() as (port, heard):
            at = f"public/ip4:127.0.0.1:{port}"
            target = Target(Address.parse(f"{at}/pigeon:7,{at}/service:web"))
            here = Vantage((Exit(Landing("ip4", "public")),))
            means = Means(timeout=0.05)
            found = await connect(
                "web", target, here, means, as_socket, socket.socket.close, delay=60
            )
            with found.result as sock:
                assert found.path.route_number == 2
                (lost,) = found.failed
                assert lost.failure.startswith("stage 2 (pigeon:7): plugin pigeon: ")
                await asyncio.get_running_loop().sock_sendall(sock, b"hello")
            ended = sorted([await heard.get(), await heard.get()])
            assert ended == [b"", encode_call(Call(to="web")) + b"hello"]

    with put_up(monkeypatch, pigeon=Kind(Traits("forward"), cross)):
        play(scenario)


@pytest.mark.parametrize("cross", [hangs, reads_on, hears_nobody])
def test_whoever_waits_can_go_at_any_time(monkeypatch: pytest.MonkeyPatch, cross: Cross) -> None:
    async def scenario() -> None:
        async with peer() as (port, heard):
            begun = asyncio.Event()
            walking = asyncio.create_task(
                walk(
                    path(f"public/ip4:127.0.0.1:{port}/pigeon:7"),
                    Means(timeout=60),
                    reached=lambda index, deed: begun.set() if index == 1 else None,
                )
            )
            await begun.wait()
            await asyncio.sleep(0)  # it has taken its first step
            walking.cancel()
            await asyncio.wait([walking])
            assert walking.cancelled()
            assert await heard.get() == b""

    with put_up(monkeypatch, pigeon=Kind(Traits("forward"), cross)):
        play(scenario)


def test_what_it_opens_too_late_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def opens(step: Step, sock: socket.socket | None) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.close()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        return ours

    async def scenario() -> None:
        with pytest.raises(StageFailed, match="not crossed within"):
            await walk(path("public/ip4:192.0.2.1:1", via="pigeon:7"), Means(timeout=0.05))

    with put_up(monkeypatch, pigeon=Kind(Traits("origin", protocol="ip4"), opens)):
        play(scenario)


def test_one_that_keeps_its_promises_goes_by_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it leaves the connection as no event loop can use it."""

    async def cross(step: Step, sock: socket.socket | None) -> socket.socket | None:
        assert sock is not None
        sock.setblocking(True)
        sock.sendall(step.stage.args[0].encode())
        return sock

    async def nothing(step: Step, sock: socket.socket | None) -> None:
        assert sock is None

    async def scenario() -> None:
        async with peer() as (port, heard):
            on = path(f"public/perch:7/ip4:127.0.0.1:{port}/pigeon:coo")
            with await walk(on, Means()) as sock:
                assert sock.gettimeout() == 0
            assert await heard.get() == b"coo"

    perch = Kind(Traits("prelude"), nothing)
    with put_up(monkeypatch, pigeon=Kind(Traits("forward"), cross), perch=perch):
        play(scenario)


def test_a_proxy_of_a_plugin_is_guarded_in_both_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(step: Step, sock: socket.socket | None) -> socket.socket | None:
        return sock

    async def onward(step: Step, sock: socket.socket) -> socket.socket:
        raise ZeroDivisionError("no wings")

    async def scenario() -> None:
        async with peer() as (port, heard):
            with pytest.raises(StageFailed) as caught:
                await walk(path(f"public/ip4:127.0.0.1:{port}/pigeon:7/ip4:192.0.2.1:1"), Means())
            assert str(caught.value) == (
                "stage 3 (ip4:192.0.2.1:1): plugin pigeon: ZeroDivisionError: no wings"
            )
            assert await heard.get() == b""

    proxy = Kind(Traits("forward", onward=frozenset({"ip4"})), greet, onward=onward)
    with put_up(monkeypatch, pigeon=proxy):
        play(scenario)


def test_what_a_plugins_prelude_holds_is_let_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk hands holds on in steps that must not fail, and this one could."""
    done: list[str] = []

    class Thing:
        def give(self, sock: socket.socket) -> None:
            done.append("given")

        def release(self) -> None:
            done.append("released")

    async def holds(step: Step, sock: socket.socket | None) -> None:
        step.hold(Thing())

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            on = path(f"public/roost/ip4:127.0.0.1:{listener.getsockname()[1]}")
            with await walk(on, Means()):
                pass
        assert done == ["released"]

    with put_up(monkeypatch, roost=Kind(Traits("prelude"), holds)):
        play(scenario)
