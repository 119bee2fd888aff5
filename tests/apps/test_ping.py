"""A ping goes the way of any connect, says what each stage took, and disturbs nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import glasnost
from glasnost.apps import ping as module
from glasnost.apps.ping import Pinged, ping_each, ping_once
from glasnost.core.routes import Trace
from glasnost.core.wire import header
from glasnost.net.tls import TlsTransport
from glasnost.node import Node
from glasnost.roles.agent import Agent
from tests.net.pairs import tls_pair, turns, until
from tests.roles.agent_lab import known_host, nothing_left_open, running
from tests.stages.crossing import path

__all__ = ["known_host"]

#: What is done at the end of a path, by protection.
ENDS = {"sealed": ["TLS handshake", "accept"], "plain": ["accept"]}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, known_host: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLASNOST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GLASNOST_RUN", str(tmp_path / "run"))


def play(folder: Path, scenario: Callable[[Agent], Awaitable[None]]) -> None:
    async def run() -> None:
        async with running(folder) as agent:
            await scenario(agent)
        await turns()

    with nothing_left_open():
        asyncio.run(run())


async def once(name: str) -> Pinged:
    async with Node() as node:
        record, left = await node.resolve(name, 10)
        return await ping_once(node, record, left)


@pytest.mark.parametrize("protection", ["sealed", "plain"])
def test_the_service_sees_a_caller_who_leaves_without_a_byte(
    tmp_path: Path, protection: str
) -> None:
    seen: list[tuple[str, bytes]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read()  # would raise where the stream was cut
        seen.append((str(writer.get_extra_info("identity")), data))
        writer.close()

    async def scenario(agent: Agent) -> None:
        async with await glasnost.start_server(handle, "echo", protection=protection):
            pinged = await once("echo.node7")
            await until(lambda: seen)
        who = f"{agent.user}@node7" if protection == "sealed" else "None"
        assert seen == [(who, b"")]
        [trace] = pinged.tried
        assert pinged.reached is trace
        deeds = [span.deed for span in trace.spans]
        assert deeds == ["connect", "send header", *ENDS[protection]]
        assert sum(span.seconds for span in trace.spans) == pytest.approx(trace.seconds)

    play(tmp_path, scenario)


def test_a_name_whose_service_has_gone_says_at_which_stage(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    async def scenario(agent: Agent) -> None:
        async with Node() as node:
            async with await glasnost.start_server(handle, "echo"):
                record, left = await node.resolve("echo.node7", 10)
            await until(lambda: not len(agent.services))
            pinged = await ping_once(node, record, left)
            found = [one async for one in ping_each(node, record, left)]
        [trace] = pinged.tried
        assert pinged.reached is None and trace.number == 2
        assert trace.why == "no service 'echo' is registered on node7"
        tried = [one for one in found if isinstance(one, Trace)]
        assert [(one.path, one.number, one.why) for one in tried] == [(trace.path, 2, trace.why)]
        assert tuple(found[1:]) == pinged.discarded, "every other route, with the reason"

    play(tmp_path, scenario)


def test_a_sealed_service_that_lets_nobody_in_fails_at_the_accept() -> None:
    on = path("public/ip4:192.0.2.1:9618/service:web")
    trace = Trace.of(on, [], 0.0)

    async def scenario() -> None:
        client, server = await tls_pair(accepted=False)
        refusing = asyncio.ensure_future(server.refuse(header.Answer("denied", "not you")))
        left = await module._leave(client, trace, 10)
        assert (left.spans[-1].deed, left.number, left.why) == ("accept", 2, "not you")
        await refusing
        client, server = await tls_pair(accepted=False)
        left = await module._leave(client, trace, 0.0)
        assert left.why == "no answer in time" and isinstance(client, TlsTransport)
        server.abort()
        await turns()

    with nothing_left_open():
        asyncio.run(scenario())
