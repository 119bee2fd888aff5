"""Servers that others wrote, started on hosts of a lab."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from glasnost.testing.lab import Host
from tests.lab.conftest import eventually

USER, PASSWORD = "ann", "secret7"
#: What the proxies that have rules do not let through.
FORBIDDEN = 7


def need(*programs: str) -> None:
    """Skip, by name, where one of them is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: tools/run --servers brings it")


def start(host: Host, port: int, *command: str, log: Path) -> None:
    """Start a server, and wait until it listens."""
    with log.open("w") as told:
        process = host.popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told)

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        with host.inside(), socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    assert eventually(listens), log.read_text()


_ECHO = """
import socketserver, sys
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, address_family = True, socketserver.socket.AF_INET6
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.request.recv(100))
Server(("", int(sys.argv[1])), Echo).serve_forever()
"""


def echo(host: Host, port: int, folder: Path) -> None:
    """Send back what comes first on each connection, by IPv4 and IPv6."""
    log = folder / f"echo-{host.name}.log"
    start(host, port, sys.executable, "-c", _ECHO, str(port), log=log)


def microsocks(host: Host, port: int, folder: Path, *options: str) -> None:
    log = folder / f"microsocks-{port}.log"
    start(host, port, "microsocks", "-i", "::", "-p", str(port), *options, log=log)


def danted(host: Host, port: int, folder: Path) -> None:
    config = folder / "danted.conf"
    config.write_text(
        f"""\
internal: 0.0.0.0 port = {port}
external: {host.legs[0].interface}
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: root
client pass {{ from: 0/0 to: 0/0 }}
socks block {{ from: 0/0 to: 0/0 port = {FORBIDDEN} }}
socks pass {{ from: 0/0 to: 0/0 }}
"""
    )
    start(host, port, "danted", "-f", str(config), log=folder / "danted.log")


def tinyproxy(host: Host, port: int, folder: Path, *lines: str) -> None:
    """With ``lines`` more in its configuration."""
    config = folder / f"tinyproxy-{port}.conf"
    config.write_text("\n".join([f"Port {port}", "MaxClients 50", *lines, ""]))
    start(host, port, "tinyproxy", "-d", "-c", str(config), log=folder / f"tinyproxy-{port}.log")
