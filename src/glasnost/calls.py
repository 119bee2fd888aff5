"""The library's calls, shaped like asyncio's own: connect to names and addresses, serve names.

Each is a `Node` used once. What is connected to may be an address instead of a name
(by_address.py): that needs no node, and a node serves where there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

from glasnost.by_address import is_address, open_address, plan_address
from glasnost.core.protocols.views import News
from glasnost.core.routes import Plan
from glasnost.net.blocking import let_in
from glasnost.net.bridge import Stream, dispose
from glasnost.net.loops import run_apart
from glasnost.net.streams import LIMIT, streams
from glasnost.net.tls import TlsTransport
from glasnost.node import Node, standing
from glasnost.roles.dialler import CONNECT_TIMEOUT
from glasnost.roles.finish import finish_blocking
from glasnost.roles.server import Server
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import Identity

#: What `start_server` calls for each caller, as `asyncio.start_server` does.
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


async def open_connection(
    name: str, *, limit: int = LIMIT, timeout: float = CONNECT_TIMEOUT
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a name, as `asyncio.open_connection` does to an address.

    A sealed service that refuses us by its policy says so when it is first read from: the
    reader raises `Refused` with its reason.

    ``name`` may also be an address (``public/ip4:192.0.2.1:9618/...``), or one of HTCondor's
    (``<192.0.2.1:9618?sock=...>``): it is opened as a plain stream, and who answers is not
    verified.
    """
    stream: Stream | None = None
    try:
        if is_address(name):
            async with standing() as here:
                stream = (await open_address(name, here, timeout)).result
        else:
            async with Node() as node:
                stream = (await node.connect(name, timeout)).result
        return await streams(stream, limit)
    except BaseException:
        if stream is not None:
            dispose(stream)
        raise


async def start_server(
    handler: Handler,
    name: str,
    *,
    limit: int = LIMIT,
    protection: str = "sealed",
    relay: str = "sealed",
    labels: Mapping[str, str] | None = None,
) -> Server:
    """Serve under a name, as `asyncio.start_server` does on an address.

    ``writer.get_extra_info("identity")`` says who the caller is (`trust.identity.Identity`); None
    where the service is declared plain.
    """

    async def as_pair(stream: Stream, identity: Identity | None) -> None:
        if isinstance(stream, TlsTransport):
            stream.extra["identity"] = identity
        reader, writer = await streams(stream, limit)
        try:
            answer = handler(reader, writer)
            if answer is not None:
                await answer
        except BaseException:
            writer.transport.abort()  # so that the caller does not wait for a dead handler
            raise

    node = Node()
    await node.open()
    try:
        return await node.serve(
            as_pair,
            name,
            protection=protection,
            relay=relay,
            labels=labels,
            on_close=node.close,
        )
    except BaseException:
        await node.close()
        raise


def create_connection(name: str, timeout: float | None = None) -> socket.socket:
    """Connect to a name and block; an `ssl.SSLSocket`, or the bare socket of a plain service and
    of what is given by its address.

    ``timeout`` seconds hold for connecting and stay set on the socket, as with
    `socket.create_connection`.
    """
    sock = run_apart(_create(name, CONNECT_TIMEOUT if timeout is None else timeout))
    sock.settimeout(timeout)
    if isinstance(sock, ssl.SSLSocket):
        let_in(sock)
    return sock


async def explain(name: str) -> Plan:
    """What would be tried to reach a name or an address, and why."""
    if is_address(name):
        async with standing() as here:
            return plan_address(name, here)
    async with Node() as node:
        return await node.explain(name)


async def watch(*terms: str, glob: str = "*") -> AsyncGenerator[News, None]:
    """What is there, and what changes: see `Node.watch`."""
    async with Node() as node, contextlib.aclosing(node.watch(*terms, glob=glob)) as news:
        async for one in news:
            yield one


async def _create(name: str, timeout: float) -> socket.socket:
    sock: socket.socket | None = None
    try:
        if is_address(name):
            async with standing() as here:
                sock = (await open_address(name, here, timeout)).result
        else:
            async with Node() as node:
                sock = await _blocking(node, name, timeout)
        return sock
    except BaseException:
        if sock is not None:
            sock.close()
        raise


async def _blocking(node: Node, name: str, timeout: float) -> socket.socket:
    record, left = await node.resolve(name, timeout)

    async def finish(sock: socket.socket, credentials: Credentials) -> socket.socket:
        return await finish_blocking(sock, record, credentials)

    return (await node.connect_record(record, finish, socket.socket.close, left)).result
