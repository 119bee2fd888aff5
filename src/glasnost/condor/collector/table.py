"""One table of ads: found by key and by name, gone when their time is over."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from glasnost.condor.classad import Ad
from glasnost.condor.classad.packed import Packed
from glasnost.condor.classad.shape import Shape
from glasnost.condor.collector.kinds import Key, Kind
from glasnost.condor.collector.updates import Updates

#: Bytes around the lines of one ad: its objects, its key, its places in the dictionaries.
_AROUND = 1200


@dataclass(slots=True, eq=False)
class Kept:
    """An ad as it is kept: its lines in one piece, what its names are, and until when."""

    lines: Packed
    shape: Shape
    heard: float
    until: float
    updates: Updates
    #: Its Name in lower case (only ASCII has cases where HTCondor compares texts). None where there
    #: is none, or its text would have to be evaluated.
    name: bytes | None = None
    absent: bool = False
    #: The names as they came, without ours: the next update will have the same.
    source: Shape | None = None
    #: The private ad that came with it.
    private: Kept | None = None

    @property
    def ad(self) -> Ad:
        return Ad.of_shape(self.lines, self.shape)

    @property
    def size(self) -> int:
        """Bytes of memory, about, without the names."""
        return self.lines.size + _AROUND + (self.private.size if self.private else 0)


class Table:
    """The ads of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.ads: dict[Key, Kept] = {}
        #: Bytes of memory, about.
        self.size = 0
        self._by_name: dict[bytes | None, dict[Key, Kept]] = {}
        #: When to look at which ad; one entry each, or more where its time became shorter.
        self._times: list[tuple[float, Key]] = []

    def put(self, key: Key, kept: Kept) -> None:
        """Keep it, in the place of the one that has this key."""
        old = self.ads.get(key)
        if old is not None:
            self._forget(key, old)
        self.ads[key] = kept
        self.size += kept.size
        self._by_name.setdefault(kept.name, {})[key] = kept
        if old is None or kept.until < old.until:
            heapq.heappush(self._times, (kept.until, key))
        if len(self._times) > 2 * len(self.ads) + 100:  # who puts and removes all day
            self._times = [(one.until, key) for key, one in self.ads.items()]
            heapq.heapify(self._times)

    def remove(self, key: Key) -> Kept | None:
        kept = self.ads.pop(key, None)
        if kept is not None:
            self._forget(key, kept)
        return kept

    def named(self, name: bytes) -> list[Kept]:
        """Those whose Name is this text, in lower case."""
        return list(self._by_name.get(name, {}).values())

    def deadline(self) -> float | None:
        """When the next ad may be gone."""
        return self._times[0][0] if self._times else None

    def expired(self, now: float) -> Iterator[tuple[Key, Kept]]:
        """Those whose time is over, which are taken out."""
        while self._times and self._times[0][0] <= now:
            _, key = heapq.heappop(self._times)
            kept = self.ads.get(key)
            if kept is None:
                continue
            if kept.until > now:
                heapq.heappush(self._times, (kept.until, key))
            else:
                self.remove(key)
                yield key, kept

    def _forget(self, key: Key, kept: Kept) -> None:
        self.size -= kept.size
        same = self._by_name[kept.name]
        del same[key]
        if not same:
            del self._by_name[kept.name]

    def __len__(self) -> int:
        return len(self.ads)

    def __repr__(self) -> str:
        return f"<Table {self.kind.name}: {len(self)} ads>"
