"""A pool in a lab: hosts, their daemons as processes of their own, services, clients.

Also what lab tests build their pools with.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from glasnost.errors import GlasnostError
from glasnost.testing.census import Census, take_census
from glasnost.testing.lab import Host, Lab
from glasnost.testing.load import Spec
from glasnost.testing.traffic import Traffic

#: Every address of the lab's internet, which RFC 5737 and RFC 3849 set aside for examples: here,
#: they are the public network.
PUBLIC = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
#: Seconds within which daemons and services must be up on a machine that does other things too.
PATIENCE = 60.0
#: So many looks in which nothing changes are rest.
AT_REST = 10


class WorldError(GlasnostError):
    """The pool could not be built, or something in it died."""


class World:
    """A lab with a pool in it. ``with World(lab) as world: ...``

    ``settings`` are lines of TOML that stand in every host's settings; ``variables`` are in the
    environment of all that runs on the host that they are kept for; ``patience`` is how many
    seconds `wait_for` waits.
    """

    def __init__(self, lab: Lab, settings: str = "", patience: float = PATIENCE) -> None:
        self.lab, self.patience = lab, patience
        self.settings = settings
        self.variables: dict[str, dict[str, str]] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="gn-"))
        self.processes: dict[tuple[str, str], subprocess.Popen[str]] = {}
        self._restarts: dict[tuple[str, str], Callable[[], object]] = {}

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process that was started here, and remove every file."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- hosts and daemons ----------------------------------------------------------------------

    def found(self, host: Host, *networks: str) -> None:
        """Make the pool, with ``host`` as its first node."""
        self._home(host, networks)
        names = [word for name in networks for word in ("--network", name)]
        self.glasnost(host, "init", "--pool", "demo", "--name", host.name, *names)

    def set(self, host: Host, *lines: str, tables: str = "") -> None:
        """More in the settings of one host, which its processes read when they start."""
        path = self.folder / host.name / "glasnost.toml"
        path.write_text("\n".join([*lines, path.read_text(), tables]))

    def join(self, first: Host, hosts: Sequence[Host], networks: dict[str, Sequence[str]]) -> None:
        """Let ``hosts`` join, each with a token from ``first``, where the authority runs."""
        waiting = []
        for host in hosts:
            self._home(host, networks.get(host.name, ()))
            names = [f"--network={name}" for name in networks.get(host.name, ())]
            command = self.command("token", "create", "--node", host.name, *names)
            waiting.append(first.popen(command, **self._options(first, subprocess.PIPE)))
        tokens = [_output(process) for process in waiting]
        joining = []
        for host, token in zip(hosts, tokens, strict=True):
            options = self._options(host, subprocess.PIPE) | {"stdin": subprocess.PIPE}
            process = host.popen(self.command("join"), **options)
            assert process.stdin is not None
            process.stdin.write(token)
            process.stdin.close()
            process.stdin = None  # or communicate() flushes what is closed
            joining.append(process)
        for process in joining:
            _output(process)

    def start(self, host: Host, role: str, *options: str) -> subprocess.Popen[str]:
        """Start one daemon on ``host``; its log is kept in a file."""
        self._restarts[host.name, role] = lambda: self.start(host, role, *options)
        return self._spawn(host, role, self.command(role, *options))

    def serve(self, host: Host, name: str, *options: str) -> None:
        """Start a service as a process of its own, and wait until it is registered."""
        label = f"service-{name}"
        self._restarts[host.name, label] = lambda: self.serve(host, name, *options)
        command = [sys.executable, "-m", "glasnost.testing.peer", "serve", name, *options]
        process = self._spawn(host, label, command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("ready"):
            raise WorldError(f"service {name} on {host.name} did not start:\n{self.log(host)}")

    def load(self, host: Host, **spec: Any) -> Traffic:
        """Keep the pool busy from ``host`` (`load.Spec`) until the `Traffic` is stopped."""
        encoded = msgspec.json.encode(Spec(**spec)).decode()
        command = [sys.executable, "-m", "glasnost.testing.load", encoded]
        label = f"load-{sum(key.startswith('load') for _, key in self.processes)}"
        process = self._spawn(host, label, command, subprocess.PIPE, subprocess.PIPE)
        traffic = Traffic(process, lambda: self.processes.pop((host.name, label)))
        self.wait_for(f"traffic from {host.name}", traffic.flows)
        return traffic

    def kill(self, host: Host, *roles: str) -> None:
        """kill -9, all in one moment, and wait until they are gone."""
        killed = [self.processes.pop((host.name, role)) for role in roles]
        for process in killed:
            process.kill()
        for process in killed:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def restart(self, host: Host, *roles: str) -> None:
        """Start again what was killed, as it was started before."""
        for role in roles:
            self._restarts[host.name, role]()

    def census(self) -> Census:
        """What the pool holds at this moment."""
        return take_census(self.processes, {name: self._run(name) for name in self._homes()})

    def census_at_rest(self) -> Census:
        """What the pool holds when nothing changes any more."""
        seen: list[Census] = []

        def at_rest() -> bool:
            seen.append(self.census())
            held = [(one.descriptors, one.tasks, one.files) for one in seen[-AT_REST:]]
            return len(held) == AT_REST and all(one == held[0] for one in held)

        self.wait_for("a pool at rest", at_rest)
        return seen[-1]

    def wait_until_nothing_grew(self, before: Census) -> None:
        """Wait until no process holds more than it did; `WorldError` says what went on growing."""
        try:
            self.wait_for("what was held before", lambda: not self.census().more_than(before))
        except WorldError as error:
            more = "; ".join(self.census().more_than(before))
            raise WorldError(f"{error}: {more}") from None

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until something holds; `WorldError` says what never did."""
        deadline = time.monotonic() + self.patience
        while not condition():
            for (host, label), process in self.processes.items():
                if process.poll() is not None:
                    log = (self.folder / host / f"{label}.log").read_text()
                    raise WorldError(f"{what}: {label} on {host} has ended\n{log}")
            if time.monotonic() > deadline:
                raise WorldError(f"{what}: not within {self.patience:.0f} s")
            time.sleep(0.05)

    def wait_for_agents(self, hosts: Iterable[Host]) -> None:
        """Wait until each host's agent answers."""
        for host in hosts:
            socket = self._run(host.name) / "agent.sock"
            self.wait_for(f"the agent of {host.name}", socket.exists)

    def wait_for_names(
        self, host: Host, names: Iterable[str], brokered: Iterable[str] = ()
    ) -> None:
        """Wait until the directory, asked from ``host``, has these; ``brokered`` ones with a route
        through a broker."""

        def all_there() -> bool:
            listing = self.glasnost(host, "ls", "--json", check=False)
            found = json.loads(listing or "[]")
            addresses = {".".join(one["name"].split(".")[:2]): one["address"] for one in found}
            return set(names) <= set(addresses) and all(
                "/ccb:" in addresses.get(name, "") for name in brokered
            )

        self.wait_for(f"names {', '.join(names)} in the directory", all_there)

    # --- commands -------------------------------------------------------------------------------

    def glasnost(self, host: Host, *arguments: str, check: bool = True) -> str:
        """Run one command on ``host``; what it printed."""
        options = self._options(host, subprocess.PIPE)
        process = host.run(self.command(*arguments), timeout=PATIENCE, **options)
        if check and process.returncode:
            raise WorldError(f"{host.name}: glasnost {' '.join(arguments)}: {process.stderr}")
        return str(process.stdout)

    def fetch(self, host: Host, name: str, size: int) -> dict[str, Any]:
        """Connect from ``host`` to a service, and transfer ``size`` bytes each way, checked."""
        command = [sys.executable, "-m", "glasnost.testing.peer", "fetch", name, str(size)]
        process = host.run(command, timeout=PATIENCE, **self._options(host, subprocess.PIPE))
        if process.returncode:
            return {"ok": False, "error": process.stderr.strip(), "tried": []}
        answer: dict[str, Any] = json.loads(process.stdout)
        return answer

    @staticmethod
    def command(*arguments: str) -> list[str]:
        """The command line of ``glasnost``, as this Python has it."""
        return [sys.executable, "-c", "from glasnost.cli import main; main()", *arguments]

    def environment(self, host: Host) -> dict[str, str]:
        """What a process on ``host`` is told of where its own things lie."""
        home = self.folder / host.name
        # A proxy of this machine's is none in the lab.
        ours = re.compile(r"GLASNOST.*|\w+_PROXY", re.IGNORECASE)
        kept = {key: value for key, value in os.environ.items() if not ours.fullmatch(key)}
        places = {"GLASNOST_HOME": str(home), "GLASNOST_RUN": str(self._run(host.name))}
        return kept | places | self.variables.get(host.name, {})

    def log(self, host: Host) -> str:
        """Everything that the processes of ``host`` have said."""
        logs = sorted((self.folder / host.name).glob("*.log"))
        return "\n".join(f"--- {log.stem}\n{log.read_text()}" for log in logs)

    def _run(self, host: str) -> Path:
        return self.folder / host / "run"

    def _homes(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def _home(self, host: Host, networks: Iterable[str]) -> None:
        home = self.folder / host.name
        home.mkdir(mode=0o700)
        ranges = ", ".join(f'"{one}"' for one in PUBLIC)
        (home / "glasnost.toml").write_text(
            f'{self.settings}\n[[networks]]\nname = "public"\nranges = [{ranges}]\n'
        )

    def _options(self, host: Host, stdout: int | None) -> dict[str, Any]:
        return {
            "env": self.environment(host),
            "stdin": subprocess.DEVNULL,
            "stdout": stdout,
            "stderr": subprocess.PIPE,
            "text": True,
        }

    def _spawn(
        self,
        host: Host,
        label: str,
        command: Sequence[str],
        stdout: int | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[str]:
        with open(self.folder / host.name / f"{label}.log", "a") as log:
            options = self._options(host, stdout) | {"stderr": log, "stdin": stdin}
            if stdout is None:
                options["stdout"] = log
            process = host.popen(command, **options)
        self.processes[host.name, label] = process
        return process


def _output(process: subprocess.Popen[str]) -> str:
    out, problem = process.communicate(timeout=PATIENCE)
    if process.returncode:
        raise WorldError(problem.strip())
    return out
