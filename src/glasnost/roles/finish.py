"""The last step of a connect: the endpoint accepts, and the raw stream becomes what it is.

A *sealed* endpoint accepts by the verified end of the TLS handshake, a *plain* one by its port's
short accept frame. Who knows nothing of us says nothing, and the connection is all there is.
"""

from __future__ import annotations

import socket

from glasnost.core.address import Address
from glasnost.core.wire.messages import Record
from glasnost.errors import Unavailable
from glasnost.net.blocking import secure_blocking
from glasnost.net.bridge import Stream
from glasnost.net.exact import read_answer
from glasnost.net.tls import secure
from glasnost.roles.dialler import ACCEPT
from glasnost.trust.credentials import Credentials


async def finish(sock: socket.socket, record: Record, credentials: Credentials) -> Stream:
    """Own ``sock``; give the stream that the record's protection makes of it."""
    if record.protection != "plain":
        return await secure(sock, credentials.client_context(), server_name=record.name)
    return await _plain(sock, record)


def deed(record: Record) -> str:
    """What that is, in a word or two."""
    return ACCEPT if record.protection == "plain" else "TLS handshake"


async def finish_blocking(
    sock: socket.socket, record: Record, credentials: Credentials
) -> socket.socket:
    """The same for a caller that will block: the bare socket, or an `ssl.SSLSocket`."""
    if record.protection == "plain":
        return await _plain(sock, record)
    return await secure_blocking(sock, credentials.client_context(), record.name)


def accepts(address: Address) -> bool:
    """Whether what is at the end of an address says in a frame that it has accepted, as a shared
    port of ours does. Where nothing answers, the connection itself has to do. Raises
    `Unavailable` where some routes end so and some do not: nobody could tell which it was."""
    ends = {route.stages[-1].kind == "service" for route in address}
    if len(ends) > 1:
        raise Unavailable(
            f"some routes of {address} end at a service and some do not: give one sort"
        )
    return ends == {True}


async def _plain(sock: socket.socket, record: Record) -> socket.socket:
    try:
        if accepts(Address.parse(record.address)):
            await read_answer(sock)
    except BaseException:
        sock.close()
        raise
    return sock
