"""Proxies and fronts that do not do what they should: each costs its own route, with a reason;
the next route wins, and nothing is left of the first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from glasnost.core.address import Address, Landing
from glasnost.core.routes import Exit, Target, Vantage
from glasnost.roles.dialler import as_socket, connect
from glasnost.settings import ProxySetting, Settings, TlsSetting
from glasnost.stages import Means
from tests.net.pairs import until
from tests.stages.crossing import play_carried
from tests.stages.fronts import NAME, certificate, front

SOCKS, HTTP, TLS, WS = "socks5", "http-connect", f"tls:{NAME}", f"ws:{NAME}:%2Fglasnost"
PROXIES = (SOCKS, HTTP)
#: Seconds until the second route is begun while the first is waited for: long, where that fails and
#: is to be heard of first, and short where it never ends.
LONG, SHORT = 10.0, 0.05


@dataclass(frozen=True)
class Bad:
    """A server that is asked before each of its ``answers``; then it closes, or ``stays`` silent.
    ``slowly``: byte by byte. What is said of it has ``says`` in it."""

    name: str
    stage: str
    answers: tuple[bytes, ...]
    says: str
    slowly: bool = False


CASES = [
    Bad("wrong password", SOCKS, (b"\5\2", b"\1\1"), "does not accept our user and password"),
    Bad(
        "refused by policy",
        SOCKS,
        (b"\5\0", b"\5\2\0\1" + bytes(6)),
        "the proxy says: not allowed by its rules",
    ),
    Bad(
        "refused, in pieces",
        SOCKS,
        (b"\5\0", b"\5\5\0\1" + bytes(6)),
        "the proxy says: connection refused",
        slowly=True,
    ),
    Bad("garbage", SOCKS, (b"HTTP/1.1 400 Bad Request\r\n",), "not answer like a SOCKS5 proxy"),
    Bad("a kind of address that is none", SOCKS, (b"\5\0", b"\5\0\0\7"), "an address of kind 7"),
    Bad("closes at once", SOCKS, (b"",), "closed the connection before it answered"),
    Bad("closes in the middle", SOCKS, (b"\5\0", b"\5\0\0"), "closed the connection before"),
    Bad("wrong password", HTTP, (b"HTTP/1.1 407 No\r\n\r\n",), "does not accept our user"),
    Bad("refused by policy", HTTP, (b"HTTP/1.1 403 No\r\n\r\n",), "the proxy says: 403 No"),
    Bad("refused, in pieces", HTTP, (b"HTTP/1.1 503 No\r\n\r\n",), "says: 503 No", slowly=True),
    Bad("garbage", HTTP, (b"SSH-2.0-x\r\n\r\n",), "does not answer like an HTTP proxy"),
    Bad("a huge header", HTTP, (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 70000,), "no end within 16384"),
    Bad("closes at once", HTTP, (b"",), "closed the connection before it answered"),
    Bad("closes in the middle", HTTP, (b"HTTP/1.1 200 OK\r\n",), "closed the connection before"),
    Bad("garbage", TLS, (b"220 mail.example.org ready\r\n",), "TLS: wrong version number"),
    Bad("garbage, in pieces", TLS, (b"HTTP/1.1 400 No\r\n",), "TLS: wrong version", slowly=True),
    Bad("a huge record", TLS, (b"\x16\3\3\xff\xff" + bytes(65535),), "TLS: "),
    Bad("refused", TLS, (b"\x15\3\3\0\2\2\x31",), "the peer ended the handshake: access denied"),
    Bad("closes at once", TLS, (b"",), "the path was cut"),
    Bad("closes in the middle", TLS, (b"\x16\3\3\0\x7a\2\0",), "the path was cut"),
    Bad("refused by policy", WS, (b"HTTP/1.1 403 No\r\n\r\n",), "the front says: 403 No"),
    Bad("refused, in pieces", WS, (b"HTTP/1.1 403 No\r\n\r\n",), "says: 403 No", slowly=True),
    Bad("garbage", WS, (b"SSH-2.0-x\r\n\r\n",), "this is no WebSocket: "),
    Bad("a huge header", WS, (b"HTTP/1.1 101 OK\r\nx: " + b"x" * 70000,), "this is no WebSocket: "),
    Bad("closes at once", WS, (b"",), "the WebSocket was cut"),
    Bad("closes in the middle", WS, (b"HTTP/1.1 101 OK\r\nUpg",), "the WebSocket was cut"),
]
SILENT = [Bad("says nothing", stage, (), "") for stage in (SOCKS, HTTP, TLS, WS)]
SILENT += [
    Bad("begins an answer", SOCKS, (b"\5\0", b"\5\0\0"), ""),
    Bad("begins an answer", HTTP, (b"HTTP/1.1 200 OK\r\n",), ""),
    Bad("begins an answer", TLS, (b"\x16\3\3\0\x7a\2\0",), ""),
    Bad("begins an answer", WS, (b"HTTP/1.1 101 OK\r\nUpg",), ""),
]


@contextlib.asynccontextmanager
async def server(bad: Bad, *, stays: bool) -> AsyncIterator[int]:
    """Its port, and nothing of it afterwards."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            for answer in bad.answers:
                await reader.read(4096)
                for piece in [bytes([one]) for one in answer] if bad.slowly else [answer]:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
            while stays and await reader.read(4096):
                pass
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await asyncio.gather(*serving)


