"""Keeps the records of a pool: who may change which, for how long, and who is told what.

Serves from memory; a store is told of every change, and whoever asked for it is answered once it
is durable (see `writes`). Signatures are verified before a record comes here. Knows no sockets,
no disk and no clock.

There are two times. Leases count ``now``, of a clock that is never set: a wall clock that jumps
ahead for a moment must not end every record of the pool. The ``not_after`` of records is meant in
``wall``, seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final

from glasnost.core.protocols.changes import ChangeLog
from glasnost.core.protocols.queries import Queries, Search
from glasnost.core.protocols.record_rules import (
    LEASE,
    MAX_NAMES,
    MAX_RECORDS,
    RECORDS_PER_NODE,
    from_the_future,
    not_of,
    problem,
    refusal,
    shown,
)
from glasnost.core.protocols.record_table import EXPIRED, Kept, RecordTable, Verified
from glasnost.core.protocols.watches import Watched, Watches
from glasnost.core.protocols.writes import Answer, NotWritten, Stored, Write, Writes, Written
from glasnost.core.routes import Traits
from glasnost.core.wire.messages import (
    Done,
    Failed,
    Found,
    List,
    Lookup,
    Message,
    Published,
    Query,
    Record,
    Renew,
    Renewed,
    Withdraw,
)
from glasnost.errors import Refused


@dataclass(frozen=True)
class Restored:
    """Event, at the start: what the store had, with the time it was published; and the names of
    what can no longer be believed."""

    records: tuple[tuple[Verified, float], ...]
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offered:
    """Event: a node publishes. A record that cannot be believed comes as the reason why not;
    ``node`` is empty where the peer may not change anything."""

    peer: Hashable
    node: str
    id: int
    records: tuple[Verified | str, ...]


@dataclass(frozen=True)
class Asked:
    """Event: another question, of a peer as in `Offered`."""

    peer: Hashable
    node: str
    message: Renew | Withdraw | Lookup | List | Query


@dataclass(frozen=True)
class Searching:
    """Effect: this question has had its share, and is not answered yet. As an event, when it is
    its peer's turn again: go on."""

    peer: Hashable
    search: Search


@dataclass(frozen=True)
class Left:
    """Event: this peer has gone."""

    peer: Hashable


Event = Restored | Offered | Asked | Searching | Watched | Left | Written | NotWritten
Effect = Answer | Searching | Write
No = tuple[str, str]  # why a whole question is refused: the code, the sentence


#: Ended records that one `tick` makes gone, at 5 to 20 µs each: the next follows at once, and
#: others have their turns in between.
SWEEP: Final = 200

_NO_KINDS: Final[Mapping[str, Traits]] = {}


