"""The local socket on a loop: sent, queued, waited for, and what happens at the limits."""

from __future__ import annotations

import array
import asyncio
import errno
import socket
import subprocess
import sys

import pytest

from glasnost.errors import PathCut, ProtocolError
from glasnost.net import packets
from glasnost.net.fdpass import send_packet
from glasnost.net.packets import MAX_QUEUED, PacketConnection
from tests.net.pairs import LOOPS, exhausted, nothing_left_open, packet_pair, run, turns, until

both_loops = pytest.mark.parametrize("loop", LOOPS)


class End:
    """One end of a packet connection, and what it was told."""

    def __init__(self, sock: socket.socket) -> None:
        self.packets: list[tuple[bytes, socket.socket | None]] = []
        self.ends: list[BaseException] = []
        self.connection = PacketConnection(sock, self.on_packet, self.ends.append)

    def on_packet(self, data: bytes, passed: socket.socket | None) -> None:
        self.packets.append((data, passed))

    def close(self) -> None:
        self.connection.close()
        for _, passed in self.packets:
            if passed is not None:
                passed.close()


def fill(connection: PacketConnection) -> int:
    """Send until there is no room in the kernel; how many packets it took."""
    sent = 0
    while not connection.queued:
        assert connection.send(bytes(1000))
        sent += 1
    return sent


@both_loops
def test_packets_and_sockets_arrive_in_order(loop: str) -> None:
    async def scenario() -> None:
        with nothing_left_open():
            near, far = map(End, packet_pair())
            pairs = [socket.socketpair() for _ in range(10)]
            for number, (passed, _) in enumerate(pairs):
                assert near.connection.send(b"%d" % number, passed)
                assert near.connection.send(b"alone")
            await until(lambda: len(far.packets) == 20)
            for number, (passed, kept) in enumerate(pairs):
                data, received = far.packets[2 * number]
                assert data == b"%d" % number
                assert received is not None
                assert passed.fileno() < 0  # sent, and so closed here
                received.send(b"x")
                assert kept.recv(1) == b"x"
                kept.close()
            assert repr(near.connection) == "<PacketConnection 0 queued>"
            near.close()
            await until(lambda: far.ends)
            assert isinstance(far.ends[0], PathCut)
            assert repr(near.connection) == "<PacketConnection closed queued>"
            far.close()
            assert len(near.ends) == len(far.ends) == 1

    run(loop, scenario())


@both_loops
def test_a_slow_reader_is_waited_for_and_then_refused_more(loop: str) -> None:
    async def scenario() -> None:
        with nothing_left_open():
            one, two = packet_pair()
            near = End(one)
            sent = fill(near.connection)
            passed, kept = socket.socketpair()
            assert near.connection.send(b"queued", passed)
            while near.connection.queued < MAX_QUEUED:
                assert near.connection.send(b"more")
            extra, other = socket.socketpair()
            assert not near.connection.send(b"too much", extra)
            assert extra.fileno() >= 0  # still the caller's
            extra.close()
            other.close()
            far = End(two)
            await until(lambda: len(far.packets) == sent + MAX_QUEUED - 1)
            assert near.connection.queued == 0
            assert passed.fileno() < 0
            [received] = [each for _, each in far.packets if each is not None]
            received.send(b"x")
            assert kept.recv(1) == b"x"
            kept.close()
            near.close()
            far.close()

    run(loop, scenario())


@both_loops
def test_what_was_queued_is_closed_with_its_connection(loop: str) -> None:
    async def scenario() -> None:
        with nothing_left_open():
            one, two = packet_pair()
            near = End(one)
            fill(near.connection)
            passed, kept = socket.socketpair()
            assert near.connection.send(b"queued", passed)
            two.close()
            await until(lambda: near.ends)
            assert passed.fileno() < 0
            assert kept.recv(1) == b""
            kept.close()

    run(loop, scenario())


@both_loops
def test_an_end_that_has_gone_leaves_the_socket_to_its_owner(loop: str) -> None:
    async def scenario() -> None:
        with nothing_left_open():
            one, two = packet_pair()
            near = End(one)
            two.close()
            with socket.socket() as passed:
                assert not near.connection.send(b"x", passed)  # sending finds out
                assert not near.connection.send(b"x", passed)
                assert passed.fileno() >= 0
            assert near.connection.closed
            assert len(near.ends) == 1
            near.connection.close()
            assert len(near.ends) == 1

    run(loop, scenario())


@both_loops
def test_a_peer_that_breaks_the_rules_is_left(loop: str) -> None:
    async def scenario() -> None:
        with nothing_left_open():
            one, two = packet_pair()
            near = End(one)
            with two, socket.socket() as passed:
                fds = array.array("i", [passed.fileno()] * 2)
                two.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
                await until(lambda: near.ends)
            assert isinstance(near.ends[0], ProtocolError)
            await turns()

    run(loop, scenario())


