"""A connection that speaks CEDAR: messages over a raw socket that does not block.

It begins in clear. `secure` switches a session's key on for all that follows; `restart` forgets
what was said before, for a connection that begins anew behind a shared port or a broker.

Reading is exact: not one byte behind a message is taken, so that the socket can be handed over.
A connection that stays and is busy reads ahead instead, which costs a tenth of the system calls.

Time is the caller's: ``async with asyncio.timeout(20): await stream.receive()``. A call that was
cancelled has spoiled the stream, which can only be closed then.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, TypeVar

from glasnost.condor.cedar.ciphers import (
    IV_SIZE,
    Clear,
    Protection,
    SessionKey,
    Transcript,
    protection,
)
from glasnost.condor.cedar.frames import Packets, cut
from glasnost.condor.cedar.values import Incomplete, Reader, Version, Writer
from glasnost.condor.security.chance import SYSTEM, Chance
from glasnost.errors import PathCut, ProtocolError
from glasnost.net.sentences import sentence

#: The longest message that is taken whole, unless the caller says otherwise: ads with everything
#: in them have some 100 kB.
MAX_MESSAGE: Final = 16 << 20
#: How much is read at a time: what reads ahead finds some forty updates of a collector in it.
_CHUNK: Final = 256 << 10
#: After so many pieces that were read, others have their turn; a long one counts as several.
_PIECES: Final = 32
_LONG: Final = 16 << 10
#: How much is sealed before it is sent; so a reply of any length is held once.
_BATCH: Final = 1 << 20

T = TypeVar("T")


class CedarStream:
    """Messages over one connection; both sides use it alike."""

    def __init__(
        self, sock: socket.socket, chance: Chance = SYSTEM, read_ahead: bool = False
    ) -> None:
        self.sock = sock
        self.chance = chance
        #: Takes what has come, whole messages or not: for sockets that are handed on to nobody.
        self.read_ahead = read_ahead
        #: The peer's version, once it has said it: what of a secret it may be sent.
        self.peer: Version | None = None
        self._transcript = Transcript()
        self._protection: Protection = Clear(self._transcript)
        self._packets = Packets()
        self._pieces = 0
        self._sending = asyncio.Lock()
        self._cut_off = False
        self._detached = False

    def __repr__(self) -> str:
        state = "encrypted" if self.encrypted else "in clear"
        return f"<CedarStream {state}, descriptor {self.sock.fileno()}>"

    @property
    def encrypted(self) -> bool:
        return self._protection.encrypted

    @property
    def has_idle_key(self) -> bool:
        """Whether only what is secret is enciphered."""
        return self._protection.secret(encrypt=True) is not None

    # --- writing ---------------------------------------------------------------------------------

    def writer(self) -> Writer:
        """A message to be written, as this connection is now."""
        return Writer(self.encrypted, self.peer, self._protection.secret(encrypt=True))

    async def send(self, writer: Writer, last: bool = True) -> None:
        """Send what was written, as a message or (``last`` false) as a part of one: the same
        writer writes the next part."""
        message = writer.take()
        async with self._sending:
            if self._cut_off:
                raise PathCut("a message to the peer was cut off before")
            self._cut_off = True  # unless it goes out whole
            for at in range(0, len(message), _BATCH):
                ends = last and at + _BATCH >= len(message)
                await self._send(self._sealed(message[at : at + _BATCH], ends))
            self._cut_off = False

    def _sealed(self, part: bytes, last: bool) -> bytes:
        seal = self._protection.seal
        return b"".join([seal(last and ends, body) for ends, body in cut(part)])

    async def _send(self, data: bytes) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(self.sock, data)
        except OSError as error:
            raise PathCut(f"the peer is gone: {sentence(error)}") from error

    # --- reading ---------------------------------------------------------------------------------

    async def receive(self, limit: int = MAX_MESSAGE) -> Reader:
        """The next message, whole. Raises `PathCut` when the connection ends before it."""
        reader = await self.begin()
        if not reader.whole:
            await self.finish(reader, limit)
        return reader

    async def receive_or_end(self, limit: int = MAX_MESSAGE) -> Reader | None:
        """The next message, or None where the peer has said all and closed."""
        reader = await self.begin_or_end()
        if reader is not None and not reader.whole:
            await self.finish(reader, limit)
        return reader

    async def begin(self) -> Reader:
        """As much of the next message as its first packet holds."""
        reader = await self.begin_or_end()
        if reader is None:
            raise PathCut("the peer closed the connection before it answered")
        return reader

    async def begin_or_end(self) -> Reader | None:
        packet = await self._packet()
        if packet is None:
            return None
        last, body = packet
        return Reader(body, self.encrypted, self._protection.secret(encrypt=False), last)

    async def more(self, reader: Reader) -> None:
        """One packet more of a message that was begun."""
        packet = await self._packet()
        if packet is None:
            raise PathCut("the peer closed the connection within a message")
        last, body = packet
        reader.feed(body, last)

    async def finish(self, reader: Reader, limit: int = MAX_MESSAGE) -> None:
        """All that is missing of a message that was begun."""
        rest = bytearray()
        last = reader.whole
        while not last:
            if reader.left + len(rest) > limit:
                raise ProtocolError(f"a message of more than {limit} bytes")
            packet = await self._packet()
            if packet is None:
                raise PathCut("the peer closed the connection within a message")
            last = packet[0]
            rest += packet[1]
        if rest:
            reader.feed(bytes(rest), whole=True)

    async def take(self, reader: Reader, read: Callable[[], T], limit: int = MAX_MESSAGE) -> T:
        """What ``read`` (one of the reader's own, say) gives, when enough of the message has come:
        so a reply of any length is read with little of it held."""
        while True:
            at = reader.at
            try:
                return read()
            except Incomplete:
                reader.at = at
            # Twice as much each time, or a long value would be looked at once for each packet.
            wanted = 2 * reader.left
            while not reader.whole and reader.left <= wanted:
                if reader.left > limit:
                    raise ProtocolError(f"a value of more than {limit} bytes")
                await self.more(reader)

    async def _packet(self) -> tuple[bool, bytes] | None:
        protection = self._protection
        while (packet := self._packets.next(protection.extra)) is None:
            size = _CHUNK if self.read_ahead else self._packets.missing(protection.extra)
            try:
                data = await asyncio.get_running_loop().sock_recv(self.sock, min(size, _CHUNK))
            except OSError as error:
                raise PathCut(f"the peer is gone: {sentence(error)}") from error
            if not data:
                if self._packets.rest:
                    raise PathCut("the peer closed the connection within a packet")
                return None
            self._packets.feed(data)
            self._pieces += 1 + len(data) // _LONG
            if self._pieces >= _PIECES:
                # The loop's own call does not wait when there is something to read, and a peer
                # that always has something would keep all others waiting. Not each time, though:
                # who has told something on one connection and asks on another should find it.
                self._pieces = 0
                await asyncio.sleep(0)
        header, body = packet
        return header[0] != 0, protection.open(header, body)

    # --- what it is ------------------------------------------------------------------------------

    def secure(self, key: SessionKey, encrypt: bool = True, integrity: bool = True) -> None:
        """A session's key is on from here on, both ways; AES encrypts whatever is said."""
        iv = self.chance.octets(IV_SIZE, "iv")
        self._protection = protection(key, self._transcript, iv, encrypt, integrity)

    def heard(self, packets: bytes) -> None:
        """Packets of this conversation that somebody else has read, in clear."""
        if packets:
            self._transcript.received.add(packets)

    def restart(self) -> None:
        """What follows is another conversation: in clear, and what was said is forgotten."""
        self._transcript = Transcript()
        self._protection = Clear(self._transcript)
        self.peer = None

    def detach(self) -> socket.socket:
        """The socket, whose next byte is the one behind the last message that was read. It is the
        caller's from now on, and the stream is of no use any more."""
        assert not self._packets.rest, "bytes were read ahead of a socket that is handed over"
        self._cut_off = self._detached = True
        return self.sock

    def close(self) -> None:
        """Close the connection, if it is ours still."""
        if not self._detached:
            self.sock.close()
