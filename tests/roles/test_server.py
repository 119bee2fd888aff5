"""A served name: who is let in, as whom, and what a caller may do to the service."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import Offer
from glasnost.errors import PathCut, Refused, TrustError
from glasnost.net.bridge import Stream, dispose
from glasnost.net.port import Incoming
from glasnost.net.streams import streams
from glasnost.net.tls import TlsTransport, secure
from glasnost.roles import server as module
from glasnost.roles.server import Server
from glasnost.trust.certificates import issue_user
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import Identity
from glasnost.trust.keys import new_key
from tests.net.pairs import turns, until
from tests.roles.agent_lab import answer_of, everything, nothing_left_open
from tests.roles.test_registration import Local
from tests.trust.pool import Pool, lab, node7, node8

WEB = "web.node7.lab.glasnost.internal"
Handler = Callable[[Stream, Identity | None], Awaitable[None]]


def alice(lifetime: float = 3600.0) -> Credentials:
    node, key = node8(), new_key()
    leaf = issue_user(node.key, node.cert, "alice", key.public_key(), time.time(), lifetime)
    return Credentials(lab().root, lab().domain, key, [leaf, node.cert])


@asynccontextmanager
async def serving(handler: Handler, **offer: Any) -> AsyncIterator[Local]:
    local = Local()

    async def reopen() -> Any:
        return local

    server = Server(Offer(name="web", **offer), handler, reopen)
    await server.start(local)  # type: ignore[arg-type]
    try:
        yield local
    finally:
        await server.close()
        await turns()
        await turns()


def caller(local: Local) -> socket.socket:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    assert local.take is not None
    local.take(Incoming(Call(to="web"), ours, "a caller"))
    return theirs


async def echo(stream: Stream, identity: Identity | None) -> None:
    reader, writer = await streams(stream)
    writer.write(f"{identity}: ".encode() + await reader.readexactly(5))
    writer.write_eof()
    await reader.read(1)
    writer.close()


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario()
        await turns()

    with nothing_left_open():
        asyncio.run(run())


async def speak(stream: Stream) -> bytes:
    reader, writer = await streams(stream)
    try:
        writer.write(b"hello")
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        await turns()


def test_a_sealed_caller_is_known_by_name() -> None:
    async def scenario() -> None:
        async with serving(echo) as local:
            context = alice().client_context()
            stream = await secure(caller(local), context, server_name=WEB)
            assert await speak(stream) == b"alice@node8: hello"

    play(scenario)


def test_a_plain_caller_is_nobody() -> None:
    async def scenario() -> None:
        async with serving(echo, protection="plain") as local:
            assert await speak(caller(local)) == b"None: hello"

    play(scenario)


def test_a_caller_of_another_pool_is_told_that_it_is_not_believed() -> None:
    async def scenario() -> None:
        stranger = Pool(time.time())  # the same names, another root
        credentials = stranger.agent(stranger.node("node8"))
        context = credentials.client_context()
        context.load_verify_locations(cadata=lab().root.public_bytes(Encoding.DER))
        async with serving(echo) as local:
            stream = await secure(caller(local), context, server_name=WEB)
            with pytest.raises(TrustError, match="the peer ended the handshake"):
                await speak(stream)

    play(scenario)


def test_a_certificate_that_names_nobody_of_ours_gets_a_named_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The root would have to be broken for that; then the reason must be said all the same."""

    def nobody(peercert: object, domain: str) -> Identity:
        raise TrustError("the certificate's name 'x' is not one below lab.glasnost.internal")

    monkeypatch.setattr(module, "identity_of", nobody)

    async def scenario() -> None:
        async with serving(echo) as local:
            stream = await secure(caller(local), alice().client_context(), server_name=WEB)
            with pytest.raises(Refused, match="is not one below") as caught:
                await speak(stream)
            assert caught.value.code == "untrusted"

    play(scenario)


def test_a_caller_without_tls_or_without_patience(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving(echo) as local:
            garbage = caller(local)
            garbage.send(b"GET / HTTP/1.1\r\n\r\n")
            gone = caller(local)
            gone.close()
            await everything(garbage)
            stream = await secure(caller(local), alice().client_context(), server_name=WEB)
            assert await speak(stream) == b"alice@node8: hello"

    play(scenario)
    assert "Traceback" not in caplog.text


def test_a_flood_of_handshakes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HANDSHAKES", 3)

    async def scenario() -> None:
        async with serving(echo) as local:
            silent = [caller(local) for _ in range(3)]
            refused = answer_of(await everything(caller(local)))
            assert refused.code == "busy"
            silent.pop().close()
            await turns()
            stream = await secure(caller(local), alice().client_context(), server_name=WEB)
            assert await speak(stream) == b"alice@node8: hello"
            for one in silent:
                one.close()
            await turns()

    play(scenario)


def test_a_handler_that_fails_is_logged_and_one_whose_caller_left_is_not_a_bug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(stream: Stream, identity: Identity | None) -> None:
        try:
            assert isinstance(stream, TlsTransport)
            reader, _ = await streams(stream)
            word = await reader.readexactly(5)
            raise ZeroDivisionError(word.decode())
        finally:
            dispose(stream)

    async def scenario() -> None:
        context = alice().client_context()
        async with serving(handler) as local:
            stream = await secure(caller(local), context, server_name=WEB)
            stream.abort()
            await until(lambda: "a caller was lost" in caplog.text)
            assert "Traceback" not in caplog.text
            stream = await secure(caller(local), context, server_name=WEB)
            with pytest.raises(PathCut):
                await speak(stream)
            await until(lambda: "ZeroDivisionError: hello" in caplog.text)

    caplog.set_level("INFO")
    play(scenario)


def test_callers_that_never_came_to_their_turn_are_closed() -> None:
    """As when the loop ends: a task that is cancelled before its first step runs no `finally`."""

    async def scenario() -> None:
        async with serving(echo) as local:
            before = asyncio.all_tasks()
            callers = [caller(local) for _ in range(3)]
            for task in asyncio.all_tasks() - before:
                task.cancel()
            for one in callers:
                assert await everything(one) == b""

    play(scenario)


def test_closing_serves_on_who_is_being_served() -> None:
    async def scenario() -> None:
        async with serving(echo) as local:
            stream = await secure(caller(local), alice().client_context(), server_name=WEB)
        assert not local.offered
        assert await speak(stream) == b"alice@node8: hello"

    play(scenario)


def test_a_renewed_certificate_is_shown_to_the_next_caller() -> None:
    async def scenario() -> None:
        async with serving(echo) as local:
            context = alice().client_context()
            seen = []
            for _ in range(2):
                stream = await secure(caller(local), context, server_name=WEB)
                seen.append(stream.get_extra_info("ssl_object").getpeercert(binary_form=True))
                stream.close()
                await turns()
                registration = _registration(local)
                await registration._certify()
            assert seen[0] != seen[1]

    play(scenario)


def _registration(local: Local) -> Any:
    take: Any = local.take
    return take.__self__


def test_the_node_of_a_service_is_part_of_its_name() -> None:
    async def scenario() -> None:
        async with serving(echo) as local:
            other = WEB.replace("node7", "node8")
            with pytest.raises(TrustError):
                await secure(caller(local), alice().client_context(), server_name=other)

    assert node7().name == "node7"
    play(scenario)
