"""Reply names: each works once, for its time, for who expects it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from glasnost.core.wire.header import ANSWER, PREFIX_SIZE, Call, body_size, decode_answer
from glasnost.errors import Refused
from glasnost.net.port import Incoming
from glasnost.roles.agent import replies
from glasnost.roles.agent.replies import LocalExpectation, Replies
from tests.net.pairs import until


def incoming(reply: bytes) -> tuple[Incoming, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(5)
    return Incoming(Call(reply=reply), ours, "test"), theirs


def refusal(sock: socket.socket) -> str:
    with sock:
        prefix = sock.recv(PREFIX_SIZE)
        return decode_answer(sock.recv(body_size(prefix, ANSWER))).code


def test_a_reply_name_gives_its_connection_to_who_expects_it_once() -> None:
    async def scenario() -> None:
        names = Replies()
        expectation = LocalExpectation(names, 10)
        first, far = incoming(expectation.reply)
        names.arrive(first)
        assert await expectation.arrival() is first.sock
        second, far_too = incoming(expectation.reply)
        names.arrive(second)
        assert refusal(far_too) == "unknown-reply"
        expectation.cancel()
        assert first.sock.fileno() >= 0, "what was given out stays open"
        first.sock.close()
        far.close()
        assert len(names) == 0

    asyncio.run(scenario())


def test_a_guess_is_refused_and_uses_nothing_up() -> None:
    async def scenario() -> None:
        names = Replies()
        expectation = LocalExpectation(names, 10)
        guess = bytes([expectation.reply[0] ^ 1]) + expectation.reply[1:]
        wrong, far = incoming(guess)
        names.arrive(wrong)
        assert refusal(far) == "unknown-reply" and len(names) == 1
        expectation.cancel()
        assert len(names) == 0

    asyncio.run(scenario())


def test_a_name_expires() -> None:
    async def scenario() -> None:
        names = Replies()
        LocalExpectation(names, 0.001)
        await until(lambda: not len(names))

    asyncio.run(scenario())


def test_a_connection_that_nobody_took_is_closed_with_the_expectation() -> None:
    async def scenario() -> None:
        names = Replies()
        expectation = LocalExpectation(names, 10)
        arrived, far = incoming(expectation.reply)
        names.arrive(arrived)
        expectation.cancel()
        with far:
            assert far.recv(1) == b""

    asyncio.run(scenario())


def test_too_many_expectations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MAX_EXPECTED", 2)

    async def scenario() -> None:
        names = Replies()
        expected = [LocalExpectation(names, 10) for _ in range(2)]
        with pytest.raises(Refused, match="expected here already"):
            LocalExpectation(names, 10)
        for one in expected:
            one.cancel()

    asyncio.run(scenario())


def test_whoever_asked_is_told_once_when_a_name_ends() -> None:
    async def scenario() -> None:
        names = Replies()
        ended: list[bytes] = []
        taken = names.expect(lambda one: True, 10, ended.append)
        cancelled = names.expect(lambda one: True, 10, ended.append)
        expired = names.expect(lambda one: True, 0.001, ended.append)
        arrived, far = incoming(taken)
        names.arrive(arrived)
        names.cancel(cancelled)
        names.cancel(cancelled)
        await until(lambda: not len(names))
        assert ended == [taken, cancelled, expired]
        left = names.expect(lambda one: True, 10, ended.append)
        names.close()
        assert ended[3:] == [left] and not len(names)
        arrived.sock.close()
        far.close()

    asyncio.run(scenario())
