"""All tables together: which there are, and how much they hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from glasnost.condor.classad import Ad
from glasnost.condor.classad.shape import Shape
from glasnost.condor.collector import kinds
from glasnost.condor.collector.kinds import Key, word
from glasnost.condor.collector.limits import CollectorLimits
from glasnost.condor.collector.table import Kept, Table
from glasnost.errors import Refused


class Tables:
    """The tables, within limits. Ads come and go through here, so that the sums are right."""

    def __init__(self, limits: CollectorLimits) -> None:
        self.limits = limits
        self._known = {name: Table(kind) for name, kind in kinds.KINDS.items()}
        self._generic: dict[str, Table] = {}
        #: How many ads have the same names, which take their memory once.
        self._shapes: Counter[Shape] = Counter()
        self._size_of_shapes = 0
        self._size_of_ads = 0
        #: Before that, no ad's time is over.
        self._soonest = math.inf

    def for_update(self, command: int, ad: Ad) -> Table:
        """The table that an update is for; a generic one is made if there is room."""
        type_ = word(ad, "MyType") or ""
        if command != kinds.UPDATE_GENERIC:
            if command not in kinds.BY_UPDATE:
                raise Refused("unknown", f"a collector knows no update {command}")
            kind = kinds.BY_UPDATE[command]
            is_startd = kind is kinds.MACHINE and type_.lower() == kinds.STARTD.name.lower()
            return self._known[(kinds.STARTD if is_startd else kind).name.lower()]
        if not type_:
            raise Refused("table", "a generic ad has no MyType")
        table = self._generic.get(type_.lower())
        if table is None:
            self._generic = {name: one for name, one in self._generic.items() if one.ads}
            if len(self._generic) >= self.limits.generic_tables:
                raise Refused("full", f"there are {len(self._generic)} generic tables already")
            table = self._generic[type_.lower()] = Table(kinds.generic(type_))
        return table

    def known(self, name: str) -> Table | None:
        """A table of HTCondor's own, by its name in any case."""
        return self._known.get(name.lower())

    def generic(self, name: str) -> Table | None:
        """A table that its senders have named so."""
        return self._generic.get(name.lower())

    def __iter__(self) -> Iterator[Table]:
        yield from self._known.values()
        yield from self._generic.values()

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return self._size_of_shapes + self._size_of_ads

    def put(self, table: Table, key: Key, kept: Kept) -> None:
        """Keep an ad in the place of the one with the same key, if there is room."""
        if kept.lines.size > self.limits.ad:
            raise Refused("full", f"an ad of more than {self.limits.ad} bytes")
        old = table.ads.get(key)
        if old is None and len(table) >= self.limits.ads:
            raise Refused("full", f"{len(table)} ads of {table.kind.name} are kept already")
        ours = (kept, kept.private)
        shapes = {one.shape for one in ours if one and one.shape not in self._shapes}
        more = kept.size - (old.size if old else 0) + 2 * sum(shape.size for shape in shapes)
        if more > 0 and self.size + more > self.limits.total:
            raise Refused("full", f"{self.limits.total} bytes of ads are kept already")
        table.put(key, kept)
        self._soonest = min(self._soonest, kept.until)
        self._count(kept, 1)
        if old is not None:
            self._count(old, -1)

    def remove(self, table: Table, key: Key) -> bool:
        """Whether it was there."""
        kept = table.remove(key)
        if kept is not None:
            self._count(kept, -1)
        return kept is not None

    def expired(self, now: float) -> list[tuple[Table, Key, Kept]]:
        """The ads whose time is over, which are taken out."""
        gone = [(table, key, kept) for table in self for key, kept in table.expired(now)]
        for _, _, kept in gone:
            self._count(kept, -1)
        times = [at for table in self if (at := table.deadline()) is not None]
        self._soonest = min(times, default=math.inf)
        return gone

    def deadline(self) -> float | None:
        """When the next ad may be gone."""
        return None if self._soonest == math.inf else self._soonest

    def _count(self, kept: Kept, step: int) -> None:
        self._size_of_ads += step * kept.size
        for one in (kept, kept.private):
            if one is None:
                continue
            before = self._shapes[one.shape]
            self._shapes[one.shape] += step
            if before == 0:
                self._size_of_shapes += 2 * one.shape.size  # with and without our own lines
            elif before + step == 0:
                self._size_of_shapes -= 2 * one.shape.size
                del self._shapes[one.shape]
