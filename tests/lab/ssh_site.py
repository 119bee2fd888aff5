"""A lab with SSH servers: a client, a gate, a second gate behind it, and a host that answers."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from glasnost.core.routes import Path as Way
from glasnost.settings import Settings, SshSetting
from glasnost.stages import Means
from glasnost.stages.walk import walk
from glasnost.testing.contracts import path
from glasnost.testing.lab import Lab
from tests.lab import servers
from tests.lab.conftest import eventually
from tests.lab.sshd import Keys, sshd
from tests.stages.crossing import ssh_clients

#: Where somebody listens who sends back what he gets, and where nobody does.
ECHO, NOBODY = 9000, 9001
#: Servers of the gate: one as it comes, one that leads nowhere, one that leads to one place.
OPEN, CLOSED, NARROW, SOCKS = 22, 2201, 2202, 1080

Scenario = Callable[[socket.socket], Awaitable[bytes]]


class Site:
    """A client, a gate with an SSH server, another behind it, and a host that answers."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        names = ("client", "gate", "second", "target")
        self.client, self.gate, self.second, self.target = map(lab.host, names)
        self.folder = folder
        lab.up()
        self.keys = keys = Keys(folder)
        sshd(self.gate, OPEN, keys)
        sshd(self.gate, CLOSED, keys, "AllowTcpForwarding no", "AllowStreamLocalForwarding no")
        banner = folder / "banner"
        banner.write_text("Permission denied (you).\n" * 5000)
        sshd(self.gate, NARROW, keys, f"Banner {banner}", f"PermitOpen {self.target.ip4}:{ECHO}")
        sshd(self.second, OPEN, keys)
        for host in (self.gate, self.target):
            servers.echo(host, ECHO, folder)

    def login(self, **different: object) -> SshSetting:
        usual = {
            "user": "root",
            "identity": str(self.keys.folder / "user"),
            "known_hosts": self.keys.known("host"),
        }
        return SshSetting(**(usual | different))  # type: ignore[arg-type]

    def cross(
        self,
        to: str,
        login: SshSetting | None = None,
        *,
        via: str = "",
        port: int = OPEN,
        scenario: Scenario = servers.asks,
    ) -> bytes:
        """Do something on the stream to an origin behind the gate."""
        gate = f"ip4:{self.gate.ip4}:{port}/ssh:gate"
        on = path(f"public/{via}{gate}/{to}")
        return self.walk(on, login, scenario)

    def walk(
        self, on: Way, login: SshSetting | None = None, scenario: Scenario = servers.asks
    ) -> bytes:
        ssh = {"gate": login or self.login(), "second": self.login(host="gate")}
        means = Means(settings=Settings(ssh=ssh))

        async def main() -> bytes:
            with await walk(on, means) as sock:
                return await scenario(sock)

        with self.client.inside():
            return asyncio.run(main())


@pytest.fixture(scope="module")
def the_site(lab_reason: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    servers.need("sshd", "ssh", "ssh-keygen", "ssh-agent")
    with Lab() as lab:
        yield Site(lab, tmp_path_factory.mktemp("ssh"))


@pytest.fixture
def site(the_site: Site) -> Iterator[Site]:
    """Whatever a test does, no client is left, and no folder."""
    yield the_site
    assert eventually(lambda: not ssh_clients())
    left = [one for one in os.listdir("/tmp") if one.startswith(f"glasnost-ssh-{os.getpid()}-")]
    assert left == []
