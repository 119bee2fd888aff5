"""Packets with sockets: passed, owned, queued, and what a stranger at the other end may do."""

from __future__ import annotations

import array
import asyncio
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glasnost.errors import PathCut, ProtocolError
from glasnost.net import fdpass
from glasnost.net.fdpass import (
    MAX_PACKET,
    MAX_QUEUED,
    PacketConnection,
    connect_packets,
    pass_on,
    receive_packet,
    send_packet,
)
from tests.net.pairs import LOOPS, descriptors, exhausted, run, turns, until

both_loops = pytest.mark.parametrize("loop", LOOPS)


def packet_pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@contextmanager
def nothing_left_open() -> Iterator[None]:
    before = descriptors()
    yield
    assert descriptors() == before


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


# --- the packets themselves -----------------------------------------------------------------------


def test_a_socket_goes_over_and_is_owned() -> None:
    with nothing_left_open():
        one, two = packet_pair()
        passed, far = socket.socketpair()
        with one, two, far:
            send_packet(one, b"for you", passed)
            passed.close()
            data, received = receive_packet(two)
            assert data == b"for you"
            assert received is not None
            with received:
                assert received.gettimeout() == 0
                assert not os.get_inheritable(received.fileno())
                received.send(b"hello")
                assert far.recv(10) == b"hello"


def test_borders_and_order_are_kept() -> None:
    one, two = packet_pair()
    with one, two:
        for data in (b"a", b"bc", bytes(MAX_PACKET)):
            send_packet(one, data)
        assert [receive_packet(two) for _ in range(3)] == [
            (b"a", None),
            (b"bc", None),
            (bytes(MAX_PACKET), None),
        ]
        one.close()
        with pytest.raises(PathCut):
            receive_packet(two)


@pytest.mark.parametrize("count", [2, 4, 30])
def test_more_descriptors_than_one_are_refused_and_closed(count: int) -> None:
    one, two = packet_pair()
    with nothing_left_open(), socket.socket() as passed:
        fds = array.array("i", [passed.fileno()] * count)
        one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        with pytest.raises(ProtocolError, match="descriptors"):
            receive_packet(two)
    one.close()
    two.close()


def test_a_descriptor_that_is_no_socket_is_refused_and_closed(tmp_path: Path) -> None:
    one, two = packet_pair()
    with one, two, open(tmp_path / "file", "wb") as file:
        before = len(os.listdir("/proc/self/fd"))
        fds = array.array("i", [file.fileno()])
        one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        with pytest.raises(ProtocolError, match="no socket"):
            receive_packet(two)
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_packet_that_is_too_long_is_refused_with_its_descriptor() -> None:
    one, two = packet_pair()
    with nothing_left_open(), socket.socket() as passed:
        send_packet(one, bytes(MAX_PACKET + 1), passed)
        with pytest.raises(ProtocolError):
            receive_packet(two)
    one.close()
    two.close()


def test_openssh_is_given_a_socket_in_its_own_way() -> None:
    with nothing_left_open():
        one, two = socket.socketpair()
        passed, far = socket.socketpair()
        with one, two, far:
            with passed:
                pass_on(one.fileno(), passed)
            data, fds, _, _ = socket.recv_fds(two, 10, 4)
            assert data == b"\0"
            with socket.socket(fileno=fds[0]) as received:
                received.send(b"hello")
                assert far.recv(10) == b"hello"
            assert one.fileno() >= 0


def test_one_connects_to_ones_own_agent_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent.sock"
    with (
        nothing_left_open(),
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener,
    ):
        listener.bind(str(path))
        listener.listen()
        connect_packets(path).close()
        monkeypatch.setattr("glasnost.net.fdpass.peer_user", lambda _: 4711)
        with pytest.raises(PermissionError, match="served by user 4711"):
            connect_packets(path)
    with nothing_left_open(), pytest.raises(FileNotFoundError):
        connect_packets(tmp_path / "nobody")


# --- on the loop ----------------------------------------------------------------------------------


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
        monkeypatch.setattr(fdpass, "send_packet", send)
        monkeypatch.setattr(fdpass, "REST", 0.01)
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
        monkeypatch.setattr(fdpass, "send_packet", send)
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
from glasnost.net.fdpass import PacketConnection

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
