"""Messages for a program that has no time for a library.

``glasnost connect`` is started for every SSH login, and importing msgspec takes longer than all
that it does. This writes one question to the local agent and reads its answers: the same
MessagePack as `messages`, and any of it but extensions, since peers may send fields that are not
known here.
"""

from __future__ import annotations

import struct

from glasnost.errors import ProtocolError

TYPE_CHECKING = False  # what typing says, without its import
if TYPE_CHECKING:
    from typing import Any

#: A number that follows, by the byte before it.
_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
#: What has a length that follows, and in how many bytes that is written.
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_TEXTS = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_LISTS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}


def pack(**fields: str | float) -> bytes:
    """One message.

    >>> pack(t="dial", id=1, name="web").hex(" ")
    '83 a1 74 a4 64 69 61 6c a2 69 64 01 a4 6e 61 6d 65 a3 77 65 62'
    """
    assert len(fields) < 16, "a short map"
    pairs = (_pack(key) + _pack(value) for key, value in fields.items())
    return bytes([0x80 | len(fields)]) + b"".join(pairs)


def _pack(value: str | float) -> bytes:
    if isinstance(value, str):
        data = value.encode()
        short = len(data) < 32
        return (bytes([0xA0 | len(data)]) if short else struct.pack(">BI", 0xDB, len(data))) + data
    if isinstance(value, int):
        assert 0 <= value < 0x80, "a small number"
        return bytes([value])
    return struct.pack(">Bd", 0xCB, value)


def unpack(data: bytes) -> dict[str, Any]:
    """The fields of one message. Raises `ProtocolError` for anything else.

    >>> unpack(bytes.fromhex("82 a1 74 a4 64 69 61 6c a2 69 64 01"))
    {'t': 'dial', 'id': 1}
    """
    try:
        value, end = _value(data, 0)
    except (IndexError, struct.error):
        raise ProtocolError("unreadable message: it is cut") from None
    except (UnicodeDecodeError, TypeError, RecursionError) as error:
        raise ProtocolError(f"unreadable message: {error}") from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ProtocolError("unreadable message: it is no map with texts as keys")
    if end != len(data):
        raise ProtocolError("unreadable message: bytes behind its end")
    return value


def _value(data: bytes, at: int) -> tuple[Any, int]:
    """The value that begins there, and where it ends."""
    head = data[at]
    at += 1
    match head >> 4:
        case 0x8:
            return _map(data, at, head & 0x0F)
        case 0x9:
            return _list(data, at, head & 0x0F)
        case 0xA | 0xB:
            return _text(data, at, head & 0x1F)
        case 0xE | 0xF:
            return head - 0x100, at
        case small if small < 0x8:
            return head, at
    if head in _CONSTANTS:
        return _CONSTANTS[head], at
    if form := _NUMBERS.get(head):
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    for kinds, read in ((_TEXTS, _text), (_BYTES, _bytes), (_LISTS, _list), (_MAPS, _map)):
        if width := kinds.get(head):
            if at + width > len(data):
                raise IndexError
            return read(data, at + width, int.from_bytes(data[at : at + width], "big"))
    raise ProtocolError(f"unreadable message: a value of no known kind ({head:#x})")


def _bytes(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise IndexError
    return data[at : at + size], at + size


def _text(data: bytes, at: int, size: int) -> tuple[str, int]:
    found, at = _bytes(data, at, size)
    return found.decode(), at


def _list(data: bytes, at: int, size: int) -> tuple[list[Any], int]:
    found = []
    for _ in range(size):
        value, at = _value(data, at)
        found.append(value)
    return found, at


def _map(data: bytes, at: int, size: int) -> tuple[dict[Any, Any], int]:
    found = {}
    for _ in range(size):
        key, at = _value(data, at)
        found[key], at = _value(data, at)
    return found, at
