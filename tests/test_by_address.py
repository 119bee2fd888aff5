"""Addresses instead of names: no directory, no record, and no pool needed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import glasnost
from glasnost.errors import AddressError, ConnectFailed, SinfulError, Unavailable
from glasnost.roles.agent import Agent
from tests.net.pairs import turns
from tests.roles.agent_lab import known_host, nothing_left_open, running

__all__ = ["known_host"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this program's node is, if it has one."""
    monkeypatch.setenv("GLASNOST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GLASNOST_RUN", str(tmp_path / "run"))


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario()
        await turns()

    with nothing_left_open():
        asyncio.run(run())


@asynccontextmanager
async def answering() -> AsyncIterator[int]:
    """An ordinary program that says what it was told, in the end; the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"heard " + await reader.read())
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def says(address: str) -> bytes:
    reader, writer = await glasnost.open_connection(address, timeout=10)
    try:
        writer.write(b"hello")
        writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("form", ["<127.0.0.1:{}>", "<127.0.0.1:1?addrs=127.0.0.1-{}&noUDP>"])
def test_htcondors_addresses_need_no_pool(form: str) -> None:
    async def scenario() -> None:
        async with answering() as port:
            assert await says(form.format(port)) == b"heard hello"

    play(scenario)


def test_of_all_addresses_the_one_that_is_there_is_found() -> None:
    """Where HTCondor tries the first, and no other."""

    async def scenario() -> None:
        async with answering() as port:
            closed = socket.create_server(("127.0.0.1", 0))
            dead = closed.getsockname()[1]
            closed.close()
            address = f"<127.0.0.1:{dead}?addrs=127.0.0.1-{dead}+127.0.0.1-{port}>"
            assert await says(address) == b"heard hello"

    play(scenario)


def test_a_shared_port_of_htcondors_is_asked_before_the_first_byte() -> None:
    async def scenario() -> None:
        async with answering() as port:
            heard = await says(f"<127.0.0.1:{port}?sock=startd_1>")
            assert heard.startswith(b"heard \x01\0\0\0") and b"startd_1\0glasnost\0" in heard
            assert heard.endswith(b"hello")

    play(scenario)


def test_the_agents_port_answers_before_the_stream(tmp_path: Path, known_host: None) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"heard " + await reader.read())
        writer.close()

    async def with_agent(agent: Agent) -> None:
        port = agent.port_number
        async with await glasnost.start_server(greet, "echo", protection="plain"):
            address = f"public/ip4:127.0.0.1:{port}/service:echo"
            assert await says(address) == b"heard hello"
            with pytest.raises(ConnectFailed, match="nobody"):
                await says(address.replace("echo", "nobody"))

    async def scenario() -> None:
        async with running(tmp_path) as agent:
            await with_agent(agent)

    play(scenario)


def test_a_blocking_client_has_the_bare_socket() -> None:
    async def scenario() -> None:
        async with answering() as port:
            sock = await asyncio.to_thread(glasnost.create_connection, f"<127.0.0.1:{port}>", 10)
            with sock:
                assert sock.gettimeout() == 10
                sock.sendall(b"hello")
                sock.shutdown(socket.SHUT_WR)
                assert await asyncio.to_thread(sock.recv, 100) == b"heard hello"

    play(scenario)


def test_what_would_be_tried_is_explained() -> None:
    async def scenario() -> None:
        plan = await glasnost.explain(
            "<127.0.0.1:9618?addrs=127.0.0.1-9618&PrivNet=lab&PrivAddr=%3c10.0.0.7:5%3e&sock=s>"
        )
        assert [str(one.route) for one in plan.candidates] == [
            "public/ip4:127.0.0.1:9618/condor.sock:s"
        ]
        (unused,) = plan.rejected
        assert "this host is not on the network lab" in unused.reason

    play(scenario)


REFUSED: list[tuple[str, type[Exception], str]] = [
    ("<127.0.0.1:x>", SinfulError, "column"),
    ("<?alias=cm>", Unavailable, "nothing that could be dialled"),
    ("public/ip4:127.0.0.256:1", AddressError, "column"),
    (
        "public/ip4:127.0.0.1:1/service:a,public/ip4:127.0.0.1:1",
        Unavailable,
        "some do not: give one sort",
    ),
    ("public/carrier-pigeon:7", ConnectFailed, 'nobody here can cross a "carrier-pigeon" stage'),
]


@pytest.mark.parametrize(
    ("address", "kind", "why"), REFUSED, ids=[address for address, _, _ in REFUSED]
)
def test_what_is_of_no_use_is_refused_in_a_sentence(
    address: str, kind: type[Exception], why: str
) -> None:
    async def scenario() -> None:
        with pytest.raises(kind, match=why):
            await glasnost.open_connection(address)

    play(scenario)
