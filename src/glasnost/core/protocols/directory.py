"""Keeps the records of a pool: who may change which, for how long, and who is told what.

Serves from memory; a store is told of every change, and whoever asked for it is answered once it
is durable (see `writes`). Signatures are verified before a record comes here. Knows no sockets,
no disk and no clock: ``now`` is seconds since 1970, like the ``not_after`` of records.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from glasnost.core.protocols.queries import Queries
from glasnost.core.protocols.record_rules import (
    LEASE,
    MAX_NAMES,
    MAX_RECORDS,
    RECORDS_PER_NODE,
    not_of,
    problem,
    refusal,
    shown,
)
from glasnost.core.protocols.record_table import RecordTable, Verified
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


Event = Restored | Offered | Asked | Written | NotWritten
Effect = Answer | Write
No = tuple[str, str]  # why a whole question is refused: the code, the sentence


_NO_KINDS: Final[Mapping[str, Traits]] = {}


class Directory:
    """The records of one pool. ``kinds`` are the stages that queries by reachability know of:
    without them nobody reaches anybody."""

    def __init__(
        self,
        domain: str,
        *,
        lease: float = LEASE,
        max_records: int = MAX_RECORDS,
        kinds: Mapping[str, Traits] = _NO_KINDS,
    ) -> None:
        self._domain = domain
        self._lease, self._max_records = lease, max_records
        self._writes = Writes()
        self.table = RecordTable(kinds)
        self._queries = Queries(self.table, kinds)

    def __repr__(self) -> str:
        return f"<Directory of {self._domain}: {len(self.table)} records>"

    @property
    def waiting(self) -> int:
        """How many answers wait for the store."""
        return self._writes.waiting

    def handle(self, event: Event, now: float) -> list[Effect]:
        """What to do about an event. What has ended by ``now`` is gone first."""
        self._expire(now)
        effects: list[Effect] = []
        match event:
            case Asked(peer, _, Lookup() as question):
                effects.append(Answer(peer, self._look_up(question, now)))
            case Asked(peer, _, List() as question):
                effects.append(Answer(peer, self._list(question, now)))
            case Asked(peer, node, (Renew() | Withdraw()) as question):
                effects += self._change(peer, node, question, now)
            case Offered():
                effects += self._publish(event, now)
            case Written():
                effects += self._writes.written()
            case NotWritten(why):
                effects += self._writes.not_written(why, now)
            case Restored():
                self._restore(event, now)
        return [*effects, *self._writes.begin(now)]

    def deadline(self) -> float | None:
        """When `tick` should be called: a lease ends, or a failed write is tried again."""
        times = (self.table.next_end(), self._writes.deadline())
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> list[Effect]:
        """Do what is due."""
        self._expire(now)
        return [*self._writes.begin(now)]

    # --- changes --------------------------------------------------------------------------------

    def _publish(self, offer: Offered, now: float) -> list[Answer]:
        if not offer.node or self._writes.full:
            no = _BEHIND if offer.node else _NOT_A_NODE
            return [Answer(offer.peer, _failed(offer, no))]
        refused, taken = [], []
        for offered in offer.records:
            why = offered if isinstance(offered, str) else self._refusal(offered, offer.node, now)
            refused.append(why)
            if not why and isinstance(offered, Verified):
                self._take(offered, now)
                taken.append(offered.record.name)
        answer = Published(id=offer.id, lease=self._lease, refused=tuple(refused))
        return self._writes.answer(taken, Answer(offer.peer, answer))

    def _refusal(self, offered: Verified, node: str, now: float) -> str:
        """Why this record is not taken from this node, or nothing."""
        record, kept = offered.record, self.table.get(offered.record.name)
        if not self._owns(node, record.name):
            return refusal("denied", not_of(record.name, node))
        if record.not_after <= now:
            return refusal("expired", f"the record of {shown(record.name)} has expired")
        if why := problem(record, offered.signed):
            return why
        if kept is None and self.table.of_node(node) >= RECORDS_PER_NODE:
            return refusal("quota", f"a node may have {RECORDS_PER_NODE} records")
        if kept is None and len(self.table) >= self._max_records:
            return refusal("full", f"this directory keeps {self._max_records} records")
        # The same bytes again are a renewal, and may carry the proof of a newer certificate.
        same = kept is not None and kept.signed.payload == offered.signed.payload
        if kept is not None and not same and record.sequence <= (last := kept.record.sequence):
            return refusal("stale", f"sequence {record.sequence} is not above {last}")
        return ""

    def _take(self, offered: Verified, now: float) -> None:
        kept = self.table.get(offered.record.name)
        if kept is None or kept.signed != offered.signed:
            self._writes.put(offered.record.name, Stored(offered.signed, now))
        self._keep(offered, renewed=now, now=now)

    def _change(
        self, peer: Hashable, node: str, question: Renew | Withdraw, now: float
    ) -> list[Answer]:
        """Renew or withdraw; one name that is another's refuses the whole question."""
        no = self._not_all(node, question.names)
        if no is not None:
            return [Answer(peer, _failed(question, no))]
        act = self._renew if isinstance(question, Renew) else self._withdraw
        return self._writes.answer(question.names, Answer(peer, act(question, now)))

    def _not_all(self, node: str, names: tuple[str, ...]) -> No | None:
        if not node:
            return _NOT_A_NODE
        if len(names) > MAX_NAMES:
            return "too-large", f"{len(names)} names where {MAX_NAMES} may be"
        foreign = [name for name in names if not self._owns(node, name)]
        return ("denied", not_of(foreign[0], node)) if foreign else None

    def _renew(self, question: Renew | Withdraw, now: float) -> Message:
        unknown = []
        for name in question.names:
            if (kept := self.table.get(name)) is None:
                unknown.append(name)
            else:
                self._keep(Verified(kept.record, kept.signed), renewed=now, now=now)
        return Renewed(id=question.id, lease=self._lease, unknown=tuple(unknown))

    def _withdraw(self, question: Renew | Withdraw, now: float) -> Message:
        for name in question.names:
            if self.table.forget(name):
                self._writes.delete(name)
        return Done(id=question.id)

    def _owns(self, node: str, name: str) -> bool:
        """A node owns exactly the names one label below its own."""
        service, _, rest = name.partition(".")
        return service != "" and rest == f"{node}.{self._domain}"

    def _keep(self, verified: Verified, *, renewed: float, now: float) -> None:
        until = min(now + self._lease, verified.record.not_after)
        self.table.keep(verified, renewed, until)

    def _expire(self, now: float) -> None:
        for name in self.table.expire(now):
            self._writes.delete(name)

    def _restore(self, event: Restored, now: float) -> None:
        """Each gets one whole lease: its owner renews it, or it is gone like any other."""
        for verified, published in event.records:
            self._keep(verified, renewed=published, now=now)
        for name in event.lost:
            self._writes.delete(name)
        self._expire(now)

    # --- answers --------------------------------------------------------------------------------

    def _look_up(self, question: Lookup, now: float) -> Message:
        kept = self.table.get(question.name)
        if kept is None:
            no = "unknown-name", f"no record of {shown(question.name)} is kept here"
            return _failed(question, no)
        return Found(id=question.id, record=kept.signed, age=kept.age(now))

    def _list(self, question: List, now: float) -> Message:
        try:
            return self._queries.page(question, now)
        except Refused as no:
            return _failed(question, (no.code, no.why))


_NOT_A_NODE: Final = ("denied", "only a node itself may publish, renew and withdraw")
_BEHIND: Final = ("busy", "the directory's disk is behind; try again")


def _failed(question: Message | Offered, no: No) -> Failed:
    return Failed(id=question.id, code=no[0], why=no[1])
