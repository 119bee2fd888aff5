"""The records that a directory has, by name, in order, each with its lease.

Decides nothing: `directory` says what may be kept. Knows no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from glasnost.core.protocols.changes import Change, ChangeLog
from glasnost.core.protocols.leases import Leases
from glasnost.core.protocols.record_index import LabelIndex, Sketch, Sketches
from glasnost.core.protocols.sorted_names import SortedNames
from glasnost.core.routes import Traits
from glasnost.core.wire.messages import Record, Signed


@dataclass(frozen=True)
class Verified:
    """A record whose signature holds, and the bytes that say so."""

    record: Record
    signed: Signed


@dataclass(frozen=True)
class Kept:
    """A record here, when its owner last said that it stands, and when its lease ends."""

    record: Record
    signed: Signed
    renewed: float
    until: float
    sketch: Sketch | None = None

    def age(self, now: float) -> float:
        """Seconds since then; never negative, though clocks are set back."""
        return max(0.0, now - self.renewed)


#: Why what nobody has renewed is gone.
EXPIRED: Final = "expired"


class RecordTable:
    """Records by full name, and by label. ``kinds`` are those of stages, for their sketches;
    ``changes`` is told of all but renewals.

    A record whose lease has ended is not seen from that moment; `expire` makes it gone.
    """

    def __init__(self, kinds: Mapping[str, Traits], changes: ChangeLog[Kept]) -> None:
        self._changes = changes
        self._kept: dict[str, Kept] = {}
        self._names = SortedNames()  # for paging
        self._per_node: Counter[str] = Counter()
        self._leases = Leases()
        self._sketches = Sketches(kinds)
        self.labels = LabelIndex()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    def get(self, name: str, now: float) -> Kept | None:
        """What is kept of this name."""
        kept = self._kept.get(name)
        return None if kept is None or kept.until <= now else kept

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
        record, name = verified.record, verified.record.name
        kept = self._kept.get(name)
        if kept is None:
            self._names.add(name)
            self._per_node[_node(name)] += 1
        same = kept is not None and kept.record == record  # renewed, as nearly always
        if kept is not None and same:
            sketch = kept.sketch
        else:
            if kept is not None:
                self._unindex(kept)
            sketch = self._sketches.take(record)
            self.labels.add(name, record.labels)
        now_kept = self._kept[name] = Kept(record, verified.signed, renewed, until, sketch)
        self._leases.set(name, until)
        if not same:
            self._changes.note(Change(name, kept, now_kept))

    def renew(self, kept: Kept, renewed: float, until: float) -> None:
        """Have what is here until then; this is what happens most."""
        name = kept.record.name
        self._kept[name] = Kept(kept.record, kept.signed, renewed, until, kept.sketch)
        self._leases.set(name, until)

    def forget(self, name: str, why: str) -> bool:
        """Have it no longer, and say why. Was it here?"""
        kept = self._kept.pop(name, None)
        if kept is None:
            return False
        self._changes.note(Change(name, kept, None, why))
        self._unindex(kept)
        self._names.remove(name)
        self._per_node[_node(name)] -= 1
        if not self._per_node[_node(name)]:
            del self._per_node[_node(name)]
        self._leases.drop(name)
        return True

    def expire(self, now: float, most: int) -> list[str]:
        """Forget those whose leases have ended, ``most`` of them at once: their names."""
        ended = self._leases.due(now, most)
        for name in ended:
            self.forget(name, EXPIRED)
        return ended

    def walk(self, start: str, after: str, among: SortedNames | None = None) -> Iterator[Kept]:
        """What is here of names above ``after`` that begin with ``start``, in order, though its
        lease have ended. ``among`` are the names to look at; None: all."""
        for name in (self._names if among is None else among).above(after, start):
            yield self._kept[name]

    def _unindex(self, kept: Kept) -> None:
        self._sketches.drop(kept.sketch)
        self.labels.remove(kept.record.name, kept.record.labels)


def _node(name: str) -> str:
    return name.split(".", 2)[1]
