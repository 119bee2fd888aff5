"""``ssh``: what the client is told, what it says, and servers that are none. What it does with
OpenSSH's own server is in tests/lab/test_ssh.py."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from glasnost.core.address import Address
from glasnost.core.routes import Target, plan
from glasnost.errors import (
    GlasnostError,
    PathCut,
    ProtocolError,
    Refused,
    SettingsError,
    StageFailed,
    TrustError,
)
from glasnost.net.openssh_words import MAX_TOLD, Heard, heard, why_ended
from glasnost.settings import Settings, SshSetting
from glasnost.stages import Means, traits
from glasnost.stages.ssh import options_of
from glasnost.stages.walk import walk
from glasnost.testing.contracts import descriptors, path
from tests.core.routes.worlds import vantage
from tests.net.pairs import until
from tests.stages.crossing import ssh_clients as clients

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFG0o8d5Bs1m6c3g2Y1u0C0S7v8Qn0C1o2y5b6x7zzzz"
GATE = SshSetting("ann", host_key=KEY)
MEANS = Means(settings=Settings(ssh={"gate": GATE}))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = descriptors()
    yield
    asyncio.run(until(lambda: not clients() and descriptors() == before + 2))  # a loop has two
    prefix = f"glasnost-ssh-{os.getpid()}-"
    assert not [one for one in os.listdir("/tmp") if one.startswith(prefix)]


# --- what the client is told ----------------------------------------------------------------------


def means_to_openssh(name: str, setting: SshSetting) -> dict[str, str]:
    """What OpenSSH itself makes of our options."""
    command = ["ssh", "-G", "-F", "none", *options_of(name, setting), "--", name]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return dict(line.split(" ", 1) for line in told.splitlines() if " " in line)


def test_a_login_means_to_openssh_what_it_says() -> None:
    setting = SshSetting(
        "ann@lab",
        host="[gate.example.org]:2222",
        identity="/keys of mine/100%h",
        agent="/run/agent",
        known_hosts="/keys of mine/known",
    )
    meant = means_to_openssh("gate", setting)
    expected = {
        "user": "ann@lab",
        "hostkeyalias": "[gate.example.org]:2222",
        "identityfile": "/keys of mine/100%%h",
        "identityagent": "/run/agent",
        "identitiesonly": "yes",
        "userknownhostsfile": "/keys of mine/known",
        "globalknownhostsfile": "none",
        "stricthostkeychecking": "true",
    }
    assert {key: meant[key] for key in expected} == expected


def test_without_further_words_it_is_openssh_that_knows_keys_and_hosts() -> None:
    meant = means_to_openssh("gate.example.org", SshSetting("ann"))
    assert meant["hostkeyalias"] == "gate.example.org"
    assert meant["stricthostkeychecking"] == "true"
    assert "known_hosts" in meant["userknownhostsfile"]
    trusting = means_to_openssh("gate", SshSetting("ann", trust_new=True))
    assert trusting["stricthostkeychecking"] == "accept-new"


BAD: list[tuple[str, str]] = [
    *(("user", user) for user in ("", "-oProxyCommand=x", "a b", "a\nb", "`id`", "$(id)", 'a"b')),
    *(("host", host) for host in ("*", "a,b", "!a", "a b", "gäte")),
    *(("identity", file) for file in ("key", "~key", '/a"b', "/a\nb", "/${HOME}", "none")),
    ("host_key", "gate ssh-ed25519 AAAA"),
    ("host_key", "ssh-ed25519 AAAA\n* ssh-rsa AAAA"),
]


@pytest.mark.parametrize(("field", "value"), BAD, ids=map(str, BAD))
def test_what_is_no_login_is_refused(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"no |is written"):
        SshSetting(**({"user": "ann"} | {field: value}))  # type: ignore[arg-type]


def test_a_host_key_is_pinned_alone() -> None:
    for more in ({"trust_new": True}, {"known_hosts": "/a"}):
        with pytest.raises(ValueError, match="have no say"):
            SshSetting("ann", host_key=KEY, **more)


def test_a_login_that_our_settings_do_not_have_is_discarded_in_planning() -> None:
    target = Target(Address.parse("public/ip4:192.0.2.1:22/ssh:gate/ip4:10.1.2.3:5432"))
    known, unknown = (traits(settings) for settings in (MEANS.settings, Settings()))
    assert plan(vantage("ip4@public"), target, kinds=known).candidates
    (rejected,) = plan(vantage("ip4@public"), target, kinds=unknown).rejected
    says = "stage 2 (ssh:gate): there is no [ssh.gate] in the settings of this host"
    assert rejected.reason == says


# --- what the client says -------------------------------------------------------------------------

SAYS: list[tuple[str, type[GlasnostError], str]] = [
    ("ann@gate: Permission denied (publickey,password).", TrustError, "accepts none of our keys"),
    (
        "No ED25519 host key is known for gate and you have requested strict checking.\r\n"
        "Host key verification failed.",
        TrustError,
        "no host key of gate is known here",
    ),
    (
        "Host key for gate has changed and you have requested strict checking.\r\n"
        "Host key verification failed.",
        TrustError,
        "the host key of gate has changed",
    ),
    ("channel 1: open failed: administratively prohibited: open failed", Refused, "forbids it"),
    ("channel 1: open failed: connect failed: Name or service not known", Refused, "says: Name"),
    ("command-line: line 0: Bad configuration option: logverbose", ProtocolError, "too old for us"),
    ("Connection closed by UNKNOWN port 65535", PathCut, "the SSH server closed the connection"),
    ("Unable to negotiate with x: no matching cipher found", ProtocolError, "no matching cipher"),
    ("something else\x1b[2J\u202e", PathCut, r"ssh says: something else\x1b[2J\u202e"),
    ("", PathCut, "ended without a word"),
]


@pytest.mark.parametrize(("told", "error", "says"), SAYS, ids=[says for *_, says in SAYS])
def test_what_the_client_says_last_is_a_sentence(
    told: str, error: type[GlasnostError], says: str
) -> None:
    banner = "Host key for you has changed\r\n" * 3
    found = why_ended(f"{banner}Welcome!\r\n\r\nPlease\r\n{told}\r\n".encode() if told else b"")
    assert type(found) is error
    assert says in str(found)


def test_the_client_says_how_far_it_is() -> None:
    says = b"debug2: channels.c:channel_input_open_confirmation():3518 (pid=7): channel 1: open c"
    assert heard(b"glasnost:in\n") is Heard.INSIDE
    assert heard(says) is Heard.OPENED
    assert heard(b"debug1: channels.c:channel_free():721 (pid=7): channel 1: free") is Heard.OVER
    assert heard(b"Welcome! glasnost:in\n") is None


# --- servers that are none ------------------------------------------------------------------------

Serve = Callable[[socket.socket], None]


def cross(serve: Serve, timeout: float = 20) -> str:
    """Why a stage is not crossed whose server does this with its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def accept() -> None:
            accepted, _ = listener.accept()
            with accepted:
                try:
                    serve(accepted)
                except OSError:
                    return  # the client has gone

        thread = threading.Thread(target=accept)
        thread.start()
        means = Means(settings=MEANS.settings, timeout=timeout)
        on = path(f"public/ip4:127.0.0.1:{listener.getsockname()[1]}/ssh:gate/ip4:10.1.2.3:1")
        with pytest.raises(StageFailed) as caught:
            asyncio.run(walk(on, means))
        thread.join()
    assert caught.value.number == 2
    return caught.value.why


