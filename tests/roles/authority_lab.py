"""An authority of its own for each test, with a clock to turn, and ways to reach it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import (
    Directory,
    Enrol,
    Enrolled,
)
from glasnost.errors import (
    Refused,
)
from glasnost.net.port import Incoming
from glasnost.roles.authority import Authority, create_token
from glasnost.trust import checks
from glasnost.trust.certificates import make_csr
from glasnost.trust.keys import new_key
from glasnost.trust.tokens import JoinToken

DOMAIN = "lab.glasnost.internal"
ADDRESS = "public/ip4:203.0.113.9:9618/service:authority"
DIRECTORIES = (Directory(f"directory.node1.{DOMAIN}", "public/ip4:203.0.113.9:9618"),)
DAY = 86_400.0
Key = ec.EllipticCurvePrivateKey


class Clock:
    """Tells the time that it was told."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Lab:
    """An authority in a directory of its own, with a clock to turn."""

    def __init__(self, home: Path, node_lifetime: float = 7 * DAY) -> None:
        self.home = home / "authority"
        self.clock = Clock(float(int(time.time())))  # certificates have whole seconds
        Authority.create(self.home, "lab", self.clock.now)
        self.authority = Authority(self.home, lambda: DIRECTORIES, node_lifetime, self.clock)

    def token(
        self, node: str = "node7", *, lifetime: float = 3600, replace: bool = False
    ) -> JoinToken:
        return create_token(
            self.home, node, ADDRESS, ["lab"], lifetime, replace=replace, now=self.clock.now
        )

    def enrol(self, token: JoinToken, key: Key) -> Enrolled:
        question = Enrol(token=token.id, secret=token.secret, csr=make_csr(key))
        return self.authority.enrol(question)

    def joined(self, node: str = "node7") -> tuple[Key, Enrolled]:
        key = new_key()
        return key, self.enrol(self.token(node), key)


def certificate(enrolled: Enrolled) -> x509.Certificate:
    return checks.read_certificate(enrolled.certificate)


def refusal(attempt: Callable[[], object]) -> str:
    """The code of the refusal that this must end in."""
    with pytest.raises(Refused) as caught:
        attempt()
    assert caught.value.why, "a refusal has a sentence"
    return caught.value.code


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def connect(
    authority: Authority, make_pair: Callable[[], tuple[socket.socket, socket.socket]] = pair
) -> socket.socket:
    """A connection that an authority has taken."""
    ours, theirs = make_pair()
    authority.take(Incoming(Call(to="authority"), theirs, "203.0.113.5:4711"))
    return ours


def run(lab: Lab, scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario()
        await lab.authority.close()

    asyncio.run(whole())


async def at_end(sock: socket.socket) -> bytes:
    """All that comes until the other side closes, be it before it has read everything."""
    data = b""
    with sock, contextlib.suppress(ConnectionResetError):
        while chunk := await asyncio.get_running_loop().sock_recv(sock, 65536):
            data += chunk
    return data
