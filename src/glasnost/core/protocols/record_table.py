"""The records that a directory has, by name, in order, each with its lease.

Decides nothing: `directory` says what may be kept. Knows no clock.
"""

from __future__ import annotations

import fnmatch
import re
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from glasnost.core.protocols.leases import Leases
from glasnost.core.wire.messages import Record, Signed


@dataclass(frozen=True)
class Verified:
    """A record whose signature holds, and the bytes that say so."""

    record: Record
    signed: Signed


@dataclass(frozen=True)
class Kept:
    """A record here, and when its owner last said that it stands."""

    record: Record
    signed: Signed
    renewed: float

    def age(self, now: float) -> float:
        """Seconds since then; never negative, though clocks are set back."""
        return max(0.0, now - self.renewed)


class RecordTable:
    """Records by full name."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}
        self._names: list[str] = []  # sorted, for paging
        self._per_node: Counter[str] = Counter()
        self._leases = Leases()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    def get(self, name: str) -> Kept | None:
        """What is kept of this name."""
        return self._kept.get(name)

    @property
    def nodes(self) -> int:
        """How many nodes have records here."""
        return len(self._per_node)

    def of_node(self, node: str) -> int:
        """How many records this node has."""
        return self._per_node.get(node, 0)

    def next_end(self) -> float | None:
        """When the first lease ends."""
        return self._leases.next()

    def keep(self, verified: Verified, renewed: float, until: float) -> None:
        """Have this record, instead of what was there, until its lease ends."""
        name = verified.record.name
        if name not in self._kept:
            insort(self._names, name)
            self._per_node[_node(name)] += 1
        self._kept[name] = Kept(verified.record, verified.signed, renewed)
        self._leases.set(name, until)

    def forget(self, name: str) -> bool:
        """Have it no longer. Was it here?"""
        if name not in self._kept:
            return False
        del self._kept[name]
        del self._names[bisect_left(self._names, name)]
        self._per_node[_node(name)] -= 1
        if not self._per_node[_node(name)]:
            del self._per_node[_node(name)]
        self._leases.drop(name)
        return True

    def expire(self, now: float) -> list[str]:
        """Forget those whose leases have ended: their names."""
        ended = self._leases.due(now)
        for name in ended:
            self.forget(name)
        return ended

    def page(self, glob: str, after: str, limit: int) -> tuple[list[Kept], bool]:
        """The first records that match, of names above ``after``; and whether there are more."""
        names = list(islice(self._matching(glob, after), limit + 1))
        return [self._kept[name] for name in names[:limit]], len(names) > limit

    def _matching(self, glob: str, after: str) -> Iterator[str]:
        """Looks only at names with the glob's plain beginning."""
        start = re.split(r"[*?[]", glob, maxsplit=1)[0]
        matches = re.compile(fnmatch.translate(glob)).match
        at = max(bisect_right(self._names, after), bisect_left(self._names, start))
        while at < len(self._names) and self._names[at].startswith(start):
            if matches(self._names[at]):
                yield self._names[at]
            at += 1


def _node(name: str) -> str:
    return name.split(".", 2)[1]
