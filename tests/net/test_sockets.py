"""Connecting and listening."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from glasnost.errors import SettingsError
from glasnost.net.fdpass import peer_user
from glasnost.net.sockets import (
    KEEP_ALIVE,
    _target,
    address_text,
    connect_tcp,
    connect_unix,
    has_address,
    listen_local,
    listen_tcp,
    listen_unix,
    private_directory,
    tune,
)
from tests.net.pairs import LOOPS, cut, descriptors, run, tcp_pair

both_loops = pytest.mark.parametrize("loop", LOOPS)
US = frozenset({os.getuid()})


@both_loops
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_is_fast_and_does_not_block(loop: str, host: str) -> None:
    async def scenario() -> None:
        with listen_tcp(host, 0) as listener:
            assert listener.gettimeout() == 0
            with await connect_tcp(host, listener.getsockname()[1], host) as sock:
                assert sock.gettimeout() == 0
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert sock.getsockname()[0] == host

    run(loop, scenario())


@both_loops
def test_a_connection_that_fails_leaves_nothing_open(loop: str) -> None:
    async def scenario() -> None:
        before = descriptors()
        with listen_tcp("127.0.0.1", 0) as listener:
            number = listener.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await connect_tcp("127.0.0.1", number)
        with pytest.raises(OSError):
            await connect_tcp("127.0.0.1", number, "203.0.113.1")  # not ours to come from
        with pytest.raises(OSError):
            await connect_tcp("fe80::1%no-such-thing", number)
        assert descriptors() == before

    run(loop, scenario())


@both_loops
def test_a_connection_may_be_cancelled(loop: str) -> None:
    async def scenario() -> None:
        before = descriptors()
        # A listener whose backlog is full answers no more, as a firewall that drops.
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            with socket.create_connection(listener.getsockname()):
                waiting = asyncio.ensure_future(connect_tcp(*listener.getsockname()))
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
        assert descriptors() == before

    run(loop, scenario())


def test_a_zone_becomes_a_number() -> None:
    assert _target("192.0.2.1", 9618) == ("192.0.2.1", 9618)
    assert _target("fe80::1%7", 9618) == ("fe80::1", 9618, 0, 7)
    assert _target("fe80::1%lo", 9618) == ("fe80::1", 9618, 0, socket.if_nametoindex("lo"))


def test_both_protocols_share_one_number() -> None:
    with listen_tcp("0.0.0.0", 0) as four, listen_tcp("::", four.getsockname()[1]):
        pass


def test_a_number_in_use_is_named() -> None:
    before = descriptors()
    with listen_tcp("127.0.0.1", 0) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1 port {number}: "):
            listen_tcp("127.0.0.1", number)
    assert descriptors() == before


def test_ordinary_programs_may_wait_to_be_greeted() -> None:
    with listen_local("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) == 0
    with listen_tcp("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) > 0


@both_loops
def test_a_dead_peer_is_noticed_on_both_sides_of_a_connection(loop: str) -> None:
    """What is accepted has it from its listener: it costs nothing where connections are many."""

    def times(sock: socket.socket) -> tuple[int, ...]:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        return tuple(sock.getsockopt(socket.IPPROTO_TCP, option) for option in options)

    async def scenario() -> None:
        with listen_tcp("127.0.0.1", 0) as listener:
            with await connect_tcp("127.0.0.1", listener.getsockname()[1]) as ours:
                ours.send(b"x")  # it is not accepted before
                listener.setblocking(True)
                theirs, _ = listener.accept()
                with theirs:
                    assert times(ours) == times(theirs) == KEEP_ALIVE

    run(loop, scenario())


def test_which_addresses_this_host_has() -> None:
    assert has_address(("127.0.0.1", 9)) and has_address(("::1", 9, 0, 0))
    assert not has_address(("198.51.100.7", 9)) and not has_address(("2001:db8::7", 9, 0, 0))
    assert has_address("/run/port.sock") and has_address("")


def test_tuning_what_was_reset_is_no_error() -> None:
    ours, theirs = tcp_pair()
    cut(theirs)
    with tune(ours):
        pass


# --- unix -----------------------------------------------------------------------------------------


@both_loops
def test_a_unix_socket_is_ours_alone(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "deep" / "run" / "port.sock"
        with listen_unix(path):
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
            with await connect_unix(str(path), US) as sock:
                assert peer_user(sock) == os.getuid()
                assert sock.gettimeout() == 0
            before = descriptors()
            with pytest.raises(PermissionError, match="belongs to user"):
                await connect_unix(str(path), frozenset())
            assert descriptors() == before

    run(loop, scenario())


@both_loops
def test_who_answers_must_be_who_made_the_file(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glasnost.net.sockets.peer_user", lambda _: 4711)

    async def scenario() -> None:
        path = tmp_path / "run" / "port.sock"
        with listen_unix(path):
            before = descriptors()
            with pytest.raises(PermissionError, match="served by user 4711"):
                await connect_unix(str(path), US)
            assert descriptors() == before

    run(loop, scenario())


def test_a_dead_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "run" / "agent.sock"
    listen_unix(path, socket.SOCK_SEQPACKET).close()  # its file stays
    with listen_unix(path, socket.SOCK_SEQPACKET):
        for kind in (socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
            with pytest.raises(SettingsError, match="another agent runs here"):
                listen_unix(path, kind)


def test_one_who_is_too_busy_to_answer_lives(tmp_path: Path) -> None:
    path = tmp_path / "run" / "agent.sock"
    with listen_unix(path) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.listen(0)
        waiting.connect(str(path))
        with pytest.raises(SettingsError, match="another agent runs here"):
            listen_unix(path)


def test_what_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(SettingsError, match="in the way"):
        listen_unix(path)
    assert path.read_text() == "mine"


def test_a_path_has_its_length(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="too long for a unix socket"):
        listen_unix(tmp_path / ("x" * 108))


def test_everybodys_directory_stays_everybodys(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(SettingsError, match="everybody's"):
        private_directory(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def test_a_directory_must_be_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot use the directory"):
        private_directory(tmp_path / "file")
    monkeypatch.setattr("os.getuid", lambda: 4711)
    with pytest.raises(SettingsError, match="not to us"):
        private_directory(tmp_path)


ADDRESSES = [
    (("203.0.113.5", 4711), "203.0.113.5:4711"),
    (("2001:db8::7", 4711, 0, 0), "[2001:db8::7]:4711"),
    ("", "local"),
    (b"\0abstract", "local"),
]


@pytest.mark.parametrize("address, text", ADDRESSES)
def test_addresses_for_people(address: object, text: str) -> None:
    assert address_text(address) == text


def test_connecting_to_a_literal_asks_no_thread() -> None:
    """uvloop's own ``sock_connect`` has names resolved by threads, literals too."""
    program = """
import asyncio, os, socket, uvloop
from glasnost.net.sockets import connect_tcp

async def main():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (await connect_tcp(*listener.getsockname())).close()
    return len(os.listdir("/proc/self/task"))

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    before = len(os.listdir("/proc/self/task"))
    print(runner.run(main()) - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0\n", "")
