"""Reads and writes headers on a raw socket: exactly their bytes, and not one more.

Whoever gets the socket afterwards finds everything that was sent behind the header.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from typing import Final

from glasnost.core.text import facts
from glasnost.core.wire import header
from glasnost.core.wire.header import MAX_WHY
from glasnost.errors import PathCut, ProtocolError, Refused

log = logging.getLogger("glasnost.port")

#: How long a refused connection is kept for its sentence to arrive, seconds: a round trip, and one
#: lost packet.
LINGER: Final = 2.0
#: How many are kept at a time; a flood of strangers is closed at once.
MAX_LINGERING: Final = 256

_ACCEPT: Final = header.encode_answer(header.Answer())
#: Where the system can keep bytes back for more to come.
_MORE: Final = getattr(socket, "MSG_MORE", 0)


async def read_exactly(sock: socket.socket, size: int) -> bytes:
    """``size`` bytes of a non-blocking socket. Raises `PathCut` when the stream ends first."""
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        chunk = await loop.sock_recv(sock, size - len(data))
        if not chunk:
            raise PathCut("the peer closed the connection before it answered")
        data += chunk
    return data


async def read_until(sock: socket.socket, end: bytes, limit: int) -> bytes:
    """Everything up to ``end``, and that. Raises `PathCut` when the stream ends first,
    `ProtocolError` where ``end`` is not within ``limit`` bytes."""
    data = b""
    while len(data) < limit:
        seen = await peek(sock, limit - len(data))
        found = (data + seen).find(end)
        # What has no end in it belongs to us whole; so what is left is always more than was seen.
        data += sock.recv(len(seen) if found < 0 else found + len(end) - len(data))
        if found >= 0:
            return data
    raise ProtocolError(f"no end within {limit} bytes")


async def peek(sock: socket.socket, size: int) -> bytes:
    """What comes next, at least one byte; it stays to be read. Raises `PathCut` at the end."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            seen = sock.recv(size, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(sock, loop)
            continue
        if not seen:
            raise PathCut("the peer closed the connection before it answered")
        return seen


async def _readable(sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
    readable = loop.create_future()
    loop.add_reader(sock.fileno(), _resolve, readable)
    try:
        await readable
    finally:
        loop.remove_reader(sock.fileno())


def _resolve(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


async def write_call(sock: socket.socket, call: header.Call) -> None:
    """Ask the port at the other end for one endpoint; nothing is awaited from it."""
    await asyncio.get_running_loop().sock_sendall(sock, header.encode_greased(call))


async def read_answer(sock: socket.socket) -> None:
    """Wait for the accept of a plain service. Raises `Refused` with the port's reason."""
    prefix = await read_exactly(sock, header.PREFIX_SIZE)
    body = await read_exactly(sock, header.body_size(prefix, header.ANSWER))
    answer = header.decode_answer(body)
    if answer.code:
        raise Refused(answer.code, answer.why)


def answer_now(sock: socket.socket, answer: header.Answer) -> bool:
    """Write an answer without waiting: it is small, and the socket is new and empty."""
    return _send_whole(sock, header.encode_answer(answer))


def accept_now(sock: socket.socket) -> bool:
    """Write the accept of a plain service without waiting, and leave it in the kernel.

    It goes out in one packet with the service's first bytes, or when the service sets TCP_NODELAY
    (`tune` does). A packet of its own would cost as much as all else that the port does, and wake
    the caller twice (docs/topics/shared-port.md).
    """
    return _send_whole(sock, _ACCEPT, _MORE)


def _send_whole(sock: socket.socket, data: bytes, flags: int = 0) -> bool:
    try:
        return sock.send(data, flags) == len(data)
    except OSError:
        return False


def refuse(sock: socket.socket, code: str, why: str, peer: str = "") -> None:
    """Say why not, and close; ``sock`` must not block. It is counted and logged here, and only
    here; ``peer`` is whose connection it is, for people.

    The peer may be writing still (its TLS hello follows its header). A socket that is closed at
    once answers that with a reset, and the sentence is lost: so what comes is read and dropped,
    for a moment, until the peer has closed.
    """
    note_refusal(code, why, peer)
    loop = asyncio.get_running_loop()
    for old in [one for one, its_loop in _lingering.items() if its_loop.is_closed()]:
        del _lingering[old]
        old.close()
    try:
        said = answer_now(sock, header.Answer(code, why))
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        said = False
    if not said or len(_lingering) >= MAX_LINGERING:
        sock.close()
        return
    _lingering[sock] = loop
    loop.add_reader(sock.fileno(), _drop_input, sock)
    loop.call_later(LINGER, _close, sock)


def refuse_at_once(sock: socket.socket, code: str, why: str) -> None:
    """Say why not, and let go without lingering: for when there is nothing to keep it with. What
    has come is read, or closing would answer it with a reset, and the sentence might be lost."""
    note_refusal(code, why, "")
    with contextlib.suppress(OSError):
        answer_now(sock, header.Answer(code, why))
        sock.shutdown(socket.SHUT_WR)
        sock.recv(65536)
    sock.close()


def note_refusal(code: str, why: str, peer: str) -> None:
    """A caller was refused, in one way or another."""
    refusals[code] += 1
    log.info("refused: %s", why[:MAX_WHY], extra=facts(code=code, peer=peer))


#: How many callers this process has refused, by code: codes are ours, and few.
refusals: Counter[str] = Counter()

#: Refused connections that are not closed yet, with the loop that will close them.
_lingering: dict[socket.socket, asyncio.AbstractEventLoop] = {}


def _drop_input(sock: socket.socket) -> None:
    try:
        ended = not sock.recv(65536)
    except BlockingIOError:
        return
    except OSError:
        ended = True
    if ended:
        _close(sock)


def _close(sock: socket.socket) -> None:
    loop = _lingering.pop(sock, None)
    if loop is not None:
        loop.remove_reader(sock.fileno())
        sock.close()
