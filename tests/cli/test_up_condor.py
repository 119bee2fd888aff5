"""``glasnost up --condor``: what it prints is put into HTCondor's configuration as it is, and its
own bindings then find the pool, tell it something, and are told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import GLASNOST, Shell
from tests.condor.bindings import bindings

SCHEDD = {
    "MyType": "Scheduler",
    "Name": "s1@h",
    "Machine": "h",
    "MyAddress": "<192.0.2.1:9618?sock=s>",
    "CondorVersion": "$CondorVersion: 25.14.1 2026-09-24 BuildID: x $",
}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home", {"GLASNOST_LISTEN": "127.0.0.1 ::1"})


@contextmanager
def up(shell: Shell, *words: str) -> Iterator[Path]:
    """``glasnost up --condor`` until the block ends; what it answered."""
    answer = shell.home.parent / "answer"
    with answer.open("w") as out:
        process = subprocess.Popen(
            [*GLASNOST, "up", "--condor", *words],
            env=shell.complete(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if "key is in this process" in line:  # the last that is said
                break
        else:
            raise AssertionError("".join(said))
        yield answer
    finally:
        process.terminate()
        rest = process.stderr.read()
        process.stderr.close()
    assert process.wait(20) == 0
    assert "Traceback" not in rest


def put_token(shell: Shell, folder: Path) -> None:
    """As the printed comment says: what the command prints goes into a file for its owner."""
    token = shell.run("condor", "token", "create", "--identity", "condor@home")
    assert token.status == 0, token
    folder.mkdir(mode=0o700)
    (folder / "own").touch(0o600)
    (folder / "own").write_text(token.out)


def test_what_it_prints_makes_a_pool(shell: Shell, tmp_path: Path) -> None:
    """The printed lines stand in the bindings' configuration verbatim, behind the usual ones."""
    ask: list[list[Any]] = [
        ["advertise", None, [SCHEDD]],
        ["ask", None, "Schedd", "true", ["Name", "AuthenticatedIdentity"]],
        ["locate", None, "Schedd", "s1@h"],
        ["ask", None, "Collector", "true", ["Name", "MyAddress"]],
    ]
    with up(shell, "--port", "0", "--name", "cm") as answer:
        put_token(shell, tmp_path / "tokens.d")
        # An account of this machine would be nobody there.
        by_token = "\nSEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS\n"
        found = asyncio.run(bindings(tmp_path, {}, ask, answer.read_text() + by_token))
    told_so, schedds, located, collectors = found
    assert told_so == "advertised"
    assert schedds == [{"Name": "s1@h", "AuthenticatedIdentity": "condor@home"}]
    assert [ad["MyAddress"] for ad in located] == [SCHEDD["MyAddress"]]
    assert [ad["Name"].partition("@")[0] for ad in collectors] == ["Glasnost"]


def test_programs_get_json(shell: Shell) -> None:
    with up(shell, "--port", "0", "--name", "cm", "--json") as answer:
        told = json.loads(answer.read_text())
    assert told["name"] == "cm.home.glasnost.internal"
    assert told["roles"] == ["authority", "directory", "broker", "agent"]
    assert set(told["condor"]) == {"pool", "first", "behind", "here", "back"}
    assert str(told["port"]) in told["condor"]["pool"]["COLLECTOR_HOST"]


def test_the_same_lines_are_printed_at_any_time(shell: Shell) -> None:
    with up(shell, "--port", "0", "--name", "cm", "--json") as answer:
        told = json.loads(answer.read_text())
        port = str(told["port"])
        done = shell.run("condor", "config", "behind", "--port", port, "--json")
        assert json.loads(done.out) == {"behind": told["condor"]["behind"]}
        text = shell.run("condor", "config", "pool", "--port", port).out
    for name, value in told["condor"]["pool"].items():
        assert f"{name} = {value}\n" in text
    shell.run("condor", "config", "--port", "0").failed(1, "another at each start")


def test_a_host_that_has_joined_has_no_collector(shell: Shell) -> None:
    assert shell.run("init", "--name", "cm").status == 0
    (shell.home / "authority").rename(shell.home / "elsewhere")
    shell.run("up", "--condor", "--port", "0").failed(1, "joined another's pool")


@pytest.fixture
def another(tmp_path: Path) -> Iterator[int]:
    """The port of something that answers as each of HTCondor's daemons does."""
    frame = bytes.fromhex("0100000010") + b"0123456789abcdef"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock:
                        assert sock.recv(13) == bytes.fromhex("0100000008000000000000ea8d")
                        sock.sendall(frame)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_it_says_that_htcondor_has_the_port(shell: Shell, another: int) -> None:
    done = shell.run("up", "--condor", "--name", "cm", "--port", str(another))
    done.failed(1, "HTCondor's shared port or collector has port")


def test_a_port_that_somebody_else_has_is_nobody_of_htcondors(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = shell.run("up", "--condor", "--name", "cm", "--port", str(port))
    done.failed(1, "cannot listen", "choose another port")


def test_two_shared_ports_do_not_write_one_file(shell: Shell, tmp_path: Path, another: int) -> None:
    """The one that runs goes on; what one that has ended has left is nobody's."""
    path = tmp_path / "shared_port_ad"
    path.write_text(f'MyAddress = "<127.0.0.1:{another}?noUDP>"\nRequestsFailed = 0\n')
    (shell.home).mkdir(mode=0o700)
    (shell.home / "glasnost.toml").write_text(f'[condor]\nport_ad = "{path}"\n')
    done = shell.run("up", "--condor", "--name", "cm", "--port", "0")
    done.failed(1, f"HTCondor's shared port runs at 127.0.0.1:{another}")
    path.write_text('MyAddress = "<127.0.0.1:1?noUDP>"\n')
    with up(shell, "--name", "cm", "--port", "0"):
        assert ":1?" not in path.read_text()
    assert not path.exists()
