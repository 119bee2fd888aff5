"""Packets with sockets: passed, owned, and what a stranger at the other end may do."""

from __future__ import annotations

import array
import os
import socket
from pathlib import Path

import pytest

from glasnost.errors import PathCut, ProtocolError
from glasnost.net.fdpass import (
    MAX_PACKET,
    connect_packets,
    end_writing,
    pass_on,
    receive_packet,
    send_packet,
)
from tests.net.pairs import nothing_left_open, packet_pair


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


def test_last_words_are_heard_although_ours_were_not() -> None:
    one, two = packet_pair()
    with one:
        send_packet(one, b"hello")
        send_packet(two, b"busy")
        two.close()  # with the greeting unread, which is a reset
        assert receive_packet(one) == (b"busy", None)
        with pytest.raises(PathCut):
            receive_packet(one)


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


def test_an_end_is_said_on_what_is_a_socket_and_on_nothing_else() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        end_writing(ours.fileno())
        assert theirs.recv(1) == b""
        theirs.sendall(b"still open")
        assert ours.recv(10) == b"still open"
    read, write = os.pipe()
    end_writing(write)
    os.write(write, b"x")
    os.close(write)
    os.close(read)
