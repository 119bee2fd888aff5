"""Fields and messages that nobody knows, sent so that readers stay able to bear them.

What is never sent is soon not understood: a middle box or a hasty reader that refuses what it does
not know would be noticed only when a later version needs it. So each peer sends a field without
meaning now and then, and rarely a message (the idea, and its name, are RFC 8701's). It goes by
count and not by chance: what happens once can be made to happen again.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

#: One in so many messages of a connection carries such a field, beginning with the first.
EVERY: Final = 64
#: Only messages below so many bytes do: what is nearly too long must not become it here.
_SMALL: Final = 4096
#: Maps of up to 15 keys have their number in their first byte (MessagePack's fixmap).
_FIXMAP: Final = 0x80
_FULL: Final = 0x8F
#: One value of each type.
_VALUES: Final[tuple[Any, ...]] = (0, "grease", b"\0\xff", None, -1.5, [True, []], {"grease": {}})

_encode = msgspec.msgpack.Encoder().encode


def with_field(body: bytes, number: int) -> bytes:
    """This map with one more field; ``number`` says which. A long one stays as it is.

    >>> msgspec.msgpack.decode(with_field(b"\\x81\\xa1t\\xa4ping", 1))
    {'t': 'ping', 'grease-1': 'grease'}
    """
    if not _FIXMAP <= body[0] < _FULL or len(body) > _SMALL:
        return body
    value = _VALUES[number % len(_VALUES)]
    return bytes([body[0] + 1]) + body[1:] + _encode(f"grease-{number}") + _encode(value)


def unknown_message(id: int) -> bytes:
    """A message that nobody knows, and that is answered by `Failed`."""
    return _encode({"t": "grease", "id": id, "grease": _VALUES})


class Grease:
    """Greases what one connection sends."""

    __slots__ = ("_sent",)

    def __init__(self) -> None:
        self._sent = 0

    def __call__(self, body: bytes) -> bytes:
        sent, self._sent = self._sent, self._sent + 1
        return body if sent % EVERY else with_field(body, sent // EVERY)
