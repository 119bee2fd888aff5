"""A walk: stages one after the other, and the same way again for a relay's leg."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from glasnost.core.wire.header import TOKEN_SIZE, Call
from glasnost.errors import StageFailed
from glasnost.net.port import Incoming
from glasnost.stages import Means
from glasnost.stages import walk as module
from glasnost.stages.walk import walk
from tests.roles.broker_lab import Door
from tests.stages.crossing import path, play

TOKEN = b"t" * TOKEN_SIZE


def test_every_call_is_written_in_its_place() -> None:
    async def scenario() -> None:
        door = Door()
        on = path(f"public/ip4:127.0.0.1:{door.number}/service:gate/service:web")
        seen: list[tuple[int, str]] = []
        with await walk(on, Means(), reached=lambda *told: seen.append(told)):
            first = await door.arrived.get()
            assert first.call == Call(to="gate")
            assert seen == [(0, "connect"), (1, "send header"), (2, "send header")]
            door.port.serve(first.sock, "")  # behind the first call stands the second
            second = await door.arrived.get()
            assert second.call == Call(to="web")
            second.sock.close()
        door.close()

    play(scenario)


def test_an_exits_stages_are_crossed_first_and_its_proxy_opens_the_routes_origin() -> None:
    async def scenario() -> None:
        door = Door()
        async with proxy() as (number, asked):
            on = path(
                f"public/ip4:127.0.0.1:{door.number}/service:web",
                via=f"ip4:127.0.0.1:{number}/http-connect",
            )
            seen: list[tuple[int, str]] = []
            with await walk(on, Means(), reached=lambda *told: seen.append(told)):
                incoming = await door.arrived.get()
                assert incoming.call == Call(to="web")
                assert asked == [f"127.0.0.1:{door.number}"]
                assert seen == [(-2, "connect"), (-1, ""), (0, "connect"), (1, "send header")]
                incoming.sock.close()
        door.close()

    play(scenario)


FAILED_ON_THE_WAY = [
    # name, where the proxy is, what it answers, what is said
    ("nobody is there", "127.0.0.9:1", b"", "exit (ip4:127.0.0.9:1): connection refused"),
    (
        "it refuses",
        "",
        b"HTTP/1.1 403 No\r\n\r\n",
        "stage 1 (ip4:192.0.2.7:9618): the proxy says: 403 No",
    ),
]


@pytest.mark.parametrize(
    ("at", "answer", "says"),
    [c[1:] for c in FAILED_ON_THE_WAY],
    ids=[c[0] for c in FAILED_ON_THE_WAY],
)
def test_what_fails_on_the_way_out_is_named_with_its_place(
    at: str, answer: bytes, says: str
) -> None:
    async def scenario() -> None:
        async with proxy(answer) as (number, _):
            via = f"ip4:{at or f'127.0.0.1:{number}'}/http-connect"
            with pytest.raises(StageFailed) as caught:
                await walk(path("public/ip4:192.0.2.7:9618/service:web", via=via), Means())
            assert str(caught.value) == says

    play(scenario)


@asynccontextmanager
async def proxy(answer: bytes = b"") -> AsyncIterator[tuple[int, list[str]]]:
    """An HTTP proxy: its port, and what it was asked for. It connects, or gives this answer."""
    asked: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split()[1].decode())
        writer.write(answer or b"HTTP/1.1 200 OK\r\n\r\n")
        if not answer:
            host, _, port = asked[-1].rpartition(":")
            back, forth = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_copy(reader, forth), _copy(back, writer))
        writer.close()
        await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()
        await asyncio.gather(*tasks)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
    await writer.wait_closed()


LEGS = [
    # name                      route's end                stop  calls
    ("in the last call", "/service:broker/ccb:node7", 2, [Call(to="broker", relay=TOKEN)]),
    ("in a call of its own", "/ccb:node7", 1, [Call(relay=TOKEN)]),
    (
        "in the last of several",
        "/service:gate/service:broker/ccb:node7",
        3,
        [Call(to="gate"), Call(to="broker", relay=TOKEN)],
    ),
]


@pytest.mark.parametrize(("end", "stop", "calls"), [c[1:] for c in LEGS], ids=[c[0] for c in LEGS])
def test_a_legs_token_stands_in_the_last_call(end: str, stop: int, calls: list[Call]) -> None:
    async def scenario() -> None:
        door = Door()
        on = path(f"public/ip4:127.0.0.1:{door.number}{end}")
        with await walk(on, Means(), stop, TOKEN):
            incoming: Incoming | None = None
            for call in calls:
                if incoming is not None:
                    door.port.serve(incoming.sock, "")
                incoming = await door.arrived.get()
                assert incoming.call == call
            assert incoming is not None
            incoming.sock.close()
        door.close()

    play(scenario)


def test_what_fails_is_named_with_its_number() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(StageFailed) as caught:
            await walk(path(f"public/ip4:127.0.0.1:{port}/service:web"), Means())
        assert str(caught.value) == f"stage 1 (ip4:127.0.0.1:{port}): connection refused"
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)

    play(scenario)


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), asyncio.CancelledError()])
def test_a_legs_own_call_that_fails_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    async def scenario() -> None:
        async def fails(sock: socket.socket, call: Call) -> None:
            raise error

        monkeypatch.setattr(module, "write_call", fails)
        door = Door()
        on = path(f"public/ip4:127.0.0.1:{door.number}/ccb:node7")
        with pytest.raises((StageFailed, asyncio.CancelledError)):
            await walk(on, Means(), 1, TOKEN)
        door.close()

    play(scenario)
