"""One `glasnost up` on this machine, and commands as a user types them.

Only this machine's own unix door is needed, so it works without any network, too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

GLASNOST = [sys.executable, "-c", "from glasnost.cli import main; main()"]


@dataclass
class Shell:
    """A place to type commands in. ``environment`` says where the host's things lie."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def at(self, home: Path, **more: str) -> Shell:
        """The same, as if on a host whose things lie in ``home``."""
        return Shell(home, more)

    def run(self, *words: str, stdin: str | None = "", **more: str) -> Done:
        """Type a command, and wait for its end."""
        done = subprocess.run(
            [*GLASNOST, *words],
            env=self.complete(**more),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=40,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def until_listed(self, *names: str) -> None:
        """Wait until all of these have been published."""
        deadline = time.monotonic() + PATIENCE
        while not all(name in (listed := self.run("ls").out) for name in names):
            assert time.monotonic() < deadline, listed

    def sh(self, script: str, **more: str) -> Done:
        """Type a line of sh, in which ``glasnost`` is our command."""
        line = f'glasnost() {{ "{sys.executable}" -c "{GLASNOST[2]}" "$@"; }}\n{script}'
        done = subprocess.run(
            ["bash", "-c", line],
            env=self.complete(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=40,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def popen(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Type a command that goes on."""
        return subprocess.Popen(
            [*GLASNOST, *words],
            env=self.complete(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @contextlib.contextmanager
    def running(self, *words: str, ready: str) -> Iterator[Running]:
        """A command that goes on, once it has printed ``ready``; ended with Ctrl-C."""
        process = self.popen(*words)
        running = Running(process, [])
        try:
            running.until(ready)
            yield running
        finally:
            running.interrupt()

    def complete(self, **more: str) -> dict[str, str]:
        """The environment of a command."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GLASNOST")}
        places = {"GLASNOST_HOME": str(self.home), "GLASNOST_RUN": str(self.home / "run")}
        return {**kept, **places, **self.environment, **more}


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    status: int
    out: str
    err: str

    def failed(self, status: int, *says: str) -> None:
        """It failed with one sentence (and perhaps a hint) that says this, and no answer."""
        assert (self.status, self.out) == (status, ""), self
        first, *rest = self.err.splitlines()
        assert first.startswith("glasnost: error: "), self
        assert all(line.startswith("glasnost: hint: ") for line in rest), self
        for text in says:
            assert text in self.err, self


@dataclass
class Running:
    """A command that goes on, and what it has printed so far."""

    process: subprocess.Popen[str]
    lines: list[str]

    def until(self, text: str) -> str:
        """Wait for a line with this text in it."""
        for line in self._lines():
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"it ended before it said {text!r}:\n{''.join(self.lines)}")

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """Ctrl-C; its status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.lines += self._lines()
        status = self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        assert "Traceback" not in "".join(self.lines), "".join(self.lines)
        return status

    def _lines(self) -> Iterator[str]:
        stream: IO[str] | None = self.process.stdout
        assert stream is not None
        # What says nothing more for so long hangs.
        guard = threading.Timer(30, self.process.kill)
        guard.start()
        try:
            while not stream.closed and (line := stream.readline()):
                yield line
        finally:
            guard.cancel()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name is short enough for sockets."""
    return tmp_path_factory.mktemp("cli")


#: What `up` serves itself. They are published in the moments after it says that it runs.
OWN_NAMES = ("authority.cm", "broker.cm", "directory.cm")
PATIENCE = 30.0


@pytest.fixture(scope="module")
def host(place: Path) -> Iterator[Shell]:
    """A host called ``cm`` on which `glasnost up` runs, and whose own names are published."""
    shell = Shell(place / "cm")
    with shell.running("up", "--name", "cm", "--port", "0", ready="and agent on port"):
        shell.until_listed(*OWN_NAMES)
        yield shell


@pytest.fixture
def fresh(tmp_path: Path) -> Shell:
    """A host on which nothing has been done yet."""
    return Shell(tmp_path / "new")


@pytest.fixture
def echo() -> Iterator[int]:
    """An ordinary TCP service on this machine that sends back what it gets; its port."""
    import socketserver

    class Echo(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while data := self.connection.recv(65536):
                self.connection.sendall(data)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
