"""Cuts a byte stream into messages: a length of four bytes, big-endian, then that many bytes."""

from __future__ import annotations

import struct

from glasnost.errors import ProtocolError

#: A page of a listing holds a few hundred records of 1.5 kB; 1 MiB is room for twice that.
MAX_FRAME = 1 << 20

_LENGTH = struct.Struct(">I")


def encode_frame(body: bytes, limit: int = MAX_FRAME) -> bytes:
    """One frame. A body over the limit is a bug of ours."""
    assert len(body) <= limit, f"a message of {len(body)} bytes exceeds our own limit of {limit}"
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Collects bytes as they come and gives whole frames.

    >>> reader = FrameReader()
    >>> reader.feed(encode_frame(b"one") + b"\\x00\\x00")
    [b'one']
    >>> reader.pending
    2
    """

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of a frame that has not come whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Add received bytes; every frame that is now whole. Raises `ProtocolError`."""
        self._buffer += data
        frames, at = [], 0
        while len(self._buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            if length > self._limit:
                raise ProtocolError(f"a frame of {length} bytes exceeds the limit {self._limit}")
            end = at + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[at + _LENGTH.size : end]))
            at = end
        del self._buffer[:at]
        return frames
