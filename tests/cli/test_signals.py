"""Ctrl-C, kill, and what is left behind: every command ends in order, whenever it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Running, Shell
from tests.lab.conftest import eventually


def test_up_ends_in_order_and_takes_its_sockets_along(fresh: Shell) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        process = fresh.popen("up", "--name", "cm", "--port", "0")
        up = Running(process, [])
        up.until("and agent on port")
        assert (fresh.home / "run" / "agent.sock").exists()
        assert up.interrupt(number) == 0
        assert not list((fresh.home / "run").glob("*.sock"))


def test_up_ends_though_who_started_it_had_blocked_the_signal(fresh: Shell) -> None:
    """As HTCondor's master does for all its children."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        process = fresh.popen("up", "--name", "cm", "--port", "0")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    up = Running(process, [])
    up.until("and agent on port")
    assert up.interrupt(signal.SIGTERM) == 0
    assert not list((fresh.home / "run").glob("*.sock"))


def test_up_starts_over_dead_sockets(fresh: Shell) -> None:
    process = fresh.popen("up", "--name", "cm", "--port", "0")
    up = Running(process, [])
    up.until("and agent on port")
    up.interrupt(signal.SIGKILL)
    assert (fresh.home / "run" / "agent.sock").exists()
    fresh.run("ls").failed(1, "no agent runs on this host")
    with fresh.running("up", "--port", "0", ready="and agent on port"):
        fresh.until_listed("broker.cm")


#: Moments on the way, none of them before the first line of ours is reached: what a Python that
#: is told to stop while it starts says is its own.
MOMENTS: dict[str, Callable[[Shell, int], object]] = {
    "it reads settings": lambda shell, pid: "msgspec" in _mapped(pid),
    "it makes a loop": lambda shell, pid: "uvloop" in _mapped(pid),
    "it has made a home": lambda shell, pid: list(shell.home.glob("*")),
}


def _mapped(pid: int) -> str:
    """The libraries that a process has loaded, among all that is in its memory."""
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("moment", MOMENTS)
def test_up_can_be_stopped_while_it_starts(fresh: Shell, moment: str) -> None:
    process = fresh.popen("up", "--name", "cm", "--port", "0")
    assert eventually(lambda: process.poll() is None and bool(MOMENTS[moment](fresh, process.pid)))
    status = Running(process, []).interrupt()
    assert status in (0, 130, -signal.SIGINT)
    assert not list(fresh.home.glob("run/*.sock"))


def test_what_waits_for_an_agent_can_be_stopped(fresh: Shell) -> None:
    process = fresh.popen("broker")
    time.sleep(0.8)  # it waits for a minute
    assert Running(process, []).interrupt() == 130


@pytest.mark.parametrize("words", [["connect", "echo.cm"], ["connect", "--", "echo.cm"]])
def test_connect_can_be_stopped(host: Shell, echo: int, words: list[str]) -> None:
    with host.running("expose", "echo", "--to", str(echo), ready="echo.cm."):
        process = host.popen(*words, stdin=subprocess.PIPE)
        connecting = Running(process, [])
        assert process.stdin is not None
        process.stdin.write("connected\n")
        process.stdin.flush()
        connecting.until("connected")
        assert connecting.interrupt() == 130
        process.stdin.close()


def test_connect_without_an_agent_is_not_tried_where_the_directory_is_its_own(
    fresh: Shell,
) -> None:
    assert fresh.run("init", "--name", "cm").status == 0
    fresh.run("connect", "web.cm").failed(1, "no agent runs on this host")


def test_a_stranger_cannot_use_somebodys_home(fresh: Shell) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a stranger")
    assert fresh.run("init", "--name", "cm").status == 0
    stranger = ["setpriv", "--reuid", "65534", "--clear-groups"]
    reading = [*stranger, "cat", str(fresh.home / "node.key")]
    assert subprocess.run(reading, capture_output=True).returncode != 0
