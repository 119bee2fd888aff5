"""TLS for callers that block: the handshake on the loop, an `ssl.SSLSocket` in the end."""

from __future__ import annotations

import asyncio
import socket
import ssl

from glasnost.core.wire import header
from glasnost.errors import PathCut, ProtocolError, Refused, TrustError
from glasnost.net.exact import read_answer
from glasnost.net.tls import HANDSHAKE_TIMEOUT, tls_sentence


async def secure_blocking(
    sock: socket.socket, context: ssl.SSLContext, server_name: str
) -> ssl.SSLSocket:
    """Be the client on ``sock``, which is owned from here on; raises as `tls.secure` does. The
    caller still has to ask `let_in`."""
    secured = context.wrap_socket(sock, server_hostname=server_name, do_handshake_on_connect=False)
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT):
            await _shake_hands(secured)
    except BaseException:
        secured.close()
        raise
    return secured


def let_in(secured: ssl.SSLSocket) -> None:
    """Read the server's status, the first byte inside TLS. Raises `Refused`."""
    try:
        status = secured.recv(1)
        if status == header.ACCEPTED:
            return
        prefix = status + _receive(secured, header.PREFIX_SIZE - 1)
        body = _receive(secured, header.body_size(prefix, header.ANSWER))
        answer = header.decode_answer(body)
    except BaseException:
        secured.close()
        raise
    secured.close()
    raise Refused(answer.code or "refused", answer.why)


async def _shake_hands(secured: ssl.SSLSocket) -> None:
    first = True
    while True:
        try:
            secured.do_handshake()
            return
        except ssl.SSLWantReadError:
            await _readable(secured)
        except ssl.SSLError as error:
            raise TrustError(tls_sentence(error)) from None
        # Where the server's hello should come, a port may refuse in the clear instead. (An
        # SSLSocket peeks at nothing; the socket below it does.)
        if first and socket.socket.recv(secured, 1, socket.MSG_PEEK) == header.MAGIC[:1]:
            raw = socket.socket(fileno=secured.detach())
            raw.setblocking(False)
            with raw:
                await read_answer(raw)
                raise ProtocolError("the port accepts where a TLS server should answer")
        first = False


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock.fileno(), _done, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock.fileno())


def _done(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _receive(secured: ssl.SSLSocket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = secured.recv(size - len(data))
        if not chunk:
            raise PathCut("the service closed the connection before it let us in")
        data += chunk
    return data
