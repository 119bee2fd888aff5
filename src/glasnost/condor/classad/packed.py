"""Lines as CEDAR writes them, in one piece of memory.

A string is ended by a zero byte. On an encrypted channel its length stands before it, the zero
byte counted. An ad is the number of its lines, the lines, and two strings that nobody reads.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise, repeat
from typing import Final, overload


class _Numbers(dict[int, bytes]):
    """How numbers are written; the usual ones are at hand."""

    def __missing__(self, number: int) -> bytes:
        return number.to_bytes(8, "big")


NUMBERS: Final = _Numbers((number, number.to_bytes(8, "big")) for number in range(1024))
NUMBER_SIZE: Final = 8

#: The two strings behind an ad's lines, as they are on a channel in the clear, or encrypted.
NO_TYPES: Final = b"\0\0"
NO_TYPES_ENCRYPTED: Final = (NUMBERS[1] + b"\0") * 2

#: A private attribute's line may have this string in front of it.
MARKER: Final = b"ZKM"


def string(text: bytes, encrypted: bool) -> bytes:
    """One string, as it is on such a channel."""
    return NUMBERS[len(text) + 1] + text + b"\0" if encrypted else text + b"\0"


class Packed(Sequence[bytes]):
    """Lines as they stand on an encrypted channel, and where each ends.

    184 lines of 6,000 bytes take 8,500 bytes so, 15,000 as a list. Most channels are encrypted,
    so what is sent most often is there already.
    """

    __slots__ = ("_ends", "encrypted")

    def __init__(self, lines: Sequence[bytes]) -> None:
        sizes = [len(line) + 1 for line in lines]
        pieces = zip(map(NUMBERS.__getitem__, sizes), lines, repeat(b"\0"), strict=False)
        #: All of them as on an encrypted channel.
        self.encrypted = b"".join(chain.from_iterable(pieces))
        self._ends = array("I", accumulate([size + NUMBER_SIZE for size in sizes], initial=0))

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return len(self.encrypted) + 4 * len(self._ends) + 300

    def encrypted_line(self, at: int) -> bytes:
        """One line, with its length and its zero byte."""
        return self.encrypted[self._ends[at] : self._ends[at + 1]]

    def clear_line(self, at: int) -> bytes:
        """One line with its zero byte."""
        return self.encrypted[self._ends[at] + NUMBER_SIZE : self._ends[at + 1]]

    def clear(self) -> bytes:
        """All of them as on a channel in the clear."""
        blob, ends = self.encrypted, self._ends
        return b"".join([blob[start + NUMBER_SIZE : end] for start, end in pairwise(ends)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        return self.clear_line(at)[:-1]
