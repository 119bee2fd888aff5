"""Reads what a collector answers: one message ``( I(1) AD )* I(0)``, which may have 61 MB.

It is read while it comes, and no more of it than where its strings end: an ad keeps its piece of
the message, and looks into it when somebody asks for something.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from glasnost.condor.classad.ad import Ad
from glasnost.condor.classad.limits import MAX_AD, MAX_ATTRIBUTES
from glasnost.condor.classad.packed import MARKER, NUMBER_SIZE
from glasnost.errors import ProtocolError

_NUMBER: Final = struct.Struct(">q")
#: What stands before an ad's strings: that an ad follows, and how many lines it has.
_HEAD: Final = 2 * NUMBER_SIZE
#: The two strings behind the lines.
_TYPES: Final = 2
#: More that waits is no ad, whatever comes: the lines, around each a length, an end and a marker.
_MAX_WAITING: Final = MAX_AD + 24 * MAX_ATTRIBUTES


class AnswerReader:
    """Takes a message's bytes in pieces of any size, and gives its ads.

    ``encrypted`` says how strings are written on its channel. What is no answer is a
    `ProtocolError`. How many ads are too many, the caller knows.
    """

    def __init__(self, *, encrypted: bool) -> None:
        self._walk = _walk_encrypted if encrypted else _walk_clear
        self._encrypted = encrypted
        #: From the beginning of the ad that is not whole yet.
        self._rest = b""
        #: How many of its strings are to come, and from where on; none before its head is here.
        self._missing, self._at = 0, 0
        self._ended = False

    def feed(self, data: bytes) -> list[Ad]:
        """The ads that are whole now."""
        rest = self._rest + data
        ads: list[Ad] = []
        begin = 0
        while not self._ended:
            if not self._missing:
                strings = _strings(rest, begin)
                if strings is None:
                    break
                self._missing, self._at = strings, begin + _HEAD
                if not strings:
                    self._ended, begin = True, begin + NUMBER_SIZE
                    break
            self._at, self._missing = self._walk(rest, self._at, self._missing)
            if self._missing:
                break
            ads.append(Ad.unread(_Lines(rest[begin + _HEAD : self._at], self._encrypted)))
            begin = self._at
        self._rest = rest[begin:]
        self._at -= begin
        if len(self._rest) > (0 if self._ended else _MAX_WAITING):
            raise ProtocolError("an answer goes on behind its end, or has an ad that is too large")
        return ads

    def finish(self) -> None:
        """The message is over."""
        if not self._ended:
            raise ProtocolError("an answer ends in the middle")


class _Lines:
    """The lines of one ad, which are cut out when somebody wants them."""

    __slots__ = ("_block", "_encrypted")

    def __init__(self, block: bytes, encrypted: bool) -> None:
        self._block, self._encrypted = block, encrypted

    def __iter__(self) -> Iterator[bytes]:
        cut = _cut_encrypted if self._encrypted else _cut_clear
        strings = cut(self._block)[:-_TYPES]
        # The marker says that the next line is a secret, which its name says as well.
        return iter([line for line in strings if line != MARKER])


def _strings(data: bytes, at: int) -> int | None:
    """How many strings the ad has that begins here; none: there is no further ad. None: the
    numbers that say so are not here yet."""
    if len(data) < at + NUMBER_SIZE:
        return None
    (more,) = _NUMBER.unpack_from(data, at)
    if more == 0:
        return 0
    if more != 1:
        raise ProtocolError(f"an answer has {more} where it says whether an ad follows")
    if len(data) < at + _HEAD:
        return None
    (lines,) = _NUMBER.unpack_from(data, at + NUMBER_SIZE)
    if not 0 <= lines <= MAX_ATTRIBUTES:
        raise ProtocolError(f"an ad of {lines} attributes, more than {MAX_ATTRIBUTES}")
    return int(lines) + _TYPES


def _walk_clear(data: bytes, at: int, missing: int) -> tuple[int, int]:
    """Where so many strings end, markers not counted; and how many are not whole yet."""
    find = data.find
    while missing:
        end = find(b"\0", at)
        if end < 0:
            break
        if end != at + 3 or data[at:end] != MARKER:
            missing -= 1
        at = end + 1
    return at, missing


def _walk_encrypted(data: bytes, at: int, missing: int) -> tuple[int, int]:
    """The same where each string has its length before it."""
    unpack, last = _NUMBER.unpack_from, len(data) - NUMBER_SIZE
    while missing and at <= last:
        (size,) = unpack(data, at)
        if not 1 <= size <= MAX_AD:
            raise ProtocolError(f"a string of {size} bytes in an answer")
        end = at + NUMBER_SIZE + size
        if end > last + NUMBER_SIZE:
            break
        if data[end - 1]:
            raise ProtocolError("a string in an answer does not end with a zero byte")
        if size != 4 or data[end - size : end - 1] != MARKER:
            missing -= 1
        at = end
    return at, missing


def _cut_clear(block: bytes) -> list[bytes]:
    return block.split(b"\0")[:-1]


def _cut_encrypted(block: bytes) -> list[bytes]:
    strings, at = [], 0
    while at < len(block):
        (size,) = _NUMBER.unpack_from(block, at)
        at += NUMBER_SIZE + size
        strings.append(block[at - size : at - 1])
    return strings
