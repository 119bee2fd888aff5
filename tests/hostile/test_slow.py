"""Callers who say a byte in each second: their time is over as if they had said nothing.

The time is a fake one, so the seconds are exact, and cost nothing.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from glasnost.core.wire import header
from glasnost.net.port import HEADER_TIMEOUT, Incoming, SharedPort
from glasnost.net.sockets import listen_unix
from glasnost.net.tls import HANDSHAKE_TIMEOUT
from glasnost.roles.enrol import MAX_CLEAR, TIMEOUT
from tests.hostile.doors import door, ends, hello
from tests.net.clock import run_fake
from tests.net.pairs import descriptors, until
from tests.roles.agent_lab import answer_of, everything

SLOW = "203.0.113.5"
OTHER = "203.0.113.6:4711"
#: The longest that one may say in the clear, and its length.
CLEAR = MAX_CLEAR.to_bytes(4, "big") + bytes(MAX_CLEAR)

#: What is said so slowly, and for how many seconds it is listened to.
CASES = [
    ("broker", hello(), HANDSHAKE_TIMEOUT),
    ("directory", hello(), HANDSHAKE_TIMEOUT),
    ("authority", hello(), HANDSHAKE_TIMEOUT),
    ("authority", CLEAR, TIMEOUT),
]


async def drip(sock: socket.socket, data: bytes) -> int:
    """Say a byte in each second until the other side ends it: how many those were."""
    with sock:
        for count, byte in enumerate(data):
            if ends(sock):
                return count
            sock.send(bytes([byte]))
            await asyncio.sleep(1)
    raise AssertionError("all of it was listened to")


@pytest.mark.parametrize(
    "name, data, seconds", CASES, ids=["broker", "directory", "authority", "authority-in-clear"]
)
def test_a_role_listens_to_slow_callers_so_long_and_serves_others_meanwhile(
    name: str, data: bytes, seconds: float, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with door(name, tmp_path) as role:
            slow = [
                asyncio.create_task(drip(role.call(f"{SLOW}:{number}"), data))
                for number in range(5)
            ]
            await asyncio.sleep(0.5)
            assert role.held() == 5
            for _ in range(int(seconds) - 1):
                await role.ask(OTHER)
                await asyncio.sleep(1)
            assert not any(one.done() for one in slow), "others were served all the while"
            for said in await asyncio.gather(*slow):
                assert said <= seconds + 1

    run_fake(scenario())


def test_the_port_listens_to_slow_callers_so_long_and_serves_others_meanwhile(
    tmp_path: Path,
) -> None:
    whole = header.encode_call(header.Call(to="w" * 60))
    came: list[Incoming] = []

    def call() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(tmp_path / "run" / "port.sock"))
        sock.setblocking(False)
        return sock

    async def slowly() -> header.Answer:
        sock = call()
        for byte in whole[: int(HEADER_TIMEOUT)]:
            sock.send(bytes([byte]))
            await asyncio.sleep(1)
        return answer_of(await everything(sock))

    async def scenario() -> None:
        before = descriptors()
        port = SharedPort(came.append)
        port.listen(listen_unix(tmp_path / "run" / "port.sock"))
        slow = [asyncio.create_task(slowly()) for _ in range(5)]
        for _ in range(int(HEADER_TIMEOUT) - 1):
            await asyncio.sleep(1)
            with call() as sock:
                sock.send(whole)
                await until(lambda: came)
            came.pop().sock.close()
            assert port.half_open == 5
        for answer in await asyncio.gather(*slow):
            assert (answer.code, answer.why) == ("too-slow", "no header within 10 s")
        assert port.half_open == 0
        port.close()
        await until(lambda: descriptors() == before)

    run_fake(scenario())
