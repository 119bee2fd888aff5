"""Daemons under systemd: their units, and a restart that nobody notices."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glasnost.core.wire.header import (
    ANSWER,
    PREFIX_SIZE,
    Call,
    body_size,
    decode_answer,
    encode_call,
)
from glasnost.daemons.units import ROLES
from tests.cli.conftest import GLASNOST, Running, Shell

# --- units ----------------------------------------------------------------------------------------


def units(folder: Path, shell: Shell, *roles: str) -> dict[str, configparser.ConfigParser]:
    """What ``install --user`` writes, read back."""
    done = shell.run("systemd", "install", "--user", *roles, XDG_CONFIG_HOME=str(folder))
    assert done.status == 0, done.err
    found = {}
    for line in done.out.splitlines():
        # One key may stand there several times, as ListenStream does: the last is kept.
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read(line)
        found[Path(line).name] = parser
    return found


def test_each_daemon_has_a_unit_that_says_how_it_goes(fresh: Shell, tmp_path: Path) -> None:
    found = units(tmp_path, fresh, *(role for role in ROLES if role != "up"))
    assert sorted(found) == [
        "glasnost-agent.service",
        "glasnost-agent.socket",
        "glasnost-authority.service",
        "glasnost-broker.service",
        "glasnost-condor-bridge.service",
        "glasnost-directory.service",
    ]
    for role in ("agent", "broker", "directory", "authority", "condor-bridge"):
        service = found[f"glasnost-{role}.service"]["Service"]
        assert service["Type"] == "notify" and int(service["WatchdogSec"]) > 2
        assert service["ExecStart"].endswith(f" -m glasnost {role.replace('-', ' ')}")
    reload = found["glasnost-agent.service"]["Service"]["ExecReload"]
    assert reload == "/bin/kill -HUP $MAINPID"
    assert found["glasnost-agent.socket"]["Socket"]["ListenStream"] == "%t/glasnost/port.sock"
    assert found["glasnost-broker.service"]["Unit"]["After"] == "glasnost-agent.service"


def printed(shell: Shell) -> dict[str, str]:
    """The system's units of all daemons, on port 4711."""
    found: dict[str, str] = {}
    for roles in (["up"], [role for role in ROLES if role != "up"]):
        for part in shell.run("systemd", "print", *roles, GLASNOST_PORT="4711").out.split("# ")[1:]:
            name, _, text = part.partition("\n")
            found[name] = text
    return found


def test_the_systems_units_are_hardened_and_one_user_s(fresh: Shell) -> None:
    found = printed(fresh)
    for role in ROLES:
        text = found[f"glasnost-{role}.service"]
        for line in (
            "User=glasnost",
            "StateDirectory=glasnost",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "CapabilityBoundingSet=",
            "LimitNOFILE=1048576",
        ):
            assert f"\n{line}\n" in text, (role, line)
    for role in ("up", "agent"):
        assert "\nListenStream=0.0.0.0:4711\n" in found[f"glasnost-{role}.socket"]


def test_systemd_itself_finds_no_fault(fresh: Shell, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for name, text in printed(fresh).items():
        (tmp_path / name).write_text(text)
    names = [str(path) for path in tmp_path.glob("glasnost-*")]
    assert len(names) == len(ROLES) + 2
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True
    )
    complaints = [line for line in done.stderr.splitlines() if "glasnost" in line]
    assert complaints == []


def test_what_cannot_be_is_one_sentence(fresh: Shell) -> None:
    fresh.run("systemd", "print", "up", "agent").failed(2, "a host has one agent")
    fresh.run("systemd", "print", "agent", GLASNOST_PORT="0").failed(1, "port is 0")
    fresh.run("systemd", "print", "cook").failed(2, "'cook' is not one of")


# --- as systemd would -----------------------------------------------------------------------------


