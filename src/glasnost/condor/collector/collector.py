"""HTCondor's collector: takes ads, keeps them for their time, says which there are.

Knows no sockets and no clock: a caller passes ``now``, calls `tick` when `deadline` says so, and
writes what `Answer.pieces` gives. Nor does it know the language of expressions: where one has to
be evaluated, there is `Work` for somebody who does. What the real one answers by closing the
connection is `Refused` here, with a reason for our log. Who may send what, the caller knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from glasnost.condor.classad import Ad, Value
from glasnost.condor.classad.packed import Packed
from glasnost.condor.classad.shape import as_bytes
from glasnost.condor.classad.syntax import expressions, plausible
from glasnost.condor.collector import kinds
from glasnost.condor.collector.answer import Answer
from glasnost.condor.collector.kinds import Key, word
from glasnost.condor.collector.limits import CollectorLimits
from glasnost.condor.collector.question import questions
from glasnost.condor.collector.selecting import Removal, removal, select
from glasnost.condor.collector.table import Kept, Table
from glasnost.condor.collector.tables import Tables
from glasnost.condor.collector.updates import Updates
from glasnost.errors import Refused

#: What the collector puts in; what a sender says of it does not count.
STAMPS: Final = (
    *("LastHeardFrom", "AuthenticatedIdentity", "AuthenticationMethod"),
    *("UpdatesTotal", "UpdatesSequenced", "UpdatesLost", "UpdatesHistory"),
)
#: What the private ad of a slot gets of the public one.
_IDENTIFIES: Final = ("Name", "MyAddress")
_STAMPS: Final = frozenset(as_bytes(name).lower() for name in STAMPS)


@dataclass(frozen=True)
class Sender:
    """Who sent an ad, as its channel knows."""

    identity: str = "unauthenticated@unmapped"
    method: str | None = None

    @cached_property
    def lines(self) -> list[bytes]:
        """As the attributes that a collector puts in."""
        values: dict[str, Value] = {"AuthenticatedIdentity": self.identity}
        if self.method is not None:
            values["AuthenticationMethod"] = self.method
        return Ad(values).lines()


NOBODY: Final = Sender()

#: What the names of the stamps say is worked out once, as long as somebody holds it.
_SHAPES: Final = [
    Ad.from_lines([b"LastHeardFrom = 0", *sender.lines, *Updates().lines()]).shape
    for sender in (NOBODY, Sender(method="FS"))
]


class Collector:
    """Tables of ads.

    ``is_expression`` tells what a line may say (`condor.judge.parses` knows best), ``keep_absent``
    keeps slots that are heard of no more, as absent.
    """

    def __init__(
        self,
        limits: CollectorLimits | None = None,
        *,
        is_expression: Callable[[str], bool] = plausible,
        keep_absent: bool = False,
    ) -> None:
        self._is_expression = is_expression
        self._limits = limits or CollectorLimits()
        self._tables = Tables(self._limits)
        self._keep_absent = keep_absent

    def update(
        self,
        command: int,
        ad: Ad,
        now: float,
        sender: Sender = NOBODY,
        private: Ad | None = None,
    ) -> bool:
        """Keep an ad. Whether it was kept: the real one drops those without a key silently.

        ``private`` is the second ad of an UPDATE_STARTD_AD.
        """
        table = self._tables.for_update(command, ad)
        if command == kinds.UPDATE_OWN_SUBMITTER:
            _check_owner(ad, sender)
        key = table.kind.key(ad)
        if key is None:
            return False
        self._check(ad)
        old = table.ads.get(key)
        if not ad.shape.index.keys().isdisjoint(_STAMPS):
            ad = ad.without(*STAMPS)
        if command == kinds.MERGE_STARTD:
            return old is not None and self._merge(table, key, old, ad)
        updates = (old.updates if old else Updates()).after(ad)
        stamps = [b"LastHeardFrom = %d" % now, *sender.lines, *updates.lines()]
        kept = self._kept(table, ad.merged(Ad.from_lines(stamps)), now, updates)
        kept.source = ad.shape
        if private is not None and command == kinds.MACHINE.update:
            self._check(private)
            kept.private = self._kept(table, _findable(private, ad, now), now, updates)
        self._tables.put(table, key, kept)
        return True

    def _check(self, ad: Ad) -> None:
        """One line that HTCondor's readers cannot read would spoil every answer it is in."""
        for text in expressions(ad.lines()):
            if not self._is_expression(text):
                # Not the text: it may be a secret that somebody forgot to put in quotes.
                name = next(name for name in ad if ad.text(name) == text)
                raise Refused("expression", f"what an ad says of {name[:60]!r} is no expression")

    def _merge(self, table: Table, key: Key, old: Kept, ad: Ad) -> bool:
        """Change attributes of an ad that is there; its time does not begin anew."""
        kept = self._kept(table, old.ad.merged(ad), old.heard, old.updates)
        kept.private = old.private
        self._tables.put(table, key, kept)
        return True

    def _kept(self, table: Table, ad: Ad, heard: float, updates: Updates) -> Kept:
        lifetime = ad.get("ClassAdLifetime")
        if not isinstance(lifetime, int):
            lifetime = self._limits.lifetime
        name = word(ad, "Name")
        return Kept(
            lines=Packed(ad.lines()),
            shape=ad.shape,
            heard=heard,
            until=heard + min(max(lifetime, 0), self._limits.longest),
            updates=updates,
            absent=table.kind is kinds.MACHINE and ad.get("Absent") is True,
            name=None if name is None else as_bytes(name).lower(),
        )

    def query(self, command: int, ad: Ad, *, trusted: bool = False) -> Answer:
        """What a query asks for. ``trusted``: the asker may see private attributes (it has
        HTCondor's permission NEGOTIATOR or ADMINISTRATOR)."""
        asked = questions(command, ad, trusted=trusted)
        return Answer([one for question in asked for one in select(self._tables, question)])

    def invalidate(self, command: int, ad: Ad) -> Removal:
        """What an invalidation means, for `remove`."""
        return removal(self._tables, command, ad)

    def remove(self, removal: Removal, verdict: Sequence[bool] = ()) -> int:
        """Take out what is meant, ``verdict`` being that on its work; how many there were."""
        table = removal.table
        if table is None:
            return 0
        return sum(self._tables.remove(table, key) for key in removal.meant(verdict))

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._tables.deadline()

    def tick(self, now: float) -> int:
        """Forget the ads whose time is over; how many there were."""
        gone = self._tables.expired(now)
        for table, key, kept in gone:
            if self._keep_absent and table.kind is kinds.MACHINE and not kept.absent:
                absent = Ad({"Absent": True, "ClassAdLifetime": self._limits.longest})
                marked = self._kept(table, kept.ad.merged(absent), kept.heard, kept.updates)
                self._tables.put(table, key, marked)
        return len(gone)

    def counts(self) -> dict[str, int]:
        """How many ads there are of which sort."""
        counts: Counter[str] = Counter()
        for table in self._tables:
            counts[table.kind.name] += len(table)
        return dict(+counts)

    @property
    def size(self) -> int:
        """Bytes of memory that the ads take, about."""
        return self._tables.size

    def __repr__(self) -> str:
        told = ", ".join(f"{count} {name}" for name, count in self.counts().items())
        return f"<Collector: {told or 'empty'}>"


def _findable(private: Ad, ad: Ad, now: float) -> Ad:
    """A private ad with what a negotiator tells by whose it is: startds leave that out."""
    shared = [line for name in _IDENTIFIES if (line := ad.line(name)) is not None]
    return private.merged(Ad.from_lines([as_bytes(f"LastHeardFrom = {int(now)}"), *shared]))


def _check_owner(ad: Ad, sender: Sender) -> None:
    """A submitter's own ad comes from whoever submits."""
    owner = (word(ad, "Name") or "").partition("@")[0]
    if sender.method is None or owner != sender.identity.partition("@")[0]:
        raise Refused("owner", f"{sender.identity} may not send the ad of {owner or 'nobody'}")
