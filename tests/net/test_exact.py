"""Headers on raw sockets: exactly their bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from glasnost.core.wire import header
from glasnost.errors import PathCut, ProtocolError, Refused
from glasnost.net import exact
from glasnost.net.exact import accept_now, answer_now, read_answer, read_exactly, refuse, write_call
from glasnost.net.sockets import tune
from tests.net.pairs import LOOPS, cut, run, tcp_pair, turns, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)

NO = header.Answer("busy", "later")


def test_an_accept_is_read_and_not_a_byte_more(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with ours, theirs:
            theirs.send(header.encode_answer(header.Answer()) + b"behind it")
            await read_answer(ours)
            assert ours.recv(100) == b"behind it"

    run(loop, scenario())


def test_an_answer_may_come_byte_by_byte(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with ours, theirs:
            reading = asyncio.ensure_future(read_answer(ours))
            for byte in header.encode_answer(NO):
                theirs.send(bytes([byte]))
                await turns()
            with pytest.raises(Refused, match="later") as refused:
                await reading
            assert refused.value.code == "busy"

    run(loop, scenario())


@pytest.mark.parametrize(
    "data, kind",
    [
        (b"", PathCut),
        (header.encode_answer(NO)[:-1], PathCut),
        (b"garbage", ProtocolError),
        (header.encode_call(header.Call(to="web")), ProtocolError),
    ],
    ids=["nothing", "half", "garbage", "a call"],
)
def test_what_is_no_answer(loop: str, data: bytes, kind: type[Exception]) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with ours:
            theirs.send(data)
            theirs.close()
            with pytest.raises(kind):
                await read_answer(ours)

    run(loop, scenario())


def test_a_call_is_written_and_nothing_is_awaited(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with ours, theirs:
            await write_call(ours, header.Call(to="web"))
            expected = header.encode_call(header.Call(to="web"))
            assert await read_exactly(theirs, len(expected)) == expected

    run(loop, scenario())


def test_a_refusal_arrives_although_the_caller_says_more(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with theirs:
            theirs.send(bytes(50_000))
            refuse(ours, NO.code, NO.why)
            for _ in range(5):
                await turns()
                theirs.send(bytes(50_000))  # a reset would make the second of these fail
            with pytest.raises(Refused, match="later"):
                await read_answer(theirs)
            assert ours.fileno() >= 0
        await until(lambda: ours.fileno() < 0)

    run(loop, scenario())


def test_a_caller_that_stays_is_left_after_a_while(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "LINGER", 0.01)

    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with theirs:
            refuse(ours, NO.code, NO.why)
            await until(lambda: ours.fileno() < 0)

    run(loop, scenario())


def test_strangers_cannot_make_many_linger(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MAX_LINGERING", 1)

    async def scenario() -> None:
        pairs = [tcp_pair() for _ in range(3)]
        for ours, _ in pairs:
            refuse(ours, NO.code, NO.why)
        assert [ours.fileno() >= 0 for ours, _ in pairs] == [True, False, False]
        for _, theirs in pairs:
            theirs.close()
        await until(lambda: pairs[0][0].fileno() < 0)

    run(loop, scenario())


def test_a_reset_caller_is_let_go(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        refuse(ours, NO.code, NO.why)
        cut(theirs)
        await until(lambda: ours.fileno() < 0)

    run(loop, scenario())


def test_what_lingers_when_its_loop_ends_is_closed_by_the_next(loop: str) -> None:
    ours, theirs = tcp_pair()
    other, gone = tcp_pair()
    gone.close()

    async def first() -> None:
        refuse(ours, NO.code, NO.why)

    async def second() -> None:
        refuse(other, NO.code, NO.why)
        assert ours.fileno() < 0
        await until(lambda: other.fileno() < 0)

    with theirs:
        run(loop, first())
        assert ours.fileno() >= 0
        run(loop, second())


def test_nobody_minds_a_caller_that_has_gone(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        theirs.close()
        assert not answer_now(ours, NO)
        refuse(ours, NO.code, NO.why)
        assert ours.fileno() < 0

    run(loop, scenario())


def test_an_answer_without_room_is_not_written(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while ours.send(bytes(65536)):
                    pass
            assert not answer_now(ours, NO)

    run(loop, scenario())


def test_an_accept_leaves_in_one_packet_with_what_follows(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with ours, theirs:
            assert accept_now(tune(ours))
            with pytest.raises(BlockingIOError):
                theirs.recv(100)
            ours.send(b"welcome")
            await read_answer(theirs)
            assert theirs.recv(100) == b"welcome"

    run(loop, scenario())


def test_an_accept_leaves_alone_for_a_service_that_listens_first(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with ours, theirs:
            assert accept_now(tune(ours))
            tune(ours)
            assert theirs.recv(100) == header.encode_answer(header.Answer())

    run(loop, scenario())


def test_an_accept_goes_by_a_unix_socket_at_once(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert accept_now(ours)
            assert theirs.recv(100) == header.encode_answer(header.Answer())
            theirs.close()
            assert not accept_now(ours)

    run(loop, scenario())
