"""A short conversation with a peer that need not be a member: messages one after the other.

The authority is met this way. First perhaps one question in the clear, read exactly, then TLS on
the same connection, in which only the server shows a certificate. Control connections of members
are channels (net/channel.py).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

from glasnost.core.wire import header, versions
from glasnost.core.wire.frames import encode_frame
from glasnost.core.wire.grease import Grease
from glasnost.core.wire.messages import Codec, Failed, Message, encode
from glasnost.errors import PathCut, ProtocolError, Refused
from glasnost.net.exact import read_exactly
from glasnost.net.tls import TlsTransport, secure

#: The first byte of a TLS conversation: a record that holds a handshake (RFC 8446, 5.1).
TLS_HANDSHAKE: Final = b"\x16"
#: Bytes of the length that stands before a frame.
_LENGTH: Final = 4


class Dialogue:
    """Messages over one TLS stream; use `open_dialogue` or `accept_dialogue`."""

    def __init__(self, transport: TlsTransport, version: int, codec: Codec, limit: int) -> None:
        loop = asyncio.get_running_loop()
        self.version = version
        self._grease = Grease()
        self._reader = asyncio.StreamReader(limit)
        protocol = asyncio.StreamReaderProtocol(self._reader)
        self._transport, self._codec, self._limit = transport, codec, limit
        transport.attach(protocol)
        self._writer = asyncio.StreamWriter(transport, protocol, self._reader, loop)

    async def send(self, message: Message) -> None:
        self._writer.write(encode_frame(self._grease(encode(message)), self._limit))
        await self._writer.drain()

    async def receive(self) -> Message | None:
        """The next message, or None at the proper end. Raises `ProtocolError`, `PathCut`, and
        `Refused` when the server has refused us instead of letting us in."""
        try:
            size = int.from_bytes(await self._reader.readexactly(_LENGTH), "big")
            if size > self._limit:
                raise ProtocolError(f"a frame of {size} bytes exceeds the limit {self._limit}")
            return self._codec.decode(await self._reader.readexactly(size))
        except asyncio.IncompleteReadError as cut:
            if cut.partial or cut.expected != _LENGTH:
                raise PathCut("the peer ended in the middle of a message") from None
            return None

    async def ask(self, message: Message) -> Message:
        """Send one and take the next for its answer. Raises `Refused` when that is `Failed`, or
        the peer's version has no such question."""
        versions.check(message.since, self.version, type(message).__name__, "the peer")
        await self.send(message)
        answer = await self.receive()
        if answer is None:
            raise PathCut("the peer closed the connection before it answered")
        if isinstance(answer, Failed):
            raise Refused(answer.code, answer.why)
        return answer

    def close(self) -> None:
        self._transport.close()


async def open_dialogue(
    sock: socket.socket, context: ssl.SSLContext, name: str, codec: Codec, limit: int
) -> Dialogue:
    """Be the client on ``sock``, which is owned from here on. Raises as `secure` does."""
    transport = await secure(sock, context, server_name=name)
    try:
        version = versions.agreed(transport.get_extra_info("alpn_protocol"))
    except BaseException:
        transport.abort()
        raise
    return Dialogue(transport, version, codec, limit)


async def accept_dialogue(
    sock: socket.socket, context: ssl.SSLContext, codec: Codec, limit: int
) -> Dialogue:
    """Be the server on ``sock``, which is owned from here on. Raises as `secure` does."""
    transport = await secure(sock, context, server_side=True)
    try:
        version = versions.agreed(transport.get_extra_info("alpn_protocol"))
    except Refused as refused:
        await transport.refuse(header.Answer(refused.code, refused.why))
        raise
    transport.write(header.ACCEPTED)
    return Dialogue(transport, version, codec, limit)


async def send_in_clear(sock: socket.socket, message: Message) -> None:
    """One message before TLS."""
    await asyncio.get_running_loop().sock_sendall(sock, encode_frame(encode(message)))


async def receive_in_clear(sock: socket.socket, codec: Codec, limit: int) -> Message:
    """One message before TLS, and not a byte more. Raises `Refused` when an `Answer` refuses in
    its place, `ProtocolError` or `PathCut`."""
    prefix = await read_exactly(sock, _LENGTH)
    if prefix.startswith(header.MAGIC):  # as a length it would be far over every limit
        prefix += await read_exactly(sock, header.PREFIX_SIZE - _LENGTH)
        body = await read_exactly(sock, header.body_size(prefix, header.ANSWER))
        answer = header.decode_answer(body)
        raise Refused(answer.code or "refused", answer.why)
    size = int.from_bytes(prefix, "big")
    if size > limit:
        raise ProtocolError(f"a frame of {size} bytes exceeds the limit {limit}")
    return codec.decode(await read_exactly(sock, size))
