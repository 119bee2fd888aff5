"""Settings that change while an agent runs: by `glasnost reload`, by SIGHUP, and by mistake."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.cli.conftest import GLASNOST, PATIENCE, Running, Shell


@pytest.fixture
def up(fresh: Shell) -> Iterator[Running]:
    with fresh.running("up", "--name", "cm", "--port", "0", ready="and agent on port") as running:
        fresh.until_listed("broker.cm")
        yield running


def write(shell: Shell, text: str) -> None:
    (shell.home / "glasnost.toml").write_text(text)


def test_what_has_changed_is_told_and_what_waits_for_a_restart(
    fresh: Shell, up: Running, echo: int
) -> None:
    """A connection that exists goes on meanwhile."""
    with fresh.running("expose", "echo", "--to", str(echo), ready="echo.cm."):
        process = fresh.popen("connect", "echo.cm", stdin=subprocess.PIPE)
        connected = Running(process, [])
        assert process.stdin is not None
        process.stdin.write("before\n")
        process.stdin.flush()
        connected.until("before")
        write(fresh, 'prefer = ["fast"]\nlog = "json"\nrelay = false\n')
        done = fresh.run("reload")
        assert (done.status, done.out) == (0, "changed: prefer, relay\n")
        assert "only from the agent's next start on: log" in done.err
        process.stdin.write("after\n")
        process.stdin.flush()
        connected.until("after")
        process.stdin.close()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
    assert fresh.run("reload").out == "nothing has changed\n"


BROKEN = [
    ("no TOML", "prefer = [", "glasnost.toml"),
    ("no such setting", "preffer = []", "preffer"),
    ("what this host cannot do", 'advertise = ["10.1.2.3"]', "on which network is it?"),
]


def test_a_broken_file_leaves_everything_as_it_was(fresh: Shell, up: Running) -> None:
    write(fresh, 'prefer = ["fast"]')
    assert fresh.run("reload").status == 0
    for _, text, says in BROKEN:
        write(fresh, text)
        # What reads them for itself says so of itself: only the agent is asked here.
        other = fresh.home / "none.toml"
        other.write_text("")
        fresh.run("reload", GLASNOST_CONFIG=str(other)).failed(1, says)
    write(fresh, 'prefer = ["fast"]')
    assert fresh.run("reload").out == "nothing has changed\n"


def test_without_a_terminal_a_hangup_has_them_read_again(fresh: Shell, up: Running) -> None:
    write(fresh, 'avoid = ["slow"]')
    up.process.send_signal(signal.SIGHUP)
    up.until("the settings were read again: changed: avoid")
    write(fresh, "avoid = 7")
    up.process.send_signal(signal.SIGHUP)
    up.until("the settings stay as they were: ")
    write(fresh, "")
    assert fresh.run("ls").status == 0


def test_the_doctor_knows_when_they_were_read(fresh: Shell, up: Running) -> None:
    write(fresh, 'avoid = ["slow"]')
    changed = "was changed after the agent had read it"
    assert changed in fresh.run("doctor").out
    assert fresh.run("reload").status == 0
    assert changed not in fresh.run("doctor").out


def test_a_terminal_that_is_closed_ends_it(fresh: Shell) -> None:
    import fcntl
    import os
    import termios

    outer, inner = os.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(inner, termios.TIOCSCTTY, 0)

    log = fresh.home.parent / "up.log"
    with log.open("w") as told:
        process = subprocess.Popen(
            [*GLASNOST, "up", "--name", "cm", "--port", "0"],
            env=fresh.complete(),
            stdin=inner,
            stdout=told,
            stderr=told,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
    os.close(inner)
    try:
        until(lambda: "and agent on port" in log.read_text())
        os.close(outer)
        assert process.wait(20) == 0
        assert not list((fresh.home / "run").glob("*.sock"))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
