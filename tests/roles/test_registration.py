"""A service that stays registered, whatever becomes of certificates and agents."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import Offer
from glasnost.errors import Refused, TrustError
from glasnost.net.port import Incoming
from glasnost.roles import registration as module
from glasnost.roles.agent_client import Link
from glasnost.roles.registration import MAX_EARLY, Registration
from glasnost.trust import checks
from glasnost.trust.certificates import issue_service
from tests.net.pairs import turns, until
from tests.roles.agent_lab import answer_of, everything, known_host, nothing_left_open, running
from tests.trust.pool import lab, node7

pytestmark = pytest.mark.usefixtures("known_host")
__all__ = ["known_host"]


class Offering:
    full = "web.node7.lab.glasnost.internal"

    def __init__(self, local: Local) -> None:
        self._local = local

    def withdraw(self) -> None:
        self._local.offered.remove(self)


class Local:
    """An agent that certifies for ``lifetime`` seconds, or refuses to."""

    node, domain, user, root = "node7", lab().domain, "alice", lab().root

    def __init__(self, lifetime: float = 3600.0, refuses: int = 0) -> None:
        self.lifetime, self.refuses = lifetime, refuses
        self.offered: list[Offering] = []
        self.take: Callable[[Incoming], None] | None = None
        self.certified = 0

    async def offer(self, offer: Offer, take: Callable[[Incoming], None]) -> Offering:
        if self.offered:
            raise Refused("taken", "somebody has it")
        self.take = take
        self.offered.append(Offering(self))
        return self.offered[0]

    async def certify(self, kind: str, name: str, csr: bytes) -> list[Any]:
        if self.refuses:
            self.refuses -= 1
            raise TrustError("the issuing certificate has expired")
        self.certified += 1
        node, key = node7(), checks.read_csr(csr)
        full = f"{name}.node7.{lab().domain}"
        leaf = issue_service(node.key, node.cert, full, key, time.time(), self.lifetime)
        return [leaf, node.cert]


def registered(local: Local, **offer: Any) -> Registration:
    async def reopen() -> Any:
        return local

    return Registration(Offer(name="web", **offer), reopen)


def incoming() -> tuple[Incoming, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return Incoming(Call(to="web"), ours), theirs


def test_certificates_renew_in_place_before_they_end() -> None:
    async def run() -> None:
        local = Local(lifetime=2.0)
        registration = registered(local)
        await registration.start(local)  # type: ignore[arg-type]
        credentials = registration.credentials
        assert credentials is not None
        first = credentials.chain[0]
        context = credentials.server_context()
        await until(lambda: local.certified > 1)
        assert registration.credentials is credentials and credentials.chain[0] != first
        assert credentials.server_context() is context
        await registration.close()
        assert not local.offered

    asyncio.run(run())


def test_a_service_without_a_certificate_gives_its_name_back() -> None:
    async def run() -> None:
        local = Local(refuses=1)
        registration = registered(local)
        with pytest.raises(TrustError):
            await registration.start(local)  # type: ignore[arg-type]
        assert not local.offered
        await registration.start(local)  # type: ignore[arg-type]
        await registration.close()

    asyncio.run(run())


def test_a_renewal_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT", (0.001, 0.001))

    async def run() -> None:
        local = Local(lifetime=2.0)
        registration = registered(local)
        await registration.start(local)  # type: ignore[arg-type]
        local.refuses = 2
        await until(lambda: local.certified > 1)
        assert not local.refuses and registration.credentials is not None
        await registration.close()

    asyncio.run(run())


def test_who_comes_early_waits_and_who_comes_too_late_is_refused() -> None:
    async def run() -> None:
        local = Local()
        registration = registered(local)
        await registration.start(local)  # type: ignore[arg-type]
        assert local.take is not None
        first, caller = incoming()
        local.take(first)
        taken: list[Incoming] = []
        registration.give(taken.append)
        assert taken == [first]
        second, another = incoming()
        local.take(second)
        assert taken == [first, second]
        for one in (first.sock, second.sock, caller, another):
            one.close()
        await registration.close()

    with nothing_left_open():
        asyncio.run(run())


@pytest.mark.parametrize("protection", ["sealed", "plain"])
def test_nobody_is_left_waiting_for_a_service_that_never_starts(protection: str) -> None:
    async def run() -> None:
        local = Local()
        registration = registered(local, protection=protection)
        await registration.start(local)  # type: ignore[arg-type]
        assert local.take is not None
        callers = []
        for _ in range(MAX_EARLY + 1):
            arrived, caller = incoming()
            local.take(arrived)
            callers.append(caller)
        said = await everything(callers.pop())
        # A plain caller was accepted by the port: anything more were bytes of the service's own.
        assert said == b"" if protection == "plain" else answer_of(said).code == "busy"
        await registration.close()
        for caller in callers:
            said = await everything(caller)
            assert said == b"" if protection == "plain" else answer_of(said).code == "gone"
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def test_it_comes_back_when_the_agent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT", (0.001, 0.01))

    async def run() -> None:
        link = Link(tmp_path / "run")
        registration = Registration(Offer(name="web"), link.get)
        async with running(tmp_path) as agent:
            await registration.start(await link.get())
            credentials = registration.credentials
            assert len(agent.services) == 1
        async with running(tmp_path) as agent:
            await until(lambda: len(agent.services) == 1)
            assert registration.credentials is credentials
            await registration.close()
            await (await link.get()).status()
            assert not len(agent.services)
            await link.close()
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def test_it_does_not_come_back_to_an_agent_that_its_program_has_let_go_of(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as agent:
            link = Link(tmp_path / "run")
            registration = Registration(Offer(name="web"), link.get)
            await registration.start(await link.get())
            keeper = registration._keeper
            assert keeper is not None
            await link.close()
            await asyncio.wait_for(keeper, 10)
            await until(lambda: not len(agent.services))
            await registration.close()

    with nothing_left_open():
        asyncio.run(run())


def test_a_name_that_was_taken_meanwhile_is_asked_for_until_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RECONNECT", (0.001, 0.001))

    async def run() -> None:
        link = Link(tmp_path / "run")
        registration = Registration(Offer(name="web"), link.get)
        async with running(tmp_path):
            await registration.start(await link.get())
        gone = registration._local
        async with running(tmp_path) as agent:
            robber = await agent.offer(Offer(name="web"), lambda incoming: incoming.sock.close())
            await until(lambda: "already" in caplog.text)
            robber.withdraw()
            await until(lambda: registration._local is not gone)
            assert len(agent.services) == 1
            await registration.close()
            await link.close()

    with nothing_left_open():
        asyncio.run(run())
    assert caplog.text.count("is registered on node7 already") == 1, "each reason is told once"