@both_loops
def test_closing_from_inside_ends_it_there(loop: str) -> None:
    async def scenario() -> None:
        with nothing_left_open():
            one, two = packet_pair()
            heard: list[bytes] = []

            def once(data: bytes, passed: socket.socket | None) -> None:
                heard.append(data)
                connection.close()

            ends: list[BaseException] = []
            connection = PacketConnection(one, once, ends.append)
            with two:
                two.send(b"a")
                two.send(b"b")
                await until(lambda: ends)
                await asyncio.sleep(0)
            assert heard == [b"a"]

    run(loop, scenario())


@both_loops
def test_a_socket_that_the_kernel_will_not_carry_yet_waits_with_what_is_behind_it(
    loop: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A user may have only so many sockets on their way (ETOOMANYREFS, unix(7))."""
    failures = 3

    def send(sock: socket.socket, data: bytes, passed: socket.socket | None = None) -> None:
        nonlocal failures
        if passed is not None and failures:
            failures -= 1
            raise OSError(errno.ETOOMANYREFS, "Too many references")
        send_packet(sock, data, passed)

    async def scenario() -> None:
        monkeypatch.setattr(packets, "send_packet", send)
        monkeypatch.setattr(packets, "REST", 0.01)
        one, two = packet_pair()
        near, far = End(one), End(two)
        passed, other = socket.socketpair()
        with other:
            assert near.connection.send(b"with a socket", passed)
            assert near.connection.send(b"behind it")
            assert near.connection.queued == 2 and not near.ends
            await until(lambda: len(far.packets) == 2)
            assert [data for data, _ in far.packets] == [b"with a socket", b"behind it"]
            received = far.packets[0][1]
            assert received is not None and passed.fileno() < 0
            received.send(b"x")
            assert other.recv(1) == b"x"
            assert near.connection.queued == failures == 0
            near.close()
            far.close()

    with nothing_left_open():
        run(loop, scenario())
    assert len([one for one in caplog.messages if "too many sockets are on their way" in one]) == 1


@both_loops
def test_what_waits_to_be_sent_again_is_closed_with_its_connection(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(sock: socket.socket, data: bytes, passed: socket.socket | None = None) -> None:
        raise OSError(errno.ETOOMANYREFS, "Too many references")

    async def scenario() -> None:
        monkeypatch.setattr(packets, "send_packet", send)
        one, two = packet_pair()
        near = End(one)
        passed, other = socket.socketpair()
        with two, other:
            assert near.connection.send(b"with a socket", passed)
            near.close()
            assert other.recv(1) == b""
        await turns()

    with nothing_left_open():
        run(loop, scenario())


#: As an ordinary user with few descriptors: sends more sockets than the kernel carries for such a
#: one before it begins to read. Prints how many of them waited, how many came, whether it ended.
CARRIED = """
import asyncio, os, resource, socket
from glasnost.net.packets import PacketConnection

if os.getuid() == 0:
    os.setgroups([])
    os.setresuid(65531, 65531, 65531)
resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

async def main():
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends, came = [], []
    sender = PacketConnection(one, print, ends.append)
    for number in range(40):
        assert sender.send(b"%d" % number, socket.socket())
        if sender.queued > 4:
            break
    sent, waited = number + 1, sender.queued

    def take(data, passed):
        came.append(int(data))
        passed.close()

    receiver = PacketConnection(two, take, ends.append)
    async with asyncio.timeout(30):
        while len(came) < sent:
            await asyncio.sleep(0.01)
    print(waited, came == list(range(sent)), ends)

asyncio.run(main())
"""


def test_the_kernel_itself_carries_on_once_some_were_taken() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CARRIED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "5 True []\n", done.stderr


@both_loops
def test_without_descriptors_one_is_lost_and_the_others_wait(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        with nothing_left_open():
            one, two = packet_pair()
            near, far = End(one), End(two)
            pairs = [socket.socketpair() for _ in range(3)]
            await turns()
            with exhausted():
                for passed, _ in pairs:
                    send_packet(one, b"for you", passed)
                await until(lambda: caplog.messages)
                await turns()
                assert not far.packets and not far.ends
            for passed, _ in pairs:
                passed.close()
            await until(lambda: len(far.packets) == 2)
            assert pairs[0][1].recv(1) == b""  # its caller sees the end
            near.close()
            far.close()
            for _, other in pairs:
                other.close()
            await turns()

    run(loop, scenario())
    assert caplog.messages == ["no descriptors are left: a connection to us was lost"]
