"""Messages over a connection: exactly theirs, of any size, under each protection."""

from __future__ import annotations

import asyncio
import threading

import pytest

from glasnost.condor.cedar.ciphers import AES, SessionKey
from glasnost.condor.cedar.frames import HEADER
from glasnost.condor.cedar.values import Reader
from glasnost.condor.stream import MAX_MESSAGE, CedarStream
from glasnost.errors import PathCut, ProtocolError
from tests.condor.cedar.vectors import AES_KEY, LINES, VERSION
from tests.condor.pairs import KEYS, streams
from tests.net.pairs import LOOPS, run, tcp_pair

pytestmark = pytest.mark.parametrize("loop", LOOPS)


@pytest.mark.parametrize("read_ahead", [False, True], ids=["exactly", "ahead"])
@pytest.mark.parametrize("kind", KEYS)
def test_messages_both_ways(loop: str, kind: str, read_ahead: bool) -> None:
    async def scenario() -> None:
        with streams(kind, read_ahead) as (ours, theirs):
            ours.peer = VERSION
            for number in range(3):
                writer = ours.writer()
                writer.integer(number)
                writer.ad(LINES)
                await ours.send(writer)
            for number in range(3):
                reader = await theirs.receive()
                assert reader.integer() == number
                assert reader.ad() == LINES
                reader.end()
            answer = theirs.writer()
            answer.string("done")
            await theirs.send(answer)
            assert (await ours.receive()).string() == "done"

    run(loop, scenario())


@pytest.mark.parametrize("kind", KEYS)
def test_a_message_of_several_packets_and_parts(loop: str, kind: str) -> None:
    """Two megabytes, written in three parts: read whole, and then again value by value."""

    async def send(stream: CedarStream) -> None:
        for _ in range(2):
            writer = stream.writer()
            for part in range(3):
                for _ in range(100):
                    writer.integer(1)
                    writer.ad([b"X = %d" % part, b"Y = " + b"y" * 7000, b'ClaimId = "x"'])
                await stream.send(writer, last=False)
            writer.integer(0)
            await stream.send(writer)

    async def scenario() -> None:
        with streams(kind) as (ours, theirs):
            sending = asyncio.create_task(send(ours))
            reader = await theirs.receive()
            assert reader.left > 2_000_000
            ads = 0
            while reader.integer():
                ads += len(reader.ad()) == 3
            reader.end()
            assert ads == 300
            reader = await theirs.begin()
            held = 0
            while await theirs.take(reader, reader.integer):
                ads += len(await theirs.take(reader, reader.ad)) == 3
                held = max(held, reader.left)
            reader.end()
            assert ads == 600
            assert held < 200_000
            await sending

    run(loop, scenario())


