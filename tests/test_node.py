"""The library's front door: shaped like asyncio's calls, with an agent on the host or without."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import glasnost
from glasnost import calls
from glasnost.core.wire.messages import Directory
from glasnost.errors import BadName, PathCut, Refused, SettingsError, Unavailable, UnknownName
from glasnost.net.bridge import Stream
from glasnost.net.streams import streams
from glasnost.node import Node
from glasnost.roles import embedded, registration
from glasnost.roles.agent import Agent
from glasnost.roles.home import NodeIdentity
from glasnost.trust.identity import Identity
from tests.net.pairs import turns, until
from tests.roles.agent_lab import known_host, nothing_left_open, running, settings, settle
from tests.trust.pool import node8

__all__ = ["known_host"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, known_host: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this program's node is."""
    monkeypatch.setenv("GLASNOST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GLASNOST_RUN", str(tmp_path / "run"))


def play(folder: Path, scenario: Callable[[Agent], Awaitable[None]]) -> None:
    """Run a scenario on a host with an agent; in the end nothing may be open."""

    async def run() -> None:
        async with running(folder) as agent:
            await scenario(agent)
        await turns()

    with nothing_left_open():
        asyncio.run(run())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    identity = writer.get_extra_info("identity")
    writer.write(f"{identity}: ".encode() + await reader.readexactly(5))
    writer.write_eof()
    await reader.read(1)
    writer.close()


async def hello(name: str = "echo.node7") -> bytes:
    reader, writer = await glasnost.open_connection(name)
    try:
        writer.write(b"hello")
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize("protection", ["sealed", "plain"])
def test_a_server_and_a_client(tmp_path: Path, protection: str) -> None:
    async def scenario(agent: Agent) -> None:
        async with await glasnost.start_server(echo, "echo", protection=protection) as server:
            assert server.name == "echo.node7.lab.glasnost.internal"
            caller = f"{agent.user}@node7" if protection == "sealed" else "None"
            assert await hello() == f"{caller}: hello".encode()
            with pytest.raises(Refused, match="already"):
                await glasnost.start_server(echo, "echo")
        with pytest.raises(UnknownName):
            await hello()

    play(tmp_path, scenario)


@pytest.mark.parametrize("protection", ["sealed", "plain"])
def test_a_blocking_client_also_where_a_loop_runs(tmp_path: Path, protection: str) -> None:
    def client() -> bytes:
        sock = glasnost.create_connection("echo.node7", timeout=10)
        with sock:
            assert sock.gettimeout() == 10
            assert isinstance(sock, ssl.SSLSocket) == (protection == "sealed")
            sock.sendall(b"hello")
            data = b""
            while chunk := sock.recv(100):
                data += chunk
            return data

    async def scenario(agent: Agent) -> None:
        async with await glasnost.start_server(echo, "echo", protection=protection):
            assert (await asyncio.to_thread(client)).endswith(b": hello")

    play(tmp_path, scenario)


def test_a_plan_is_explained_and_nothing_is_sent(tmp_path: Path) -> None:
    async def scenario(agent: Agent) -> None:
        async with await glasnost.start_server(echo, "echo"):
            plan = await glasnost.explain("echo.node7")
            assert [str(path.route.stages[-1]) for path in plan.candidates] == ["service:echo"]
            assert not agent._port.accepted

    play(tmp_path, scenario)


def test_names_that_are_none(tmp_path: Path) -> None:
    async def scenario(agent: Agent) -> None:
        for text in ("", "echo", "a b.node7", "x.y.z.example.org"):
            with pytest.raises(BadName):
                await glasnost.open_connection(text)
        async with Node() as node:
            assert node.name("Echo.node7") == "echo.node7.lab.glasnost.internal"
        with pytest.raises(Unavailable, match="not open"):
            node.name("echo.node7")

    play(tmp_path, scenario)


