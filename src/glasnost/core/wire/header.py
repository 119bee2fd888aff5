"""What stands in the clear before a stream: the call to a shared port, and its answer.

Flow: whoever opens a connection to a shared port writes a `Call`; the port reads exactly its
bytes and hands the socket over. A *plain* service's port writes an `Answer` just before it hands
over; a *sealed* service's port writes one only to refuse. Inside TLS, the server's first byte is
`ACCEPTED`, or an `Answer` that refuses.

Layout, big-endian::

    0  2  magic    0xAB 0x47; the first byte opens no TLS, HTTP, SOCKS or SSH conversation
    2  1  version  1
    3  1  kind     1 call, 2 answer
    4  2  length   of the body, at most `MAX_BODY`
    6  n  body     a MessagePack map; unknown keys are ignored by readers of this version

All of it is a hint: it is parsed with limits, and trusted for nothing.
"""

from __future__ import annotations

import struct
from typing import Final, TypeVar

import msgspec

from glasnost.core.wire import grease
from glasnost.errors import ProtocolError

MAGIC: Final = b"\xabG"
VERSION: Final = 1
CALL: Final = 1
ANSWER: Final = 2

#: Bytes of a reply name or a relay token: 128 random bits cannot be guessed while they live.
TOKEN_SIZE: Final = 16
#: A call is a service name and a token, an answer one sentence: 512 bytes leave room for fields
#: to come, and bound what a stranger can make us hold.
MAX_BODY: Final = 512
#: The longest sentence an answer carries, in bytes; longer ones are cut, so that it always fits.
MAX_WHY: Final = 300

_PREFIX = struct.Struct(">2sBBH")
PREFIX_SIZE: Final = _PREFIX.size

#: The first byte inside a sealed stream, from the server: you are let in. Anything else there
#: must be an `Answer` (its first byte is `MAGIC`'s).
ACCEPTED: Final = b"\x00"


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """Ask a port for one endpoint.

    ``to`` is a service's name, or empty for the process that listens itself. ``reply`` is the
    reply name of somebody who asked for this dial-back; ``relay`` the one-time token of one leg
    of a relayed stream. Both are `TOKEN_SIZE` bytes or empty.
    """

    to: str = ""
    reply: bytes = b""
    relay: bytes = b""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The port's word about a call: an empty ``code`` lets in, any other refuses."""

    code: str = ""
    why: str = ""


_encoder = msgspec.msgpack.Encoder()
_calls = msgspec.msgpack.Decoder(Call)
_answers = msgspec.msgpack.Decoder(Answer)
_M = TypeVar("_M", Call, Answer)


def encode_call(call: Call) -> bytes:
    """The bytes of a call.

    >>> encode_call(Call(to="web")).hex()
    'ab470101000881a2746fa3776562'
    """
    return _frame(CALL, _encoder.encode(call))


def encode_greased(call: Call) -> bytes:
    """The same; of the calls with a token, which are random, one in `grease.EVERY` has a field
    that nobody knows."""
    token = call.reply or call.relay
    if not token or token[0] % grease.EVERY:
        return encode_call(call)
    return _frame(CALL, grease.with_field(_encoder.encode(call), token[-1] % grease.EVERY))


def encode_answer(answer: Answer) -> bytes:
    """The bytes of an answer; a reason that is too long is cut."""
    return _frame(ANSWER, _encoder.encode(Answer(answer.code, _cut(answer.why))))


def _cut(why: str) -> str:
    """At most `MAX_WHY` bytes of UTF-8; a file's name in it may hold what is no text at all."""
    data = why.encode("utf-8", "replace")
    if len(data) <= MAX_WHY:
        return data.decode()
    return data[: MAX_WHY - len("…".encode())].decode("utf-8", "ignore") + "…"


def body_size(prefix: bytes, kind: int) -> int:
    """How many bytes follow this prefix. Raises `ProtocolError` if it opens no ``kind``."""
    magic, version, found, length = _PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise ProtocolError(f"these bytes open no Glasnost header: {prefix.hex(' ')}")
    if version != VERSION:
        raise ProtocolError(f"header version {version} is not spoken here (only {VERSION})")
    if found != kind:
        raise ProtocolError(f"header kind {found} where {kind} was expected")
    if length > MAX_BODY:
        raise ProtocolError(f"a header body of {length} bytes exceeds the limit of {MAX_BODY}")
    return int(length)


def decode_call(body: bytes) -> Call:
    """Read what `encode_call` wrote behind the prefix."""
    call = _decode(_calls, body)
    for token in (call.reply, call.relay):
        if len(token) not in (0, TOKEN_SIZE):
            raise ProtocolError(f"a token of {len(token)} bytes where {TOKEN_SIZE} were expected")
    return call


def decode_answer(body: bytes) -> Answer:
    """Read what `encode_answer` wrote behind the prefix."""
    return _decode(_answers, body)


def answer_in(data: bytes) -> Answer | None:
    """The whole answer, prefix and body, that ``data`` begins with; None while bytes are missing.
    Raises `ProtocolError` as soon as they can be none."""
    if len(data) < PREFIX_SIZE:
        return None
    end = PREFIX_SIZE + body_size(data[:PREFIX_SIZE], ANSWER)
    return decode_answer(data[PREFIX_SIZE:end]) if len(data) >= end else None


def _frame(kind: int, body: bytes) -> bytes:
    if len(body) > MAX_BODY:
        raise ProtocolError(f"a header body of {len(body)} bytes exceeds {MAX_BODY}")
    return _PREFIX.pack(MAGIC, VERSION, kind, len(body)) + body


def _decode(decoder: msgspec.msgpack.Decoder[_M], body: bytes) -> _M:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable header: {error}") from None
