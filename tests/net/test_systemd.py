"""What systemd and a daemon say to each other, over real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from glasnost.net import systemd
from glasnost.net.systemd import Notifier, given_listeners

# --- being told -----------------------------------------------------------------------------------


def heard(sock: socket.socket) -> list[str]:
    return sock.recv(65536, socket.MSG_DONTWAIT).decode().splitlines()


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_what_it_asked_to_hear(tmp_path: Path, abstract: bool) -> None:
    name = f"@glasnost-{os.getpid()}" if abstract else str(tmp_path / "notify")
    environment = {
        "NOTIFY_SOCKET": name,
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        notifier = Notifier(environment)
        assert environment == {"HOME": "/"}, "no child shall believe it was meant"
        assert notifier.watchdog == 30
        notifier.tell(READY=1, STATUS="serving:\nagent")
        assert heard(manager) == ["READY=1", "STATUS=serving: agent"]
        notifier.alive()
        assert heard(manager) == ["WATCHDOG=1"]
        notifier.close()
        notifier.tell(STOPPING=1)
        with pytest.raises(BlockingIOError):
            heard(manager)


def test_a_watchdog_for_our_parent_is_not_ours(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        notifier = Notifier(
            {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}
        )
        notifier.alive()
        assert notifier.watchdog == 0
        with pytest.raises(BlockingIOError):
            heard(manager)
        notifier.close()


def test_nobody_listens_and_nothing_happens(tmp_path: Path) -> None:
    """Not under systemd; and under one that has gone, or is too busy to listen."""
    Notifier({}).tell(READY=1)
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    gone.tell(READY=1)
    gone.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        busy = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for _ in range(10_000):
            busy.tell(STATUS="x" * 1000)
        busy.close()


# --- being given sockets --------------------------------------------------------------------------


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """An environment in which these sockets were passed; ours stand elsewhere than at 3."""

    def passing(*socks: socket.socket, **changes: str) -> dict[str, str]:
        first = max(map(int, os.listdir("/proc/self/fd"))) + 1  # from here on all are free
        for number, sock in enumerate(socks, first):
            os.dup2(sock.fileno(), number)
        monkeypatch.setattr(systemd, "_FIRST", first)
        names = ":".join("glasnost" for _ in socks)
        told = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(socks))}
        return told | {"LISTEN_FDNAMES": names} | changes

    return passing


def tcp(host: str = "127.0.0.1", port: int = 0, **options: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, **options)


def unix(path: Path, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(path))
    sock.listen()
    return sock


def test_listeners_are_found_and_made_ours(
    tmp_path: Path, passed: Callable[..., dict[str, str]]
) -> None:
    ours = tcp()
    port = unix(tmp_path / "port.sock", socket.SOCK_STREAM)
    agent = unix(tmp_path / "agent.sock", socket.SOCK_SEQPACKET)
    environment = passed(ours, port, agent)
    with ours, port, agent:
        given = given_listeners(environment)
        assert environment == {}
        assert given is not None and given.port is not None and given.agent is not None
        assert given.number == ours.getsockname()[1] and given.hosts == ("127.0.0.1",)
        for sock in (*given.tcp, given.port, given.agent):
            assert not sock.getblocking() and not sock.get_inheritable()
            sock.close()
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) > 0
        with socket.create_connection(ours.getsockname(), timeout=20):  # it listens still
            pass


def test_one_listener_may_serve_both_protocols(passed: Callable[..., dict[str, str]]) -> None:
    with tcp("::", dualstack_ipv6=True) as ours:
        given = given_listeners(passed(ours))
        assert given is not None and given.hosts == ("0.0.0.0", "::")
        given.tcp[0].close()


def test_what_is_meant_for_another_process_is_not_ours(
    passed: Callable[..., dict[str, str]],
) -> None:
    environment = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1"}
    assert given_listeners(environment) is None
    assert environment == {}
    assert given_listeners({}) is None
    assert given_listeners({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "-1"}) is None


def test_what_an_agent_cannot_listen_on_is_one_sentence(
    tmp_path: Path, passed: Callable[..., dict[str, str]]
) -> None:
    from glasnost.errors import SettingsError

    ours, theirs = socket.socketpair()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    reading, writing = os.pipe()
    one, other = tcp(), tcp()
    stream = unix(tmp_path / "s", socket.SOCK_STREAM)
    cases = [
        ([ours], r"socket 1 of those passed to us \(glasnost\): it does not listen"),
        ([udp], r"socket 1 .*: "),
        ([one, other], "listen on several TCP ports"),
        ([stream], "none of the sockets passed to us listens on TCP"),
        ([stream, stream], "socket 2 .*: an agent has TCP listeners, and one unix socket of"),
    ]
    with ours, theirs, udp, one, other, stream:
        for socks, words in cases:
            with pytest.raises(SettingsError, match=words):
                given_listeners(passed(*socks))
    os.close(reading)
    os.close(writing)


def test_a_pipe_is_no_socket() -> None:
    """In a process of its own, where it stands at 3."""
    program = (
        "import os, sys\n"
        "from glasnost.net.systemd import given_listeners\n"
        "from glasnost.errors import SettingsError\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
        "try: given_listeners()\n"
        "except SettingsError as error: print(error)\n"
    )
    line = 'exec 3</dev/null; exec "$0" -c "$1"'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, program], capture_output=True, text=True, timeout=40
    )
    said = "socket 1 of those passed to us (unnamed): Socket operation on non-socket\n"
    assert done.stdout == said, done.stderr