class Manager:
    """What systemd is to an agent: it holds the port, and is told how it goes."""

    def __init__(self, shell: Shell, listener: socket.socket) -> None:
        self.shell, self.listener = shell, listener
        self.path = shell.home / "notify"
        self.hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.hears.bind(str(self.path))
        self.hears.settimeout(30)

    def start(self) -> Running:
        """Start the agent with the listener as descriptor 3, and wait until it says READY."""
        number = self.listener.fileno()
        line = f'exec 3<&{number} {number}<&-; LISTEN_PID=$$ exec "$@"'
        environment = self.shell.complete(
            LISTEN_FDS="1",
            LISTEN_FDNAMES="glasnost",
            NOTIFY_SOCKET=str(self.path),
            WATCHDOG_USEC="30000000",
        )
        process = subprocess.Popen(
            ["bash", "-c", line, "agent", *GLASNOST, "agent"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[number],
            text=True,
        )
        running = Running(process, [])
        self.until("READY=1")
        return running

    def until(self, word: str) -> None:
        while word not in self.hears.recv(65536).decode().splitlines():
            pass

    @contextmanager
    def running(self) -> Iterator[Running]:
        agent = self.start()
        try:
            yield agent
        finally:
            self.stop(agent)

    def stop(self, agent: Running) -> None:
        if agent.process.poll() is None:
            agent.process.send_signal(signal.SIGTERM)
            self.until("STOPPING=1")
        if agent.process.stderr is not None:
            agent.lines += agent.process.stderr.readlines()
            agent.process.stderr.close()
        assert agent.process.wait(30) == 0, "".join(agent.lines)
        assert "Traceback" not in "".join(agent.lines), "".join(agent.lines)


@pytest.fixture
def manager(fresh: Shell) -> Iterator[Manager]:
    assert fresh.run("init", "--pool", "lab", "--name", "cm").status == 0
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        manager = Manager(fresh, listener)
        with manager.hears:
            yield manager


class Load:
    """Threads that call a plain service, one connection after the other, and count."""

    def __init__(self, port: int, threads: int = 4) -> None:
        self.port = port
        self.outcomes: Counter[str] = Counter()
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def reach(self, count: int) -> None:
        """Wait until so many connections are over."""
        rest = threading.Event()
        for _ in range(6000):
            if self.outcomes.total() >= count:
                return
            rest.wait(0.01)
        raise AssertionError(f"{self.outcomes} after a minute")

    def _work(self) -> None:
        while not self._enough.is_set():
            self.outcomes[self._call()] += 1

    def _call(self) -> str:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=40) as sock:
                sock.sendall(encode_call(Call(to="echo")) + b"hello")
                stream = sock.makefile("rb")
                answer = decode_answer(stream.read(body_size(stream.read(PREFIX_SIZE), ANSWER)))
                if answer.code:
                    return answer.code
                return "served" if stream.read(5) == b"hello" else "cut"
        except OSError as error:
            return type(error).__name__


def test_a_restart_under_load_loses_no_connection(manager: Manager, echo: int) -> None:
    """Twice: who calls meanwhile waits in the listener, which stays open; who calls before
    the service has returned waits for that."""
    shell, port = manager.shell, manager.listener.getsockname()[1]
    agent = manager.start()
    try:
        serving = shell.running(
            "expose", "echo", "--plain", "--to", f"127.0.0.1:{echo}", ready="is"
        )
        with serving, Load(port) as load:
            for restart in (1, 2):
                load.reach(restart * 100)
                manager.stop(agent)
                agent = manager.start()
            load.reach(load.outcomes.total() + 100)
        assert set(load.outcomes) == {"served"}, load.outcomes
        assert load.outcomes["served"] >= 300
    finally:
        manager.stop(agent)


def test_nobody_holds_the_agents_variables_or_its_sockets(manager: Manager) -> None:
    """Its environment is read by ``glasnost`` commands that it might start; and its listener is
    the manager's, which goes on with it."""
    with manager.running() as agent:
        manager.until("WATCHDOG=1")  # its loop turns, and says so
        status = manager.shell.run("status").out
        assert f"agent on port {manager.listener.getsockname()[1]}" in status
        descriptors = Path(f"/proc/{agent.process.pid}/fd")
        inode = os.fstat(manager.listener.fileno()).st_ino
        held = [os.readlink(one) for one in descriptors.iterdir()]
        assert held.count(f"socket:[{inode}]") == 1
    with socket.create_connection(manager.listener.getsockname(), timeout=20):
        pass


def test_what_it_cannot_take_is_one_sentence(fresh: Shell) -> None:
    assert fresh.run("init", "--pool", "lab", "--name", "cm").status == 0
    done = fresh.sh("exec 3</dev/null; LISTEN_PID=$BASHPID LISTEN_FDS=1 exec " + _words("agent"))
    assert done.status == 1
    said = "socket 1 of those passed to us (unnamed): Socket operation on non-socket"
    assert done.err == f"glasnost: error: {said}\n"


def _words(*words: str) -> str:
    import shlex

    return shlex.join([*GLASNOST, *words])
