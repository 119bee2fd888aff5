"""Brings requesters together with registered targets, as HTCondor's own broker does.

Knows peers by number, ids, cookies and deadlines; no sockets, no clock, no randomness. Each request
is answered exactly once: `Reply`, or `Join` where a stream begins. A target says what came of a
dial-back; of a stream it is the leg that counts.
"""

from __future__ import annotations

import hmac
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from glasnost.condor.ccb.registry import Entry, Registry
from glasnost.condor.ccb.words import (
    INVALID_ID,
    INVALID_ROUTE,
    MAX_ID_DIGITS,
    MAX_ROUTE,
    MAX_TEXT,
    NO_STREAMING,
    NOT_FORWARDED,
    REQUEST_TIME,
    STREAM_TIME,
    Answered,
    Drop,
    Effect,
    Ended,
    Event,
    Forward,
    Gone,
    Hello,
    Join,
    Limits,
    Registering,
    Reply,
    Wanted,
    Welcome,
    unknown_id,
)
from glasnost.core.protocols.leases import Leases

_ID: Final = re.compile(rf"[0-9]{{1,{MAX_ID_DIGITS}}}", re.ASCII)
_ROUTE: Final = re.compile(rf"{_ID.pattern}( +{_ID.pattern}){{0,{MAX_ROUTE - 1}}}", re.ASCII)


@dataclass(slots=True)
class _Target:
    peer: int
    entry: Entry
    asked: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Errand:
    """A request that is not over."""

    number: int
    wanted: Wanted
    target: int