@contextlib.asynccontextmanager
async def good() -> AsyncIterator[int]:
    """A server that says hello: where the second route leads."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def second_wins(stage: str, port: int, means: Means, delay: float = LONG) -> list[str]:
    """Connect by a route through this stage, else directly; what is said of those that failed."""
    tasks = asyncio.all_tasks()
    async with good() as other:
        at = f"ip4:127.0.0.1:{port}/{stage}"
        behind = "/ip4:192.0.2.7:22" if stage in PROXIES else ""
        address = Address.parse(f"public/{at}{behind},later/ip4:127.0.0.1:{other}")
        exits = tuple(Exit(Landing("ip4", network)) for network in ("public", "later"))
        connected = await connect(
            "web",
            Target(address),
            Vantage(exits, ()),
            means,
            as_socket,
            lambda sock: sock.close(),
            policy=Settings(avoid=("later",)).policy(),
            delay=delay,
        )
        with connected.result as sock:
            assert await asyncio.get_running_loop().sock_recv(sock, 5) == b"hello"
        assert (connected.path.route_number, connected.begun) == (2, 2)
    await until(lambda: asyncio.all_tasks() <= tasks | serving())
    return [str(one) for one in connected.failed]


def serving() -> set[asyncio.Task[object]]:
    """The tasks that are the servers' own: they end when they do."""
    return {one for one in asyncio.all_tasks() if "serve" in str(one.get_coro())}


def means_for(port: int) -> Means:
    login = ProxySetting(f"ip4:127.0.0.1:{port}", "ann", "wrong")
    return Means(settings=Settings(proxies=(login,)))


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: f"{bad.stage.partition(':')[0]}: {bad.name}")
def test_it_costs_one_route_and_a_reason(bad: Bad) -> None:
    async def scenario() -> None:
        async with server(bad, stays=False) as port:
            (said,) = await second_wins(bad.stage, port, means_for(port))
            assert bad.says in said and "\n" not in said

    play_carried(scenario)


@pytest.mark.parametrize(
    "bad", SILENT, ids=lambda bad: f"{bad.stage.partition(':')[0]}: {bad.name}"
)
def test_who_is_waited_for_keeps_no_other_route_waiting(bad: Bad) -> None:
    """The first is given up when the second has won, so there is nothing to be said of it."""

    async def scenario() -> None:
        async with server(bad, stays=True) as port:
            assert await second_wins(bad.stage, port, means_for(port), SHORT) == []

    play_carried(scenario)


def test_a_certificate_of_another_costs_one_route_and_a_reason(tmp_path: Path) -> None:
    """As does one that is not the one we have pinned."""
    other = certificate(tmp_path, "other.example.org")
    settings = [
        (TlsSetting(authorities=str(other.authority)), "Hostname mismatch"),
        (TlsSetting(), "self-signed certificate"),
        (TlsSetting(pin="0" * 64), "a certificate with another SHA-256"),
    ]

    async def scenario() -> None:
        async with good() as behind, front(tmp_path, behind, "other.example.org") as found:
            for setting, says in settings:
                if setting.authorities:
                    setting = TlsSetting(authorities=str(found.authority))
                means = Means(settings=Settings(tls={NAME: setting}))
                (said,) = await second_wins(TLS, found.port, means)
                assert says in said

    play_carried(scenario)
