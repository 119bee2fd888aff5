"""A host whose daemon has no descriptors left: everybody is told, and it recovers."""

from __future__ import annotations

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
        wait_for(lambda: opened(process) == opened(process))
        before, threads = opened(process), len(os.listdir(f"/proc/{process}/task"))
        soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (before + 12, hard))

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
        assert len(os.listdir(f"/proc/{process}/task")) == threads
        resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))
    assert len([line for line in up.lines if "callers are refused" in line]) == 1


def door(home: Path, said: bytes) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    sock.connect(str(home / "run" / "port.sock"))
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