class Directory:
    """The records of one pool. ``kinds`` are the stages that queries by reachability know of:
    without them nobody reaches anybody. ``log`` names this life of it to those who watch: no
    other life may have the same."""

    def __init__(
        self,
        domain: str,
        *,
        lease: float = LEASE,
        max_records: int = MAX_RECORDS,
        kinds: Mapping[str, Traits] = _NO_KINDS,
        log: str = "",
    ) -> None:
        self._domain = domain
        self._lease, self._max_records = lease, max_records
        self._writes = Writes()
        changes = ChangeLog[Kept](log)
        self.table = RecordTable(kinds, changes)
        self.watches = Watches(changes)
        self._queries = Queries(self.table, kinds)

    def __repr__(self) -> str:
        return f"<Directory of {self._domain}: {len(self.table)} records>"

    @property
    def waiting(self) -> int:
        """How many answers wait for the store."""
        return self._writes.waiting

    def handle(self, event: Event, now: float, wall: float | None = None) -> list[Effect]:
        """What to do about an event. ``wall`` is left out where both clocks are one."""
        wall = now if wall is None else wall
        effects: list[Effect] = []
        match event:
            case Asked(peer, _, Lookup() as question):
                effects.append(Answer(peer, self._look_up(question, now)))
            case Asked(peer, _, List() as question):
                effects.append(self._search(Searching(peer, Search.of(question)), now))
            case Searching():
                effects.append(self._search(event, now))
            case Asked(peer, node, (Renew() | Withdraw()) as question):
                effects += self._change(peer, node, question, now, wall)
            case Offered():
                effects += self._publish(event, now, wall)
            case Watched():
                effects += self.watches.begin(event, now)
            case Left(peer):
                self.watches.left(peer)
            case Written():
                effects += self._writes.written()
            case NotWritten(why, emptied):
                effects += self._writes.not_written(why, now)
                if emptied:
                    self._write_all(now, wall)
            case Restored():
                self._restore(event, now, wall)
        return [*effects, *self.watches.look(now), *self._writes.begin(now)]

    def deadline(self) -> float | None:
        """When `tick` should be called: a lease ends, who watches is told, or a failed write is
        tried again."""
        times = (self.table.next_end(), self.watches.deadline(), self._writes.deadline())
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> list[Effect]:
        """Do what is due, or a part of it: then the deadline is not later than ``now``."""
        for name in self.table.expire(now, SWEEP):
            self._writes.delete(name)
        return [*self.watches.look(now), *self._writes.begin(now)]

    # --- changes --------------------------------------------------------------------------------

    def _publish(self, offer: Offered, now: float, wall: float) -> list[Answer]:
        if not offer.node:
            return [Answer(offer.peer, _failed(offer, _NOT_A_NODE))]
        if why := self._writes.refusal(offer.node):
            return [Answer(offer.peer, _failed(offer, ("busy", why)))]
        refused, taken = [], []
        for offered in offer.records:
            if isinstance(offered, str):
                refused.append(offered)
                continue
            self._forget_ended(offered.record.name, now)
            refused.append(why := self._refusal(offered, offer.node, now, wall))
            if not why:
                self._take(offered, now, wall)
                taken.append(offered.record.name)
        answer = Published(id=offer.id, lease=self._lease, refused=tuple(refused))
        return self._writes.answer(taken, Answer(offer.peer, answer), offer.node)

    def _refusal(self, offered: Verified, node: str, now: float, wall: float) -> str:
        """Why this record is not taken from this node, or nothing."""
        record, kept = offered.record, self.table.get(offered.record.name, now)
        if not self._owns(node, record.name):
            return refusal("denied", not_of(record.name, node))
        if record.not_after <= wall:
            return refusal("expired", f"the record of {shown(record.name)} has expired")
        if why := problem(record, offered.signed):
            return why
        if kept is None and self.table.of_node(node) >= RECORDS_PER_NODE:
            return refusal("quota", f"a node may have {RECORDS_PER_NODE} records")
        if kept is None and len(self.table) >= self._max_records:
            return refusal("full", f"this directory keeps {self._max_records} records")
        # The same bytes again are a renewal, and may carry the proof of a newer certificate.
        if kept is None or kept.signed.payload == offered.signed.payload:
            return ""
        last = kept.record.sequence
        if record.sequence <= last and not from_the_future(last, wall):
            return refusal("stale", f"sequence {record.sequence} is not above {last}")
        return ""

    def _take(self, offered: Verified, now: float, wall: float) -> None:
        kept = self.table.get(offered.record.name, now)
        if kept is None or kept.signed != offered.signed:
            self._writes.put(offered.record.name, Stored(offered.signed, wall))
        self._keep(offered, renewed=now, now=now, wall=wall)

    def _change(
        self, peer: Hashable, node: str, question: Renew | Withdraw, now: float, wall: float
    ) -> list[Answer]:
        """Renew or withdraw; one name that is another's refuses the whole question."""
        no = self._not_all(node, question.names)
        if no is not None:
            return [Answer(peer, _failed(question, no))]
        if isinstance(question, Renew):
            message = self._renew(question, now, wall)
        else:
            message = self._withdraw(question)
        return self._writes.answer(question.names, Answer(peer, message), node)

    def _not_all(self, node: str, names: tuple[str, ...]) -> No | None:
        if not node:
            return _NOT_A_NODE
        if len(names) > MAX_NAMES:
            return "too-large", f"{len(names)} names where {MAX_NAMES} may be"
        foreign = [name for name in names if not self._owns(node, name)]
        return ("denied", not_of(foreign[0], node)) if foreign else None

    def _renew(self, question: Renew, now: float, wall: float) -> Message:
        unknown = []
        for name, sequence in zip(
            question.names, chain(question.sequences, repeat(0)), strict=False
        ):
            kept = self.table.get(name, now)
            if kept is None or kept.record.not_after <= wall or kept.record.sequence < sequence:
                unknown.append(name)
            else:
                self.table.renew(kept, now, self._until(kept.record, now, wall))
        return Renewed(id=question.id, lease=self._lease, unknown=tuple(unknown))

    def _withdraw(self, question: Withdraw) -> Message:
        for name in question.names:
            if self.table.forget(name, "withdrawn"):
                self._writes.delete(name)
        return Done(id=question.id)

    def _owns(self, node: str, name: str) -> bool:
        """A node owns exactly the names one label below its own."""
        service, _, rest = name.partition(".")
        return service != "" and rest == f"{node}.{self._domain}"

    def _keep(self, verified: Verified, *, renewed: float, now: float, wall: float) -> None:
        self.table.keep(verified, renewed, self._until(verified.record, now, wall))

    def _until(self, record: Record, now: float, wall: float) -> float:
        """When the lease of a record ends that begins now."""
        return now + min(self._lease, record.not_after - wall)

    def _forget_ended(self, name: str, now: float) -> None:
        """Before anything new is made of a name: `tick` may not have come to it yet."""
        if name in self.table and self.table.get(name, now) is None:
            self.table.forget(name, EXPIRED)
            self._writes.delete(name)

    def _restore(self, event: Restored, now: float, wall: float) -> None:
        """Each gets one whole lease: its owner renews it, or it is gone like any other."""
        for verified, published in event.records:
            renewed = now - max(0.0, wall - published)  # clocks are set, while we were away too
            self._keep(verified, renewed=renewed, now=now, wall=wall)
        for name in event.lost:
            self._writes.delete(name)

    def _write_all(self, now: float, wall: float) -> None:
        """Give the store all that it should have."""
        for kept in self.table.walk("", ""):
            self._writes.put(kept.record.name, Stored(kept.signed, wall - kept.age(now)))

    # --- answers --------------------------------------------------------------------------------

    def _look_up(self, question: Lookup, now: float) -> Message:
        kept = self.table.get(question.name, now)
        if kept is None:
            no = "unknown-name", f"no record of {shown(question.name)} is kept here"
            return _failed(question, no)
        return Found(id=question.id, record=kept.signed, age=kept.age(now))

    def _search(self, searching: Searching, now: float) -> Answer | Searching:
        peer, search = searching.peer, searching.search
        try:
            reached = self._queries.step(search, now)
        except Refused as no:
            return Answer(peer, _failed(search.question, (no.code, no.why)))
        return Searching(peer, reached) if isinstance(reached, Search) else Answer(peer, reached)


_NOT_A_NODE: Final = ("denied", "only a node itself may publish, renew and withdraw")


def _failed(question: Message | Offered, no: No) -> Failed:
    return Failed(id=question.id, code=no[0], why=no[1])
