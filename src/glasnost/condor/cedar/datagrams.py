"""Datagrams: a message in one or several, plain or with the security header.

::

    "MaGic6.0"  1 byte last, 2 number, 2 size, 12 id      before each fragment
    "CRAP"      2 flags, 2 + 2 lengths of key ids         before a protected message
    anything else of at least 8 bytes                     a message in clear

A key id is a session's, a comma and the sender's address behind it perhaps. AES is not used here:
a session of AES lends the first 24 bytes of its key to BLOWFISH.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from glasnost.condor.cedar.ciphers import AES, BLOWFISH, KEY_SIZES, SessionKey, cfb
from glasnost.errors import ProtocolError

FRAGMENT: Final = b"MaGic6.0"
SECURED: Final = b"CRAP"
#: What is shorter than the number that begins a message is dropped.
SHORTEST: Final = 8
#: HTCondor's sizes of a fragment, its header included: to other hosts, and to itself.
NETWORK_SIZE: Final = 1000
LOOPBACK_SIZE: Final = 59_974
#: HTCondor gives a message up so long after its last fragment, seconds.
PATIENCE: Final = 10.0
#: The longest message: as many fragments of the larger size as nobody needs for an ad.
MAX_MESSAGE: Final = 1 << 20
#: What incomplete messages of all senders may hold together; beyond, the oldest goes.
MAX_HELD: Final = 16 << 20
MAX_OPEN: Final = 1024
#: What a fragment costs to hold beyond its bytes.
_OVERHEAD: Final = 200

_FRAGMENT_HEADER: Final = struct.Struct(">8sBHH12s")
_SECURITY_HEADER: Final = struct.Struct(">4sHHH")
_ENCRYPTED: Final = 2
ID_SIZE: Final = 12


@dataclass(frozen=True)
class Datagram:
    """A message as it came: in clear, or enciphered by the key of ``session``."""

    body: bytes
    session: str = ""

    def opened(self, key: SessionKey) -> bytes:
        """The message. The cipher vouches for nothing: another key gives other bytes."""
        return cfb(lent(key), encrypt=False)(self.body)


def lent(key: SessionKey) -> SessionKey:
    """The key as UDP may use it."""
    if key.cipher == AES:
        return SessionKey(BLOWFISH, key.key[: KEY_SIZES[BLOWFISH]])
    return key


def sealed(message: bytes, session: str, key: SessionKey) -> bytes:
    """A message enciphered by a session's key, behind the security header."""
    name = session.encode()
    header = _SECURITY_HEADER.pack(SECURED, _ENCRYPTED, 0, len(name))
    return header + name + cfb(lent(key), encrypt=True)(message)


def fragments(message: bytes, ident: bytes, size: int = NETWORK_SIZE) -> list[bytes]:
    """A message as datagrams: one as it is if it fits, else fragments named by ``ident``."""
    if len(message) <= size:
        return [message]
    room = size - _FRAGMENT_HEADER.size
    pieces = [message[at : at + room] for at in range(0, len(message), room)]
    return [
        _FRAGMENT_HEADER.pack(FRAGMENT, number == len(pieces) - 1, number, len(piece), ident)
        + piece
        for number, piece in enumerate(pieces)
    ]


@dataclass
class _Open:
    """A message of which some fragments have come."""

    pieces: dict[int, bytes] = field(default_factory=dict)
    count: int = 0  # known when the last one has come
    size: int = 0
    heard: float = 0.0

    @property
    def held(self) -> int:
        return self.size + _OVERHEAD * len(self.pieces)


class Assembler:
    """Puts fragments together, in whatever order they come, within limits."""

    def __init__(self) -> None:
        self._open: dict[tuple[Hashable, bytes], _Open] = {}
        self.held = 0

    def feed(self, datagram: bytes, source: Hashable, now: float) -> Datagram | None:
        """A message, if this completes one. Raises `ProtocolError` where it can be none."""
        if len(datagram) < SHORTEST:
            raise ProtocolError(f"a datagram of {len(datagram)} bytes")
        if not datagram.startswith(FRAGMENT):
            return decode_datagram(datagram)
        self._give_up(now)
        message = self._take(datagram, source, now)
        return None if message is None else decode_datagram(message)

    def _take(self, datagram: bytes, source: Hashable, now: float) -> bytes | None:
        last, number, piece, ident = decode_fragment(datagram)
        key = (source, ident)
        # Put back at the end: those heard of least recently stand first.
        message = self._open.pop(key, None) or _Open()
        if number not in message.pieces:
            message.pieces[number] = piece
            message.size += len(piece)
            self.held += len(piece) + _OVERHEAD
        if last:
            message.count = number + 1
        message.heard = now
        if message.size > MAX_MESSAGE:
            self.held -= message.held
            raise ProtocolError(f"a message of more than {MAX_MESSAGE} bytes in fragments")
        if len(message.pieces) == message.count:
            self.held -= message.held
            if max(message.pieces) != message.count - 1:
                raise ProtocolError("fragments behind the last one")
            return b"".join(message.pieces[at] for at in range(message.count))
        self._open[key] = message
        return None

    def _give_up(self, now: float) -> None:
        for key in list(self._open):
            oldest = self._open[key]
            late = now - oldest.heard > PATIENCE
            if not late and self.held < MAX_HELD and len(self._open) < MAX_OPEN:
                return
            self.held -= oldest.held
            del self._open[key]


def decode_fragment(datagram: bytes) -> tuple[bool, int, bytes, bytes]:
    """Whether it is the last, its number, its content, and the id of its message."""
    if len(datagram) <= _FRAGMENT_HEADER.size:
        raise ProtocolError("a fragment without content")
    _, last, number, size, ident = _FRAGMENT_HEADER.unpack_from(datagram)
    piece = datagram[_FRAGMENT_HEADER.size :]
    if size != len(piece):
        raise ProtocolError(f"a fragment of {len(piece)} bytes that says {size}")
    return last != 0, number, piece, ident


def decode_datagram(message: bytes) -> Datagram:
    """What the security header says, if there is one."""
    if not message.startswith(SECURED):
        return Datagram(message)
    if len(message) < _SECURITY_HEADER.size:
        raise ProtocolError("a security header cut short")
    _, flags, _, size = _SECURITY_HEADER.unpack_from(message)
    if flags != _ENCRYPTED:
        # Sums without a cipher are known from the sources only: no sender makes them.
        raise ProtocolError(f"a datagram protected in a way that nobody uses (flags {flags})")
    at = _SECURITY_HEADER.size
    key_id = message[at : at + size]
    if len(key_id) < size:
        raise ProtocolError("a security header longer than its datagram")
    # The sender's address may follow the session.
    session = key_id.partition(b",")[0].decode("ascii", "replace")
    return Datagram(message[at + size :], session)
