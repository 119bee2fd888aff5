"""Whose turn it is, where many ask and one answers.

Start-time fair queueing (Goyal and others, 1996): whoever has cost least is served next, so that
a member who asks for much waits for itself and not the others for it. Knows no clock: what is
shared out is cost, as its caller counts it.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class _Line(Generic[T]):
    """What one member waits for, and what it has been given so far in this busy period."""

    def __init__(self) -> None:
        self.items: deque[tuple[int, T]] = deque()
        self.waiting = 0
        self.given = 0


class Turns(Generic[T]):
    """Items of members, each with its cost.

    >>> turns = Turns[str]()
    >>> for item in ("a1", "a2", "a3"):
    ...     turns.add("a", 10, item)
    >>> turns.add("b", 10, "b1")
    >>> [item for _, item in iter(turns.next, None)]
    ['a1', 'b1', 'a2', 'a3']
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line[T]] = {}
        # Of each line that has items, what it has been given; then who has waited longer.
        self._heap: list[tuple[int, int, str]] = []
        self._order = count()
        self._now = 0  # what the member whose turn was last had been given before it

    def __bool__(self) -> bool:
        return bool(self._heap)

    def waiting(self, member: str) -> int:
        """The cost of all that this member waits for."""
        line = self._lines.get(member)
        return 0 if line is None else line.waiting

    def add(self, member: str, cost: int, item: T) -> None:
        """Let this wait for its member's turn."""
        line = self._lines.setdefault(member, _Line())
        if not line.items:  # who comes back has saved nothing up while away
            line.given = max(line.given, self._now)
            heappush(self._heap, (line.given, next(self._order), member))
        line.items.append((cost, item))
        line.waiting += cost

    def next(self) -> tuple[int, T] | None:
        """The next item with its cost; None when there is no more."""
        if not self._heap:
            self._lines.clear()  # nobody waits: all begin anew
            self._now = 0
            return None
        self._now, _, member = heappop(self._heap)
        line = self._lines[member]
        cost, item = line.items.popleft()
        line.waiting -= cost
        line.given += cost
        if line.items:
            heappush(self._heap, (line.given, next(self._order), member))
        return cost, item
