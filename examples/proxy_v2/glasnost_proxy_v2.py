"""``proxy-v2`` and ``proxy-v2:NAME``: say who calls, by version 2 of the PROXY protocol.

One header in front of the stream, and nothing is awaited: there is no answer. It has the addresses
of the connection as they are here, and the name that is wanted, if the stage has one. The protocol:
https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final

from glasnost.core.address import Stage
from glasnost.core.routes.traits import Traits
from glasnost.net.sockets import closed_on_error
from glasnost.stages.base import Kind, Step

#: No protocol begins like this by accident.
_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
#: Version 2, and the command "proxy": the addresses are those of the caller.
_VERSION_COMMAND: Final = b"\x21"
_TCP4, _TCP6, _UNKNOWN = b"\x11", b"\x21", b"\x00"
#: The field for the name that is wanted, and the longest that a front need take.
_AUTHORITY: Final = b"\x02"
_MAX_NAME: Final = 255


def header(ours: object, theirs: object, name: str = "") -> bytes:
    """What is said of a connection between two addresses, as a socket has them.

    >>> header(("192.0.2.1", 80), ("192.0.2.2", 81))[12:].hex(" ")
    '21 11 00 0c c0 00 02 01 c0 00 02 02 00 50 00 51'
    """
    family, addresses = _addresses(ours, theirs)
    field = _AUTHORITY + _counted(name.encode()) if name else b""
    return _SIGNATURE + _VERSION_COMMAND + family + _counted(addresses + field)


def _addresses(ours: object, theirs: object) -> tuple[bytes, bytes]:
    match ours, theirs:
        case (str(source), int(port), *_), (str(target), int(other), *_):
            hosts = [ipaddress.ip_address(host.partition("%")[0]) for host in (source, target)]
            family = _TCP4 if hosts[0].version == 4 else _TCP6
            ports = port.to_bytes(2, "big") + other.to_bytes(2, "big")
            return family, hosts[0].packed + hosts[1].packed + ports
        case _:  # a unix socket, or what a stage such as tls carries
            return _UNKNOWN, b""


def _counted(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def check(stage: Stage) -> str | None:
    """Addresses know nothing of our arguments, so we look at them."""
    if len(stage.args) > 1:
        return "it has one argument at most, the name that is wanted"
    if stage.args and len(stage.args[0].encode()) > _MAX_NAME:
        return f"the name that is wanted has more than {_MAX_NAME} bytes"
    return None


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Write the header."""
    assert sock is not None, "a forward stage needs a stream"
    with closed_on_error(sock):
        said = header(sock.getsockname(), sock.getpeername(), *step.stage.args)
        await asyncio.get_running_loop().sock_sendall(sock, said)
    return sock


PROXY_V2 = Kind(Traits("forward", check=check), cross, "say who calls")
