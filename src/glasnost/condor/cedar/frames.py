"""Packets: what a message is cut into on TCP.

A packet is a header, in MAC mode 16 bytes more of it, and a body::

    1 byte    0: more packets of this message follow; 1 to 10: the last
    4 bytes   length of the body, 1 to 1 MiB
    n bytes   body

There is no magic and no version: what does not fit these few rules is no packet.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from glasnost.errors import ProtocolError

#: The header that every packet has: end flag, length of the body.
HEADER: Final = struct.Struct(">BI")
#: HTCondor's own limit of a body; it drops a connection that announces more.
MAX_BODY: Final = 1 << 20
#: The largest end flag that HTCondor accepts.
MAX_END: Final = 10
#: How HTCondor cuts: 4,096 bytes a packet with its header.
ORIGINAL_BODY: Final = 4096 - HEADER.size
#: How we cut: receivers take any size, and each packet costs a system's and a cipher's call.
OUR_BODY: Final = 1 << 16


def decode_header(header: bytes) -> tuple[bool, int]:
    """Whether a packet is its message's last, and how long its body is."""
    end, size = HEADER.unpack_from(header)
    if end > MAX_END or not 0 < size <= MAX_BODY:
        raise ProtocolError(f"no packet of CEDAR begins with {header[: HEADER.size].hex()}")
    return end != 0, size


def cut(message: bytes, size: int = OUR_BODY) -> Iterator[tuple[bool, bytes]]:
    """The bodies of a message's packets, each with whether it is the last. None of an empty one:
    HTCondor never sends it."""
    if len(message) <= size:
        if message:
            yield True, message
        return
    for at in range(0, len(message), size):
        yield at + size >= len(message), message[at : at + size]


class Packets:
    """Takes bytes as they come, gives packets. Holds at most one packet and what came with it."""

    __slots__ = ("_at", "_data")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def next(self, extra: int = 0) -> tuple[bytes, bytes] | None:
        """The next packet, header and body, if it has come whole; ``extra`` is what MAC mode adds
        to the header."""
        start = self._at + HEADER.size + extra
        if len(self._data) < start:
            return None
        header = self._data[self._at : start]
        end = start + decode_header(header)[1]
        if len(self._data) < end:
            return None
        self._at = end
        return header, self._data[start:end]

    def missing(self, extra: int = 0) -> int:
        """How many bytes must come before `next` can say more: those surely belong to the packet,
        so whoever reads no more reads none that is behind it."""
        have = len(self._data) - self._at
        head = HEADER.size + extra
        if have < head:
            return head - have
        return head + decode_header(self._data[self._at : self._at + head])[1] - have

    @property
    def rest(self) -> bytes:
        """What has come behind the packets that were taken."""
        return self._data[self._at :]
