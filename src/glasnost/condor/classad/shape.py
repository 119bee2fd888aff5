"""The names of an ad's lines, known once for all ads that have the same.

A daemon sends the same names with every update, and a thousand slots of one sort do too. So what
the names say (which line is whose, which are secret, whether one is wrong) is worked out once, and
found again by the bytes in front of the "=" signs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakValueDictionary

from glasnost.condor.classad.limits import MAX_AD, MAX_ATTRIBUTES
from glasnost.condor.classad.names import GOOD_NAME, GOOD_NAMES, is_private, is_private_v2
from glasnost.errors import ProtocolError

#: What may stand around a name and around its expression.
BLANKS: Final = b" \t\r\n"


class Shape:
    """Names, and which line has which; of two lines with one name the later."""

    __slots__ = ("__weakref__", "heads", "index", "key", "private", "private_v2", "size")

    def __init__(self, key: bytes) -> None:
        heads = key.split(b"=")[:-1]
        names = [head.strip(BLANKS).lower() for head in heads]
        if not GOOD_NAMES.fullmatch(b"".join([name + b"\0" for name in names])):
            wrong = next(name for name in names if not GOOD_NAME.fullmatch(name))
            raise ProtocolError(f"{as_text(wrong[:20])!r} is no attribute's name")
        self.key = key
        #: What each line begins with.
        self.heads = [head + b"=" for head in heads]
        #: The line of each name, which is in lower case.
        self.index = {name: at for at, name in enumerate(names)}
        #: Lines that are secrets, and those of them that peers before 9.9.0 do not know.
        self.private = self._lines_that(is_private)
        self.private_v2 = self._lines_that(is_private_v2)
        #: Bytes of memory, about: each name with its number and its place in the dictionary.
        self.size = len(key) + 240 * len(names) + 500

    def _lines_that(self, are: Callable[[str], bool]) -> frozenset[int]:
        return frozenset(at for name, at in self.index.items() if are(as_text(name)))


#: Those that some ad has.
_SHAPES: WeakValueDictionary[bytes, Shape] = WeakValueDictionary()
#: The last one of so many lines: likely the next one's, and that is soon seen.
_LATEST: WeakValueDictionary[int, Shape] = WeakValueDictionary()


def shape_of(lines: Sequence[bytes]) -> Shape:
    """The names of these lines; `ProtocolError` where one is no attribute, or the ad too large."""
    if len(lines) > MAX_ATTRIBUTES:
        raise ProtocolError(f"an ad of {len(lines)} attributes, more than {MAX_ATTRIBUTES}")
    whole = b"".join(lines)
    if len(whole) > MAX_AD:
        raise ProtocolError(f"an ad of more than {MAX_AD} bytes")
    if b"\0" in whole:  # it would end the line elsewhere
        raise ProtocolError("a line of an ad has a zero byte in it")
    latest = _LATEST.get(len(lines))
    if latest is not None and all(map(bytes.startswith, lines, latest.heads)):
        return latest
    heads = [line.partition(b"=")[0] for line in lines]
    if any(map(operator.eq, heads, lines)):
        # Not the line itself: it may be a secret.
        number = next(number for number, line in enumerate(lines, 1) if b"=" not in line)
        raise ProtocolError(f"line {number} of an ad has no '='")
    shape = _LATEST[len(lines)] = _shape(b"=".join([*heads, b""]))
    return shape


def joined(first: Shape, second: Shape) -> Shape:
    """That of the lines of both."""
    return _shape(first.key + second.key)


def _shape(key: bytes) -> Shape:
    shape = _SHAPES.get(key)
    if shape is None:
        shape = _SHAPES[key] = Shape(key)
    return shape


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
