"""TLS for callers that block: the handshake on the loop, an `ssl.SSLSocket` in the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

from glasnost.core.wire import header
from glasnost.errors import PathCut, ProtocolError, Refused, TrustError
from glasnost.net.tls import HANDSHAKE_TIMEOUT
from glasnost.net.tls_engine import tls_sentence


async def secure_blocking(
    sock: socket.socket, context: ssl.SSLContext, server_name: str
) -> ssl.SSLSocket:
    """Be the client on ``sock``, which is owned from here on; raises as `tls.secure` does. The
    caller still has to ask `let_in`."""
    try:
        sock.getpeername()  # a stream that is cut already would make `wrap_socket` lose its socket
        secured = context.wrap_socket(
            sock, server_hostname=server_name, do_handshake_on_connect=False
        )
    except BaseException:
        sock.close()  # nothing happens where it was taken over before that failed
        raise
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT):
            await _shake_hands(secured)
    except BaseException:
        secured.close()
        raise
    return secured


def let_in(secured: ssl.SSLSocket) -> None:
    """Read the server's status, the first byte inside TLS. Raises `Refused`, `TrustError` where
    the server does not believe us, `PathCut`, `ProtocolError`, or TimeoutError."""
    try:
        status = _receive(secured, 1)
        if status == header.ACCEPTED:
            return
        prefix = status + _receive(secured, header.PREFIX_SIZE - 1)
        body = _receive(secured, header.body_size(prefix, header.ANSWER))
        answer = header.decode_answer(body)
    except ssl.SSLError as error:
        secured.close()
        raise _judged(error) from None
    except BaseException:
        secured.close()
        raise
    secured.close()
    raise Refused(answer.code or "refused", answer.why)


async def _shake_hands(secured: ssl.SSLSocket) -> None:
    while True:
        try:
            secured.do_handshake()
            return
        except ssl.SSLWantReadError:
            await _readable(secured)
        except ssl.SSLError as error:
            if error.reason == "WRONG_VERSION_NUMBER":
                await _hear_refusal(secured)
            raise _judged(error) from None


async def _hear_refusal(secured: ssl.SSLSocket) -> None:
    """Where the server's hello should come, a port may refuse in the clear instead: raise that.

    It may come before our own hello has left, and an `ssl.SSLSocket` looks at nothing in advance.
    But OpenSSL reads exactly the five bytes in which a TLS record says what it is, and stops. So
    of the refusal its body is left, and the lower byte of its length; the port says no more.
    """
    raw = socket.socket(fileno=secured.detach())
    raw.setblocking(False)
    rest = b""
    with raw, contextlib.suppress(OSError):
        while len(rest) <= header.MAX_BODY:
            chunk = await asyncio.get_running_loop().sock_recv(raw, header.MAX_BODY + 1)
            if not chunk:
                break
            rest += chunk
    body = rest[1:]
    if not rest or rest[0] != len(body) % 256:
        return
    with contextlib.suppress(ProtocolError):  # then it was something else
        answer = header.decode_answer(body)
        raise Refused(answer.code or "refused", answer.why)


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock.fileno(), _done, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock.fileno())


def _judged(error: ssl.SSLError) -> TrustError | PathCut:
    """What OpenSSL's error is here: the stream was cut, or somebody does not believe somebody."""
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return PathCut("the stream ended without its proper end: the path was cut")
    return TrustError(tls_sentence(error))


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
