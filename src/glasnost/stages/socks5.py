"""``socks5``: ask a SOCKS5 proxy to connect onward (RFC 1928; passwords: RFC 1929).

Written by hand, as every answer has to be read exactly: what stands behind the last one is the
stream's. Nothing is sent ahead of an answer; proxies are known that drop what comes too early.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final

from glasnost.core.routes.traits import Traits
from glasnost.errors import ProtocolError, Refused
from glasnost.net.exact import read_exactly
from glasnost.net.sockets import closed_on_error
from glasnost.stages.base import Kind, Step, no_login

_VERSION: Final = 5
_NO_LOGIN: Final = 0
_PASSWORD: Final = 2
#: RFC 1929's own version, and its only good answer.
_LOGIN_VERSION: Final = 1
_CONNECT: Final = 1
#: Kinds of address, and how long those of a fixed size are.
_IP4, _NAME, _IP6 = 1, 3, 4
_SIZES: Final = {_IP4: 4, _IP6: 16}
_PORT_SIZE: Final = 2
#: RFC 1928, section 6.
_REPLIES: Final = (
    "",
    "general failure",
    "not allowed by its rules",
    "network unreachable",
    "host unreachable",
    "connection refused",
    "TTL expired",
    "it does not connect",
    "it does not know this kind of address",
)


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Agree on how we log in, and do."""
    assert sock is not None, "a forward stage needs a stream"
    with closed_on_error(sock):
        login = step.login
        methods = bytes([_NO_LOGIN] if login is None else [_NO_LOGIN, _PASSWORD])
        await _send(sock, bytes([_VERSION, len(methods)]) + methods)
        chosen = await _answer(sock)
        if login is not None and chosen == _PASSWORD:
            user, password = (text.encode() for text in login)
            fields = bytes([len(user)]) + user + bytes([len(password)]) + password
            await _send(sock, bytes([_LOGIN_VERSION]) + fields)
            if (await read_exactly(sock, 2))[1]:
                raise no_login(login)
        elif chosen != _NO_LOGIN:
            raise no_login(login)
    return sock


async def onward(step: Step, sock: socket.socket) -> socket.socket:
    """Have the proxy connect to an origin."""
    host, port = step.stage.args
    with closed_on_error(sock):
        where = _address(step.stage.kind, host) + int(port).to_bytes(2, "big")
        await _send(sock, bytes([_VERSION, _CONNECT, 0]) + where)
        reply = await _answer(sock)
        _, kind = await read_exactly(sock, 2)
        # Where the proxy connects from: nothing that we need, but it stands before the stream.
        await read_exactly(sock, await _address_size(sock, kind) + _PORT_SIZE)
        if reply:
            says = _REPLIES[reply] if reply < len(_REPLIES) else f"reply {reply}"
            raise Refused("proxy", f"the proxy says: {says}")
    return sock


def _address(kind: str, host: str) -> bytes:
    """A destination as the request has it; a name is looked up by the proxy."""
    match kind:
        case "ip4":
            return bytes([_IP4]) + ipaddress.IPv4Address(host).packed
        case "ip6":
            return bytes([_IP6]) + ipaddress.IPv6Address(host).packed
        case _:
            name = host.encode("ascii")
            return bytes([_NAME, len(name)]) + name


async def _address_size(sock: socket.socket, kind: int) -> int:
    """How long the address of this kind is that comes next."""
    if kind == _NAME:
        return (await read_exactly(sock, 1))[0]
    if kind not in _SIZES:
        raise ProtocolError(f"the proxy answers with an address of kind {kind}")
    return _SIZES[kind]


async def _answer(sock: socket.socket) -> int:
    """The second byte of an answer, behind the version."""
    version, word = await read_exactly(sock, 2)
    if version != _VERSION:
        raise ProtocolError(f"it does not answer like a SOCKS5 proxy: {version:02x} {word:02x}")
    return word


async def _send(sock: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, data)


SOCKS5 = Kind(
    Traits(role="forward", onward=frozenset({"ip4", "ip6", "dns"})), cross, "log in", onward
)
