"""Checked bytes over one stream: what the lab's clients and services say to each other.

In rounds, as many as the client likes: it sends a size and so many bytes; the service answers with
their hash, as many bytes of its own, and their hash. The size `UNTIL_END` stands for everything up
to the client's proper end (a half-close); when that is answered, the service ends as well.

What was cut raises the stream's own error. An end that looks proper, and leaves bytes missing, is
the worst that a network can do, and has a name here.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import struct
from typing import Final

#: Instead of a size: the bytes go on until the client ends its direction.
UNTIL_END: Final = 2**64 - 1

_HEAD = struct.Struct(">Q")
_HASH = hashlib.sha256().digest_size
_CHUNK = 1 << 18


class Truncated(Exception):
    """The stream ended as if that were all, and it was not."""


class WrongBytes(Exception):
    """What arrived is not what was sent."""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The service's side: answer rounds until the client has ended."""
    while head := await _exactly(reader, _HEAD.size, or_end=True):
        (size,) = _HEAD.unpack(head)
        seen, length = await _hash(reader, size)
        writer.write(seen)
        _write_payload(writer, length)
        await writer.drain()
        if size == UNTIL_END:
            writer.write_eof()


async def go_round(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    size: int,
    *,
    until_end: bool = False,
) -> None:
    """The client's side: one round, checked; ``until_end`` makes it the last."""
    # What has ended it meanwhile is said here; to write would be a RuntimeError of uvloop's.
    await writer.drain()
    writer.write(_HEAD.pack(UNTIL_END if until_end else size))
    own = random.randbytes(size)
    writer.write(own)
    if until_end:
        writer.write_eof()
    await writer.drain()
    if await _exactly(reader, _HASH) != hashlib.sha256(own).digest():
        raise WrongBytes("the service got other bytes than were sent")
    seen, _ = await _hash(reader, size)
    if await _exactly(reader, _HASH) != seen:
        raise WrongBytes("other bytes arrived than the service sent")
    if until_end and await reader.read(1):
        raise WrongBytes("bytes arrived behind the last one")


async def _hash(reader: asyncio.StreamReader, size: int) -> tuple[bytes, int]:
    """The hash of so many bytes, and how many they were."""
    seen, length = hashlib.sha256(), 0
    while length < size:
        data = await reader.read(min(size - length, _CHUNK))
        if not data and size == UNTIL_END:
            break
        if not data:
            raise Truncated(f"the stream ended properly after {length} of {size} bytes")
        seen.update(data)
        length += len(data)
    return seen.digest(), length


async def _exactly(reader: asyncio.StreamReader, size: int, *, or_end: bool = False) -> bytes:
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        if or_end and not error.partial:
            return b""
        raise Truncated(f"the stream ended properly, {len(error.partial)} of {size} bytes "
                        "into what was due") from None  # fmt: skip


def _write_payload(writer: asyncio.StreamWriter, size: int) -> None:
    own = random.randbytes(size)
    writer.write(own)
    writer.write(hashlib.sha256(own).digest())