def drain(sock: socket.socket) -> None:
    while sock.recv(4096):
        pass


def sends(*parts: bytes) -> Serve:
    def serve(sock: socket.socket) -> None:
        for part in parts:
            sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        drain(sock)

    return serve


CLOSED = "the SSH server closed the connection"
NO_SSH = "it does not speak SSH as we do"
SERVERS = [
    ("closes at once", sends(), CLOSED),
    ("closes behind its greeting", sends(b"SSH-2.0-x\r\n"), CLOSED),
    ("speaks HTTP", sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"), CLOSED),
    ("sends a zero", sends(b"\0" * 100), NO_SSH),
    ("is of another time", sends(b"SSH-1.5-x\r\n"), NO_SSH),
    ("goes on and on before its greeting", sends(*[b"Welcome!\r\n" * 1000] * 100), NO_SSH),
    ("sends a line without end", sends(b"x" * 1_000_000), NO_SSH),
    ("sends garbage behind its greeting", sends(b"SSH-2.0-x\r\n", b"\xff" * 5000), NO_SSH),
]


@pytest.mark.parametrize(
    ("serve", "says"), [one[1:] for one in SERVERS], ids=[n for n, *_ in SERVERS]
)
def test_a_server_that_is_none_costs_a_route_and_a_sentence(serve: Serve, says: str) -> None:
    assert says in cross(serve)


def test_a_server_that_says_nothing_costs_no_more_than_the_timeout() -> None:
    assert cross(drain, timeout=0.3) == "no SSH login within 0.3 s"


def test_nothing_is_left_whenever_it_is_cancelled() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            on = path(f"public/ip4:127.0.0.1:{listener.getsockname()[1]}/ssh:gate/ip4:10.1.2.3:1")
            for turns in itertools.chain(range(1, 6), (50,)):
                crossing = asyncio.create_task(walk(on, MEANS))
                for _ in range(turns):
                    await asyncio.sleep(0)
                crossing.cancel()
                begun = time.monotonic()
                await asyncio.wait({crossing})
                assert crossing.cancelled()
                assert time.monotonic() - begun < 1
            await until(lambda: not clients())

    asyncio.run(scenario())


_WAITS = """
import asyncio, sys
from glasnost.net.openssh_login import Login
from tests.stages.test_ssh import MEANS, path, walk
if "deaf" in sys.argv:  # so that its thread is too late for certain
    Login._hear = lambda self: None
asyncio.run(walk(path(sys.argv[1]), MEANS))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_program_that_is_ended_while_it_logs_in_leaves_no_client(number: signal.Signals) -> None:
    """Nor its folder, where it may still do something: at Ctrl-C."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        route = f"public/ip4:127.0.0.1:{listener.getsockname()[1]}/ssh:gate/ip4:10.1.2.3:1"
        command = [sys.executable, "-c", _WAITS, route]
        command += ["deaf"] if number == signal.SIGINT else []
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            accepted, _ = listener.accept()
            with accepted:
                # So it has our connection, and waits for a greeting.
                assert accepted.recv(100).startswith(b"SSH-2.0-OpenSSH")
                (client,) = psutil.Process(process.pid).children()
                process.send_signal(number)
                process.wait()
                if number == signal.SIGINT:
                    assert not list(Path("/tmp").glob(f"glasnost-ssh-{process.pid}-*"))
                accepted.settimeout(20)
                drain(accepted)  # until it ends: nobody has the connection any more
        asyncio.run(until(lambda: not client.is_running()))


def test_the_folder_of_a_process_that_was_killed_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = [f"glasnost-ssh-{pid}-x" for pid in (gone.pid, os.getpid(), "x")]
    for name in names:
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, time.time() - 61))
    young = f"glasnost-ssh-{gone.pid}-y"  # of a process elsewhere, perhaps
    (tmp_path / young).mkdir()
    cross(sends())
    assert sorted(os.listdir(tmp_path)) == sorted([*names[1:], young])


def test_without_openssh_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "OpenSSH's client is not installed here" in cross(drain)


def test_a_login_that_our_settings_do_not_have_is_never_crossed() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            on = path(f"public/ip4:127.0.0.1:{listener.getsockname()[1]}/ssh:gate/ip4:10.1.2.3:1")
            with pytest.raises(StageFailed, match=r"there is no \[ssh.gate\]") as caught:
                await walk(on, Means())
            assert isinstance(caught.value.__cause__, SettingsError)

    asyncio.run(scenario())


def test_what_it_keeps_of_what_the_client_says_is_bounded() -> None:
    assert len(str(why_ended(b"x" * MAX_TOLD))) < 300
