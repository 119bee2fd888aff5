"""How many times a socket is asked before the loop gets its turn."""

from __future__ import annotations

from typing import Final

#: Growth for a batch that was full: one that is always alone is asked in vain once in eight times.
_MORE: Final = 1.1


class Batch:
    """As many as came at a time lately, and now and then one more.

    To ask a socket for what it does not have costs a system call and an exception, a third of what
    a connection costs; to ask the loop again for each of many costs nearly as much.
    """

    __slots__ = ("_most", "_size")

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 1.0

    @property
    def size(self) -> int:
        """For how many to ask now."""
        return int(self._size)

    def was_full(self) -> None:
        """So many came, and there may be more."""
        self._size = min(self._size * _MORE, self._most)

    def ended(self, count: int) -> None:
        """So many came, and there were no more."""
        self._size = max(count, 1)