def test_what_stands_behind_a_message_stays_in_the_socket(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with ours, theirs:
            stream = CedarStream(theirs)
            ours.send(HEADER.pack(0, 3) + b"abc" + HEADER.pack(1, 5) + b"\0\0\0\0\x07" + b"behind")
            reader = await stream.receive()
            assert reader.raw(3) + reader.raw(5) == b"abc\0\0\0\0\x07"
            assert stream.detach().recv(100) == b"behind"
            stream.close()
            assert theirs.fileno() >= 0

    run(loop, scenario())


def test_a_message_may_come_byte_by_byte(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with ours, theirs:
            reading = asyncio.ensure_future(CedarStream(theirs).receive())
            for byte in HEADER.pack(0, 1) + b"a" + HEADER.pack(1, 2) + b"b\0":
                ours.send(bytes([byte]))
                await asyncio.sleep(0)
            assert (await reading).string() == "ab"

    run(loop, scenario())


ENDS = [
    # what came, what it is to `receive_or_end`
    ("nothing", b"", None),
    ("within a header", b"\x01\0", PathCut),
    ("within a body", HEADER.pack(1, 9) + b"half", PathCut),
    ("within a message", HEADER.pack(0, 4) + b"half", PathCut),
    ("no packet", b"GET / HTTP/1.1\r\n\r\n", ProtocolError),
    ("a packet of nobody's", HEADER.pack(1, 1 << 21), ProtocolError),
]


@pytest.mark.parametrize("read_ahead", [False, True], ids=["exactly", "ahead"])
@pytest.mark.parametrize(("data", "error"), [case[1:] for case in ENDS], ids=[c[0] for c in ENDS])
def test_a_connection_ends(
    loop: str, data: bytes, error: type[Exception] | None, read_ahead: bool
) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with theirs:
            ours.send(data)
            ours.close()
            stream = CedarStream(theirs, read_ahead=read_ahead)
            if error is None:
                assert await stream.receive_or_end() is None
                with pytest.raises(PathCut):
                    await stream.receive()
            else:
                with pytest.raises(error):
                    await stream.receive_or_end()

    run(loop, scenario())


def test_a_message_without_end_is_given_up(loop: str) -> None:
    async def scenario() -> None:
        with streams() as (ours, theirs):
            sending = asyncio.create_task(pour(ours))
            with pytest.raises(ProtocolError, match="more than 100000 bytes"):
                await theirs.receive(limit=100_000)
            reader = Reader(b"", whole=False)
            with pytest.raises(ProtocolError, match="a value of more than"):
                await theirs.take(reader, lambda: reader.raw(MAX_MESSAGE), limit=100_000)
            sending.cancel()

    async def pour(stream: CedarStream) -> None:
        while True:
            writer = stream.writer()
            writer.raw(bytes(60_000))
            await stream.send(writer, last=False)

    run(loop, scenario())


def test_what_was_cancelled_within_a_message_is_followed_by_none(loop: str) -> None:
    async def scenario() -> None:
        with streams() as (ours, _):
            writer = ours.writer()
            writer.raw(bytes(64 << 20))  # more than any buffer takes
            sending = asyncio.create_task(ours.send(writer))
            await asyncio.sleep(0)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            with pytest.raises(PathCut, match="cut off before"):
                await ours.send(ours.writer())

    run(loop, scenario())


def test_messages_of_several_tasks_stay_whole(loop: str) -> None:
    async def scenario() -> None:
        with streams("AES") as (ours, theirs):

            async def say(number: int) -> None:
                writer = ours.writer()
                writer.raw(bytes([number]) * 300_000)
                await ours.send(writer)

            saying = [asyncio.create_task(say(number)) for number in range(8)]
            heard = set()
            for _ in saying:
                message = await theirs.receive()
                body = message.raw(message.left)
                assert body == body[:1] * 300_000
                heard.add(body[0])
            assert heard == set(range(8))
            await asyncio.gather(*saying)

    run(loop, scenario())


@pytest.mark.parametrize("read_ahead", [False, True], ids=["exactly", "ahead"])
def test_a_peer_that_always_has_something_to_say_keeps_nobody_waiting(
    loop: str, read_ahead: bool
) -> None:
    """The other tasks have their turns while it speaks; it is a thread, so as not to be one."""
    messages = 300
    packet = HEADER.pack(1, 60_000) + bytes(60_000)

    async def scenario() -> None:
        with streams(read_ahead=read_ahead) as (ours, theirs):
            heard = 0

            async def listen() -> None:
                nonlocal heard
                while heard < messages:
                    await theirs.receive()
                    heard += 1

            ours.sock.setblocking(True)
            speaking = threading.Thread(target=ours.sock.sendall, args=(packet * messages,))
            speaking.start()
            listening = asyncio.create_task(listen())
            for _ in range(10):
                await asyncio.sleep(0)
            assert heard < messages
            await listening
            speaking.join()

    run(loop, scenario())


@pytest.mark.parametrize("both_forget", [True, False])
def test_a_conversation_begins_anew_behind_a_hello(loop: str, both_forget: bool) -> None:
    """What was said before it belongs to no digest; a side that counts it in opens nothing."""

    async def scenario() -> None:
        with streams() as (ours, theirs):
            hello = ours.writer()
            hello.integer(75)
            await ours.send(hello)
            await theirs.receive()
            ours.restart()
            if both_forget:
                theirs.restart()
            for stream in (ours, theirs):
                stream.secure(SessionKey(AES, AES_KEY))
            writer = ours.writer()
            writer.integer(1)
            await ours.send(writer)
            if both_forget:
                assert (await theirs.receive()).integer() == 1
            else:
                with pytest.raises(ProtocolError, match="not sealed"):
                    await theirs.receive()

    run(loop, scenario())


def test_a_peer_that_is_gone_is_said_to_be(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with ours:
            theirs.close()
            writer = CedarStream(ours).writer()
            writer.raw(bytes(64 << 20))
            with pytest.raises(PathCut, match="gone"):
                await CedarStream(ours).send(writer)

    run(loop, scenario())
