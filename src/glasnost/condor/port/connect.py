"""The header of HTCondor's shared port, SHARED_PORT_CONNECT: which endpoint is called.

One clear message, then the conversation that is meant for the endpoint, on the same connection and
often in the same packet; there is no answer::

    75  id  client's name  deadline  n  n * text        numbers and strings of `cedar.values`

Any other first message is for somebody else, who has to see all of it.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from glasnost.condor.cedar.frames import HEADER, MAX_END, decode_header
from glasnost.condor.cedar.values import Reader
from glasnost.condor.stages.sock import SHARED_PORT_CONNECT
from glasnost.errors import ProtocolError

_NUMBER: Final = 8
_NUMBERS: Final = struct.Struct(">qq")
#: What must be there to tell: a packet's header, and a command.
LEAST: Final = HEADER.size + _NUMBER
#: The longest id and client's name, in bytes; HTCondor's own bound.
MAX_ID: Final = 1023
#: Further texts, whose meaning is left to the future; HTCondor's own bounds.
MAX_EXTRA: Final = 100
MAX_EXTRA_TEXT: Final = 511
#: All of the message, with the headers of its packets: two texts, the extra ones, and the numbers.
MAX_HEAD: Final = 64 * 1024
#: Packets of it. HTCondor's sender fills 4,091 bytes each, so 14 hold the longest.
MAX_PACKETS: Final = 16
#: How requests for a web page begin, and TLS: 22, 3, a version, and only then a length.
_METHODS: Final = (b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT")
_WEB: Final = (
    *(method + b" " for method in (*_METHODS, b"PATCH")),
    *(bytes((22, 3, version)) for version in range(5)),
)


class Connect(msgspec.Struct, frozen=True):
    """Whom a client calls; who it says that it is, for people; how many seconds it will wait (-1:
    any number)."""

    id: str
    client: str = ""
    deadline: int = -1


def is_web(seen: bytes) -> bool:
    """Whether a connection that begins so speaks HTTP or TLS."""
    return seen.startswith(_WEB)


def head_size(seen: bytes) -> int:
    """How many bytes the header has, as far as these `LEAST` or more say; 0 where they begin
    something else that is a message. Raises `ProtocolError`."""
    if seen[0] > MAX_END and is_web(seen):
        return 0
    last, length = decode_header(seen)
    if length < _NUMBER:
        raise ProtocolError("a first message without a command")
    if int.from_bytes(seen[HEADER.size : LEAST]) != SHARED_PORT_CONNECT:
        return 0
    size = 0
    for _ in range(MAX_PACKETS):
        size += HEADER.size + length
        if size > MAX_HEAD:
            raise ProtocolError(f"a header of more than {MAX_HEAD} bytes")
        if last:
            return size
        if len(seen) < size + HEADER.size:
            return size + HEADER.size
        last, length = decode_header(seen[size : size + HEADER.size])
    raise ProtocolError(f"a header in more than {MAX_PACKETS} packets")


def read_connect(head: bytes) -> Connect:
    """What a whole header says. Raises `ProtocolError`."""
    body = _body(head)
    try:  # not by `Reader`, which takes several times as long: every connection comes through here
        id, client, rest = body[_NUMBER:].split(b"\0", 2)
        deadline, count = _NUMBERS.unpack_from(rest)
    except (ValueError, struct.error):
        raise ProtocolError("a header that ends too soon") from None
    if len(id) > MAX_ID or len(client) > MAX_ID:
        raise ProtocolError(f"an id or a name of more than {MAX_ID} bytes")
    if count or len(rest) != _NUMBERS.size:
        _check_extra(rest[_NUMBERS.size :], count)
    return Connect(id.decode("utf-8", "replace"), client.decode("utf-8", "replace"), deadline)


def _check_extra(rest: bytes, count: int) -> None:
    if not 0 <= count <= MAX_EXTRA:
        raise ProtocolError(f"{count} further texts, where at most {MAX_EXTRA} may be")
    message = Reader(rest)
    if any(len(message.octets()) > MAX_EXTRA_TEXT for _ in range(count)):
        raise ProtocolError(f"a further text of more than {MAX_EXTRA_TEXT} bytes")
    message.end()


def _body(head: bytes) -> bytes:
    """What is in the packets."""
    size = HEADER.size + decode_header(head)[1]
    if size == len(head):
        return head[HEADER.size :]
    found, at = [], 0
    while at < len(head):
        begin = at + HEADER.size
        at = begin + decode_header(head[at:begin])[1]
        found.append(head[begin:at])
    return b"".join(found)
