"""Names that end at a time unless somebody moves it.

Renewing is what happens most, so it is one assignment: the heap is put right when a name comes
up. Knows no clock.
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace


class Leases:
    """Ends by name.

    >>> leases = Leases()
    >>> leases.set("a", until=10.0); leases.set("b", until=12.0); leases.set("a", until=15.0)
    >>> leases.next(), leases.due(now=12.0), leases.next()
    (12.0, ['b'], 15.0)
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        # No entry of a living name is later than its end; several of one name may stand here.
        self._heap: list[tuple[float, str]] = []
        self._queued: dict[str, float] = {}

    def set(self, name: str, until: float) -> None:
        """Let this name end at ``until``, whatever was set before."""
        self._until[name] = until
        queued = self._queued.get(name)
        if queued is None or until < queued:
            self._queued[name] = until
            heappush(self._heap, (until, name))

    def drop(self, name: str) -> None:
        """Forget a name, if it is here."""
        self._until.pop(name, None)

    def next(self) -> float | None:
        """When the first name ends."""
        while self._heap:
            at, name = self._heap[0]
            until = self._until.get(name)
            if until == at:
                return at
            if until is None or self._queued.get(name) != at:
                heappop(self._heap)
                if self._queued.get(name) == at:
                    del self._queued[name]
            else:  # it was moved since
                self._queued[name] = until
                heapreplace(self._heap, (until, name))
        return None

    def due(self, now: float, most: int | None = None) -> list[str]:
        """The names that have ended, ``most`` of them if there are more; they are gone from
        here."""
        ended: list[str] = []
        while len(ended) != most and (at := self.next()) is not None and at <= now:
            _, name = self._heap[0]
            del self._until[name]
            ended.append(name)
        return ended
