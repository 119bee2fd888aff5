"""Without descriptors: everybody is told, nothing else is lost, and it recovers."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path

from glasnost.core.wire.header import PREFIX_SIZE, Answer, Call, decode_answer, encode_call
from tests.cli.conftest import PATIENCE, Shell

CALL = encode_call(Call(to="nobody"))


def test_without_descriptors_everybody_is_told_and_then_served_again(tmp_path: Path) -> None:
    host = Shell(tmp_path / "cm")
    with host.running("up", "--name", "cm", "--port", "0", ready="and agent on port") as up:
        wait_for(lambda: all(name in host.run("ls").out for name in ("broker.cm", "authority.cm")))
        process = up.process.pid
        assert ask(host.home) == "no-service"
        before, tasks = opened(process), tasks_of(host)
        usual = limit(process, lowest_free(process) + 8)

        # Callers that have not said whom they call hold a descriptor each.
        callers = [door(host.home, CALL[:1]) for _ in range(40)]
        refused = answer(callers[-1])
        assert (refused.code, refused.why) == ("busy", "this host has no descriptors left")
        said = host.run("ls")
        said.failed(1, "this agent has no descriptors left")

        for each in callers:
            each.close()
        wait_for(lambda: opened(process) <= before)
        assert ask(host.home) == "no-service"
        assert "broker.cm" in host.run("ls").out
        wait_for(lambda: tasks_of(host) <= tasks)
        limit(process, usual)
    assert len([line for line in up.lines if "callers are refused" in line]) == 1


def test_a_service_without_descriptors_loses_a_caller_and_not_its_name(
    host: Shell, echo: int
) -> None:
    words = ("expose", "starving", "--to", f"127.0.0.1:{echo}")
    with host.running(*words, ready="starving.cm.") as exposing:
        process = exposing.process.pid
        assert host.run("connect", "starving.cm", stdin="before\n").out == "before\n"
        before = opened(process)
        usual = limit(process, lowest_free(process))
        lost = host.run("connect", "starving.cm", stdin="meanwhile\n")
        assert (lost.status, lost.out) == (1, ""), lost
        exposing.until("no descriptors are left: a connection to us was lost")
        assert "starving.cm" in host.run("ls").out
        limit(process, usual)
        assert host.run("connect", "starving.cm", stdin="after\n").out == "after\n"
        wait_for(lambda: opened(process) <= before)


def limit(process: int, descriptors: int) -> int:
    """How many a process may have; how many it might before."""
    soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (descriptors, hard))
    return soft


def lowest_free(process: int) -> int:
    """What the next descriptor would be called: with this as its limit, there is none."""
    taken = set(map(int, os.listdir(f"/proc/{process}/fd")))
    return next(number for number in range(len(taken) + 1) if number not in taken)


def tasks_of(host: Shell) -> int:
    return int(json.loads(host.run("status", "--json").out)["tasks"])


def door(home: Path, said: bytes) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    sock.connect(str(home / "run" / "port.sock"))
    with contextlib.suppress(BrokenPipeError):  # who is refused may be told before it has spoken
        sock.send(said)
    return sock


def answer(sock: socket.socket) -> Answer:
    said = b""
    with sock:
        while data := sock.recv(1000):
            said += data
    return decode_answer(said[PREFIX_SIZE:])


def ask(home: Path) -> str:
    return answer(door(home, CALL)).code


def opened(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