@pytest.mark.parametrize("protection", ["sealed", "plain"])
def test_a_handler_that_fails_cuts_its_caller_off(tmp_path: Path, protection: str) -> None:
    async def fails(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        raise ZeroDivisionError

    async def scenario(agent: Agent) -> None:
        async with await glasnost.start_server(fails, "echo", protection=protection):
            try:
                assert await hello() == b"", "a plain stream may just end"
                assert protection == "plain"
            except (PathCut, ConnectionResetError):
                pass

    play(tmp_path, scenario)


def test_resolving_counts_towards_the_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(agent: Agent) -> None:
        async def never(name: str) -> Any:
            await asyncio.Event().wait()

        monkeypatch.setattr(agent, "lookup", never)
        with pytest.raises(Unavailable, match=r"nobody said within 0\.05 s"):
            await glasnost.open_connection("echo.node8", timeout=0.05)

    play(tmp_path, scenario)


def test_a_connection_that_nobody_gets_any_more_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while the node lets go, after the connection was made."""

    async def scenario(agent: Agent) -> None:
        genuine = Node.close

        async def close(self: Node) -> None:
            await genuine(self)
            raise asyncio.CancelledError

        async with await glasnost.start_server(echo, "echo"):
            monkeypatch.setattr(Node, "close", close)
            with pytest.raises(asyncio.CancelledError):
                await glasnost.open_connection("echo.node7")
            monkeypatch.setattr(Node, "close", genuine)
            await turns()

    play(tmp_path, scenario)


# --- a node that lives long -----------------------------------------------------------------------


async def greet(stream: Stream, identity: Identity | None) -> None:
    _, writer = await streams(stream)
    writer.write(str(identity).encode())
    writer.close()


async def greeted(node: Node) -> bytes:
    connected = await node.connect("greeter.node7")
    reader, writer = await streams(connected.result)
    try:
        return await reader.read()
    finally:
        writer.close()
        await turns()


def test_it_outlives_its_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection to the agent, for the client's part and two servers; found again as one."""
    monkeypatch.setattr(registration, "RECONNECT", (0.001, 0.01))

    async def run() -> None:
        node = Node()
        async with running(tmp_path):
            await node.open()
            for name in ("greeter", "other"):
                await node.serve(greet, name)
            assert await greeted(node)
        with pytest.raises(Unavailable):
            await greeted(node)
        async with running(tmp_path) as agent:
            await until(lambda: len(agent.services) == 2)
            assert len(agent._clients) == 1
            assert await greeted(node) == f"{agent.user}@node7".encode()
            await node.close()
            await until(lambda: not len(agent.services))
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def test_its_certificate_renews_and_the_old_one_serves_while_the_agent_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        node = Node()
        async with running(tmp_path):
            await node.open()
            credentials = await node.credentials()
            first = credentials.chain[0]
            assert await node.credentials() is credentials and credentials.chain[0] == first
            monkeypatch.setattr(credentials, "is_due", lambda now: True)
            assert await node.credentials() is credentials and credentials.chain[0] != first
        assert await node.credentials() is credentials
        monkeypatch.setattr("glasnost.node.time.time", lambda: credentials.not_after + 1)
        with pytest.raises(Unavailable):
            await node.credentials()
        await node.close()
        await turns()

    with nothing_left_open():
        asyncio.run(run())


# --- without an agent -----------------------------------------------------------------------------


def test_who_has_joined_no_pool_is_told_what_to_do() -> None:
    async def run() -> None:
        async with Node():
            raise AssertionError

    with pytest.raises(Unavailable, match="no agent runs on this host"):
        asyncio.run(run())


def joined_elsewhere(folder: Path) -> Path:
    nowhere = "public/ip4:127.0.0.1:9"
    directory = Directory("directory.cm.lab.glasnost.internal", f"{nowhere}/service:directory")
    return settle(folder, node8(), authority=nowhere, directories=(directory,))


def test_the_nodes_of_a_loop_share_one_agent(tmp_path: Path) -> None:
    joined_elsewhere(tmp_path)

    async def run() -> None:
        one, two = Node(settings()), Node(settings())
        await asyncio.gather(one.open(), two.open())
        assert one.local is two.local and isinstance(one.local, Agent)
        server = await one.serve(greet, "greeter")
        await one.close()
        assert two.local.node == "node8" and two.local.port_number  # type: ignore[attr-defined]
        await server.close()
        await two.close()
        async with Node(settings()) as again:
            assert isinstance(again.local, Agent)
        assert not embedded._shared.get(asyncio.get_running_loop())
        await turns()
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def test_a_node_that_could_not_start_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = joined_elsewhere(tmp_path)

    async def run() -> None:
        genuine = Agent.start
        gate = asyncio.Event()

        async def start(self: Agent) -> None:
            await gate.wait()
            await genuine(self)

        monkeypatch.setattr(Agent, "start", start)
        first = asyncio.ensure_future(embedded.embedded_agent(home, settings()))
        second = asyncio.ensure_future(embedded.embedded_agent(home, settings()))
        await turns()
        first.cancel()
        gate.set()
        agent = await second
        assert first.cancelled() and agent.identity.node == "node8"
        await embedded.release(agent)
        (home / "node.crt").unlink()
        with pytest.raises(SettingsError):
            await embedded.embedded_agent(home, settings())
        assert not embedded._shared.get(asyncio.get_running_loop())
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def test_the_usual_port_is_left_to_an_agent(tmp_path: Path) -> None:
    """It may have died, and return while this program goes on."""
    home = joined_elsewhere(tmp_path)

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as usual:
            number = usual.getsockname()[1]
        agent = await embedded.embedded_agent(home, settings(port=number))
        assert agent.port_number not in (None, number)
        await embedded.release(agent)
        await turns()

    assert NodeIdentity.exists(home)
    with nothing_left_open():
        asyncio.run(run())


def test_errors_of_a_blocking_call_come_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that look like asyncio's own complaints."""

    async def fails(name: str, timeout: float) -> Any:
        raise RuntimeError("what the work says")

    monkeypatch.setattr(calls, "_create", fails)

    async def run() -> None:
        with pytest.raises(RuntimeError, match="what the work says"):
            glasnost.create_connection("echo.node7")

    asyncio.run(run())
    with pytest.raises(RuntimeError, match="what the work says"):
        glasnost.create_connection("echo.node7")
