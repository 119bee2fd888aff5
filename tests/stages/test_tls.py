"""``tls``: a front that takes an outer TLS off, and whom we believe to be it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from glasnost.core.wire.header import Call
from glasnost.errors import StageFailed
from glasnost.settings import Settings, TlsSetting
from glasnost.stages import Means
from glasnost.stages.walk import walk
from tests.roles.broker_lab import Door
from tests.stages.crossing import path, play_carried
from tests.stages.fronts import NAME, Front, front


def means(found: Front, **more: str) -> Means:
    setting = TlsSetting(**({"authorities": str(found.authority)} | more))  # type: ignore[arg-type]
    return Means(settings=Settings(tls={NAME: setting}))


def through(found: Front, rest: str = "") -> str:
    return f"public/ip4:127.0.0.1:{found.port}/tls:{NAME}{rest}"


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that says everything back."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def scene(tmp_path: Path, scenario: Callable[[Front], Awaitable[None]], name: str = NAME) -> None:
    async def whole() -> None:
        async with echo() as behind, front(tmp_path, behind, name) as found:
            await scenario(found)

    play_carried(whole)


async def says_back(sock: socket.socket, data: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    sending = asyncio.create_task(loop.sock_sendall(sock, data))
    heard = b""
    while len(heard) < len(data) and (more := await loop.sock_recv(sock, 1 << 16)):
        heard += more
    await sending
    return heard


def test_what_comes_out_is_the_stream_inside(tmp_path: Path) -> None:
    async def scenario(found: Front) -> None:
        data = bytes(range(256)) * 4096
        with await walk(path(through(found)), means(found)) as sock:
            assert await says_back(sock, data) == data
        assert found.asked == [NAME]

    scene(tmp_path, scenario)


def test_a_call_goes_through_to_the_port_behind(tmp_path: Path) -> None:
    async def scenario() -> None:
        door = Door()
        async with front(tmp_path, door.number) as found:
            with await walk(path(through(found, "/service:web")), means(found)):
                incoming = await door.arrived.get()
                assert incoming.call == Call(to="web")
                incoming.sock.close()
        door.close()

    play_carried(scenario)


def test_settings_choose_the_name_and_the_protocol_to_ask_for(tmp_path: Path) -> None:
    async def scenario(found: Front) -> None:
        setting = TlsSetting(
            authorities=str(found.authority),
            ask_for="other.example.org",
            protocols=("http/1.1",),
        )
        settings = Settings(tls={NAME: setting})
        with await walk(path(through(found)), Means(settings=settings)) as sock:
            assert await says_back(sock, b"hello") == b"hello"
        assert (found.asked, found.spoke) == (["other.example.org"], ["http/1.1"])

    scene(tmp_path, scenario, "other.example.org")


def test_a_pinned_certificate_needs_nobody_elses_word(tmp_path: Path) -> None:
    async def scenario(found: Front) -> None:
        with await walk(path(through(found)), means(found, authorities="", pin=found.pin)) as sock:
            assert await says_back(sock, b"hello") == b"hello"

    scene(tmp_path, scenario, "anything.example.net")


REFUSED = [
    # name, the certificate's name, settings, what is said
    ("of nobody we know", NAME, {"authorities": ""}, "TLS: certificate verify failed: self"),
    ("of another", "other.example.org", {}, "TLS: certificate verify failed: Hostname mismatch"),
    ("not the pinned one", NAME, {"pin": "0" * 64}, "with another SHA-256: "),
    ("no authorities", NAME, {"authorities": "/nonexistent"}, "cannot read the authorities in"),
]


@pytest.mark.parametrize(
    ("name", "more", "says"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_whom_we_do_not_believe_costs_the_route_a_sentence(
    tmp_path: Path, name: str, more: dict[str, str], says: str
) -> None:
    async def scenario(found: Front) -> None:
        with pytest.raises(StageFailed) as caught:
            await walk(path(through(found)), means(found, **more))
        assert (caught.value.number, caught.value.stage) == (2, f"tls:{NAME}")
        assert says in caught.value.why

    scene(tmp_path, scenario, name)


def test_a_server_that_speaks_no_tls_is_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with echo() as port:
            with pytest.raises(StageFailed, match=r"^stage 2 \(tls:.*TLS: "):
                await walk(path(f"public/ip4:127.0.0.1:{port}/tls:{NAME}"), Means())

    play_carried(scenario)


@pytest.mark.parametrize(
    "wrong", [{"pin": "AB" * 32}, {"pin": "ab"}, {"protocols": ("",)}, {"protocols": ("x" * 256,)}]
)
def test_what_is_no_such_setting_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"SHA-256|protocol to offer"):
        TlsSetting(**wrong)  # type: ignore[arg-type]
