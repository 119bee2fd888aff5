"""Names in order, of which any can come and go cheaply.

One sorted list moves half of itself at each change, which makes the end of 100,000 leases a matter
of seconds. So they stand in runs of bounded length, one after the other.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Final

#: A run that grows longer becomes two. So long that one bisection more or less does not show, so
#: short that moving it does not either.
RUN: Final = 1000


def _last(run: list[str]) -> str:
    return run[-1]


class SortedNames:
    """A sorted set of names; what is removed must be there, what is added must not.

    >>> names = SortedNames()
    >>> for name in ("c", "a", "ab", "b"):
    ...     names.add(name)
    >>> names.remove("c")
    >>> list(names.above("a", "")), list(names.above("", "a"))
    (['ab', 'b'], ['a', 'ab'])
    """

    __slots__ = ("_count", "_runs")

    def __init__(self) -> None:
        self._runs: list[list[str]] = []  # none is empty
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, name: str) -> None:
        self._count += 1
        if not self._runs:
            self._runs.append([name])
            return
        # The first run that ends above it, or else the last of all.
        at = min(bisect_left(self._runs, name, key=_last), len(self._runs) - 1)
        run = self._runs[at]
        insort(run, name)
        if len(run) > RUN:
            half = len(run) // 2
            self._runs[at : at + 1] = [run[:half], run[half:]]

    def remove(self, name: str) -> None:
        self._count -= 1
        at = bisect_left(self._runs, name, key=_last)
        run = self._runs[at]
        del run[bisect_left(run, name)]
        if not run:
            del self._runs[at]

    def above(self, after: str, start: str) -> Iterator[str]:
        """In order, those above ``after`` that begin with ``start``, while nothing changes."""
        first = bisect_left(self._runs, max(after, start), key=_last)
        for run in self._runs[first:]:
            for name in run[max(bisect_right(run, after), bisect_left(run, start)) :]:
                if not name.startswith(start):
                    return
                yield name
