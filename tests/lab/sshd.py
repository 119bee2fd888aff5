"""OpenSSH's server on hosts of a lab, and the keys that it and its callers have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from glasnost.testing.lab import Host
from tests.lab.servers import start


class Keys:
    """A host's key and a user's, and one that nobody knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("host", "user", "other"):
            command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
            subprocess.run(command, check=True)

    def public(self, name: str) -> str:
        """A public key as settings have it, and ``known_hosts`` behind a name."""
        return " ".join((self.folder / f"{name}.pub").read_text().split()[:2])

    def known(self, name: str, host: str = "gate") -> str:
        """A file that says which key a host has."""
        path = self.folder / f"known_hosts-{name}-{host}"
        path.write_text(f"{host} {self.public(name)}\n")
        return str(path)


def sshd(host: Host, port: int, keys: Keys, *lines: str) -> None:
    """OpenSSH's server, with ``lines`` first in its configuration. Whoever holds our key logs in.

    It wants a user and a folder of its own, as its package would make when it is installed: here
    they are made for it alone, in a mount namespace.
    """
    if Path("/proc/self/uid_map").read_text().split()[2] == "1":
        pytest.skip("sshd changes to a user of its own, and there is one user here")
    folder = keys.folder
    passwd = folder / "passwd"
    passwd.write_text(
        f"{Path('/etc/passwd').read_text()}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"
    )
    config = folder / f"sshd-{host.name}-{port}.conf"
    always = [
        *("UsePAM no", "StrictModes no", "PidFile none", "UseDNS no"),
        f"Port {port}",
        f"HostKey {keys.folder / 'host'}",
        f"AuthorizedKeysFile {keys.folder / 'user.pub'}",
    ]
    config.write_text("\n".join([*lines, *always, ""]))
    steps = [
        f"mount --bind {passwd} /etc/passwd",
        "mount -t tmpfs none /run",
        "mkdir /run/sshd",
        f"exec {shutil.which('sshd')} -D -e -f {config}",
    ]
    log = folder / f"sshd-{host.name}-{port}.log"
    start(host, port, "unshare", "--mount", "sh", "-c", " && ".join(steps), log=log)