class Broker:
    """The state of one broker. ``registry`` outlives it."""

    def __init__(self, registry: Registry | None = None, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.registry = registry or Registry()
        self._targets: dict[int, _Target] = {}  # by peer
        self._ids: dict[int, _Target] = {}  # by ccbid
        self._errands: dict[int, _Errand] = {}
        self._asking: dict[int, int] = {}  # a requester's peer: its errand
        self._streams: dict[int, str] = {}  # by errand, with their source
        self._addresses: Counter[str] = Counter()  # of targets
        self._shares: Counter[tuple[str, bool]] = Counter()  # of sources, streaming or not
        self._relayed = 0  # streams, those included that are still being arranged
        self._deadlines = Leases()
        self._last = 0

    def __repr__(self) -> str:
        return "<Broker {targets} targets, {requests} requests, {streams} streams>".format_map(
            self.counts
        )

    @property
    def counts(self) -> dict[str, int]:
        """How much there is of everything that is held; all zero when everybody has gone."""
        return {
            "targets": len(self._targets),
            "requests": len(self._errands),
            "streams": len(self._streams),
            "shares": len(self._shares) + self._relayed,
        }

    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        times = self._deadlines.next(), self.registry.sweep_at()
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> list[Effect]:
        """What is due by now."""
        if (sweep := self.registry.sweep_at()) is not None and sweep <= now:
            self.registry.sweep(now)
        late = [self._errands[int(number)] for number in self._deadlines.due(now)]
        return [self._end(errand, "timed out: the target did not answer") for errand in late]

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take notice of ``event``; what the caller must do about it. What comes from or about
        somebody who is gone leads to nothing."""
        match event:
            case Registering():
                return self._register(event, now)
            case Wanted():
                return self._wanted(event, now)
            case Answered():
                return self._answered(event)
            case Hello():
                return self._hello(event)
            case Gone(peer):
                return self._gone(peer)
            case Ended(request):
                if (source := self._streams.pop(request, None)) is not None:
                    self._give_back(source, True)
        return []

    # --- targets --------------------------------------------------------------------------------

    def _register(self, event: Registering, now: float) -> list[Effect]:
        if event.peer in self._targets:
            return [Drop(event.peer, "it registers twice")]
        entry = None
        if event.old is not None:
            entry = self.registry.claim(event.old, event.ip, event.cookie)
        older = None if entry is None else self._ids.get(entry.ccbid)
        if older is None and len(self._targets) >= self.limits.targets:
            return [Drop(event.peer, f"{len(self._targets)} targets are registered, the limit")]
        most = self.limits.targets_per_source
        if older is None and self._addresses[event.ip] >= most:
            return [Drop(event.peer, f"{most} targets of {event.ip} are registered, its limit")]
        effects: list[Effect] = []
        if older is not None:  # its old connection is dead, and that has not been noticed yet
            effects = [*self._lose(older), Drop(older.peer, "it has registered anew")]
        if entry is None:
            entry = self.registry.new(event.ip, event.fresh, now)
        entry.used, entry.here = now, True
        target = _Target(event.peer, entry)
        self._targets[event.peer] = self._ids[entry.ccbid] = target
        self._addresses[event.ip] += 1
        return [*effects, Welcome(event.peer, entry.ccbid, entry.cookie)]

    def _lose(self, target: _Target) -> list[Effect]:
        del self._targets[target.peer], self._ids[target.entry.ccbid]
        target.entry.here = False
        ip = target.entry.ip
        self._addresses[ip] -= 1
        if not self._addresses[ip]:
            del self._addresses[ip]
        lost = [self._errands[number] for number in sorted(target.asked)]
        return [self._end(errand, NOT_FORWARDED) for errand in lost]

    def _gone(self, peer: int) -> list[Effect]:
        if (target := self._targets.get(peer)) is not None:
            return self._lose(target)
        if (number := self._asking.get(peer)) is not None:
            self._forget(self._errands[number])  # nobody waits for an answer any more
        return []

    # --- requests -------------------------------------------------------------------------------

    def _wanted(self, event: Wanted, now: float) -> list[Effect]:
        if event.peer in self._asking:
            return [Drop(event.peer, "it asks for two targets at once")]
        refusal = self._refusal(event)
        if refusal is not None:
            return [Reply(event.peer, refusal)]
        target = self._ids[int(event.ccbid)]
        self._last += 1
        number = self._last
        self._errands[number] = _Errand(number, event, target.peer)
        self._asking[event.peer] = number
        target.asked.add(number)
        self._share(event.source, event.streaming)
        self._deadlines.set(str(number), now + (STREAM_TIME if event.streaming else REQUEST_TIME))
        return [Forward(target.peer, number, event)]

    def _refusal(self, event: Wanted) -> str | None:
        if not _ID.fullmatch(event.ccbid):
            return INVALID_ID
        if event.route and not _ROUTE.fullmatch(event.route):
            return INVALID_ROUTE
        if int(event.ccbid) not in self._ids:
            return unknown_id(int(event.ccbid))
        if max(map(len, (event.name, event.returns, event.connect_id))) > MAX_TEXT:
            return f"a text of more than {MAX_TEXT} characters"
        return self._too_much(event)

    def _too_much(self, event: Wanted) -> str | None:
        limits, source = self.limits, event.source
        if event.streaming and not limits.streaming:
            return NO_STREAMING
        if len(self._errands) >= limits.requests:
            return f"{len(self._errands)} requests are in flight here, the limit"
        if self._shares[source, False] >= limits.requests_per_source:
            return f"{limits.requests_per_source} requests of {source} are in flight, its limit"
        if not event.streaming:
            return None
        if self._shares[source, True] >= limits.streams_per_source:
            return f"{source} has {limits.streams_per_source} relayed streams, its limit"
        if self._relayed >= limits.streams:
            return f"{limits.streams} streams are relayed here, the limit"
        return None

    def _answered(self, event: Answered) -> list[Effect]:
        target = self._targets.get(event.peer)
        errand = self._find(event.request)
        if target is None or errand is None or errand.number not in target.asked:
            return []  # too late, or nobody asked
        if not _same(event.connect_id, errand.wanted.connect_id):
            return [*self._lose(target), Drop(event.peer, "a result with another's connect id")]
        if event.ok and errand.wanted.streaming:
            return []  # its leg says more
        error = "" if event.ok else event.error[:MAX_TEXT] or "failed to connect"
        return [self._end(errand, error)]

    def _hello(self, event: Hello) -> list[Effect]:
        errand = self._find(event.request)
        if (
            errand is None
            or not errand.wanted.streaming
            or not _same(event.connect_id, errand.wanted.connect_id)
        ):
            return [Drop(event.leg, "nobody waits for this connection")]
        peer, source = errand.wanted.peer, errand.wanted.source
        self._forget(errand)
        self._streams[errand.number] = source
        self._share(source, True)
        return [Join(errand.number, peer, event.leg)]

    def _find(self, request: str) -> _Errand | None:
        return self._errands.get(int(request)) if _ID.fullmatch(request) else None

    def _end(self, errand: _Errand, error: str) -> Effect:
        self._forget(errand)
        return Reply(errand.wanted.peer, error)

    def _forget(self, errand: _Errand) -> None:
        del self._errands[errand.number]
        del self._asking[errand.wanted.peer]
        self._deadlines.drop(str(errand.number))
        if (target := self._targets.get(errand.target)) is not None:
            target.asked.discard(errand.number)
        self._give_back(errand.wanted.source, errand.wanted.streaming)

    def _share(self, source: str, streaming: bool) -> None:
        self._shares[source, streaming] += 1
        self._relayed += streaming

    def _give_back(self, source: str, streaming: bool) -> None:
        self._relayed -= streaming
        self._shares[source, streaming] -= 1
        if not self._shares[source, streaming]:
            del self._shares[source, streaming]


def _same(one: str, other: str) -> bool:
    """Whether two secrets are one, however long that takes to see."""
    return hmac.compare_digest(
        one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape")
    )
