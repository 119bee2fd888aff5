"""``ip4`` and ``ip6``: a TCP connection, from the exit's source address."""

from __future__ import annotations

import asyncio
import dataclasses
import socket

import pytest

from glasnost.stages import KINDS, Means, Step
from tests.stages.crossing import cross, never, path, play

HOSTS = {"ip4": "127.0.0.1", "ip6": "::1"}


@pytest.mark.parametrize("kind", HOSTS)
def test_it_connects(kind: str) -> None:
    async def scenario() -> None:
        family = socket.AF_INET6 if kind == "ip6" else socket.AF_INET
        with socket.create_server((HOSTS[kind], 0), family=family) as listener:
            port = listener.getsockname()[1]
            host = f"[{HOSTS[kind]}]" if kind == "ip6" else HOSTS[kind]
            sock = await cross(f"public/{kind}:{host}:{port}")
            with sock, listener.accept()[0] as accepted:
                assert sock.gettimeout() == 0
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert accepted.getpeername() == sock.getsockname()

    play(scenario)


def test_it_comes_from_the_exits_source() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            on = path(f"public/ip4:127.0.0.1:{listener.getsockname()[1]}")
            on = dataclasses.replace(on, exit=dataclasses.replace(on.exit, source="127.0.0.9"))
            step = Step(on, 0, on.route.stages[0], Means(), never)
            sock = await KINDS["ip4"].cross(step, None)
            assert sock is not None
            with sock:
                assert sock.getsockname()[0] == "127.0.0.9"

    play(scenario)


def test_what_fails_leaves_nothing_open() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await cross(f"public/ip4:127.0.0.1:{port}")
        connecting = asyncio.ensure_future(cross("public/ip4:203.0.113.1:9"))  # goes nowhere
        await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.wait([connecting])

    play(scenario)
