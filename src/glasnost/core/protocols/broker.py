"""Brings requesters together with registered targets: by dial-back, or by joining two legs.

Knows peers and legs by number, contacts, tokens and deadlines; no sockets, no clock, no
randomness. Each request is answered exactly once: `Done` when the target says that it dialled,
`Relay` with the token for the requester's leg, or `Failed`. What goes wrong after `Relay` was said
is told on the requester's leg.

Any member of the pool may ask. The broker cannot see what travels on a relayed stream; that plain
ones are relayed only where the record says ``relay = any`` is held by the two ends, who have the
record. What the broker holds: both are members, and within their quotas.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from glasnost.core.protocols.broker_errands import REQUESTER, TARGET, Errand, Errands
from glasnost.core.protocols.broker_words import (
    LEG_GRACE,
    LEG_WAIT,
    MAX_RETURNS,
    MAX_TIMEOUT,
    Close,
    Effect,
    Ended,
    Event,
    Gone,
    Join,
    Joined,
    LegArrived,
    LegLost,
    Limits,
    Refusal,
    RefuseLeg,
    Said,
    Send,
    Wanted,
    contact_of,
    misshapen,
)
from glasnost.core.wire.header import MAX_WHY
from glasnost.core.wire.messages import (
    DialBack,
    Done,
    Failed,
    Leg,
    Register,
    Registered,
    Relay,
    Request,
)

#: What programs branch on; a target's code that is no such word becomes "failed".
_CODE: Final = re.compile(r"[a-z][a-z-]{0,39}")
#: What tells the programs of one node apart; chosen by themselves, at random.
_PROGRAM: Final = re.compile(r"[a-z0-9]{1,32}")


class Broker:
    """The state of one broker. ``lease``: after how many silent seconds the caller takes a peer
    for dead; targets are told."""

    def __init__(self, limits: Limits | None = None, lease: float = 0.0) -> None:
        self.limits = limits or Limits()
        self._lease = lease
        self._peers: dict[int, Joined] = {}
        self._targets: dict[str, int] = {}  # by contact
        self._contacts: dict[int, str] = {}
        self._connections: Counter[str] = Counter()
        self._errands = Errands()

    def __repr__(self) -> str:
        return "<Broker {targets} targets, {requests} requests, {streams} streams>".format_map(
            self.counts
        )

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(self._targets)

    @property
    def counts(self) -> dict[str, int]:
        """How much there is of everything that is held; all zero when everybody has gone."""
        peers = {"peers": len(self._peers), "targets": len(self._targets)}
        return {**peers, "members": len(self._connections), **self._errands.counts}

    def refuses(self, node: str) -> Refusal | None:
        """Why not one more control connection of this member."""
        if self._connections[node] < self.limits.connections_per_member:
            return None
        return "quota", f"{node} has {self._connections[node]} connections here, its limit"

    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        return self._errands.next()

    def tick(self, now: float) -> list[Effect]:
        """What is due by now."""
        effects: list[Effect] = []
        for errand in self._errands.due(now):
            late = errand.contact if errand.legs[TARGET] is None else "the requester"
            effects += self._fail(errand, now, "timeout", f"{late} did not come in time", True)
        return effects

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take notice of ``event``; what the caller must do about it. What comes from or about
        somebody who is gone leads to nothing."""
        match event:
            case Joined():
                return self._join(event)
            case Said(number, message) if (peer := self._peers.get(number)) is not None:
                return self._said(peer, message, now)
            case Wanted(number, request, tokens) if (peer := self._peers.get(number)) is not None:
                return self._wanted(peer, request, tokens, now)
            case Gone(number) if (peer := self._peers.get(number)) is not None:
                return self._lose(peer, now, "its connection to the broker broke")
            case LegArrived(token, leg):
                return self._leg_arrived(token, leg, now)
            case LegLost(leg):
                return self._leg_lost(leg, now)
            case Ended(stream):
                self._errands.end_stream(stream)
        return []

    # --- peers ----------------------------------------------------------------------------------

    def _join(self, peer: Joined) -> list[Effect]:
        if (refusal := self.refuses(peer.node)) is not None:
            return [Close(peer.peer, *refusal)]
        self._connections[peer.node] += 1
        self._peers[peer.peer] = peer
        return []

    def _said(self, peer: Joined, message: object, now: float) -> list[Effect]:
        match message:
            case Register():
                return self._register(peer, message, now)
            case Done() | Failed():
                return self._answered(peer, message, now)
        why = f"a broker is not told {type(message).__name__}"
        return [Send(peer.peer, Failed(getattr(message, "id", 0), "unexpected", why))]

    def _register(self, peer: Joined, message: Register, now: float) -> list[Effect]:
        id, contact = message.id, contact_of(peer.node, message.program)
        if not peer.agent:
            why = f"only a node's agent registers, and this is {peer.name}"
            return [Send(peer.peer, Failed(id, "not-allowed", why))]
        if message.program and not _PROGRAM.fullmatch(message.program):
            why = "a program is called by 32 letters and digits at most"
            return [Send(peer.peer, Failed(id, "bad-request", why))]
        older = self._peers.get(self._targets.get(contact, 0))
        if older is None and len(self._targets) >= self.limits.targets:
            why = f"{len(self._targets)} targets are registered here, the limit"
            return [Send(peer.peer, Failed(id, "busy", why))]
        effects: list[Effect] = []
        if older is not None and older is not peer:
            why = f"{contact} registered anew from {peer.observed or 'another connection'}"
            effects = [Close(older.peer, "replaced", why), *self._lose(older, now, why)]
        self._forget_target(peer)
        self._targets[contact], self._contacts[peer.peer] = peer.peer, contact
        return [*effects, Send(peer.peer, Registered(id, contact, self._lease, peer.observed))]

    def _forget_target(self, peer: Joined) -> None:
        contact = self._contacts.pop(peer.peer, None)
        if contact is not None:
            del self._targets[contact]

    def _lose(self, peer: Joined, now: float, why: str) -> list[Effect]:
        """A control connection is over, and what hung on it fails."""
        del self._peers[peer.peer]
        self._connections[peer.node] -= 1
        if not self._connections[peer.node]:
            del self._connections[peer.node]
        self._forget_target(peer)
        for errand in self._errands.asked_by(peer.peer):
            self._abandon(errand, now)
        effects: list[Effect] = []
        for errand in self._errands.served_by(peer.peer):
            if errand.legs[TARGET] is None:
                told = f"{errand.contact} was lost: {why}"
                effects += self._fail(errand, now, "target-lost", told)
        return effects

    def _abandon(self, errand: Errand, now: float) -> None:
        """Its requester hung up: nobody waits for a dial-back, but a leg may be on its way."""
        if errand.tokens is None:
            self._errands.drop(errand)
        elif errand.legs[REQUESTER] is None:
            self._errands.hasten(errand, now + LEG_GRACE)

    # --- requests -------------------------------------------------------------------------------

    def _wanted(
        self, peer: Joined, request: Request, tokens: tuple[bytes, bytes], now: float
    ) -> list[Effect]:
        refusal = misshapen(request) or self._refusal(peer, request)
        if refusal is not None:
            return [Send(peer.peer, Failed(request.id, *refusal))]
        timeout = request.timeout if 0 < request.timeout < MAX_TIMEOUT else MAX_TIMEOUT
        target = self._targets[request.contact]
        owners = (peer.node, self._peers[target].node)
        relay = tokens if request.way == "relay" else None
        number = self._errands.begin(
            peer.peer, target, owners, request, now + timeout, relay
        ).number
        if relay is None:
            returns = request.returns[:MAX_RETURNS]
            return [Send(target, DialBack(number, request.reply, returns, peer.name, timeout))]
        return [
            Send(peer.peer, Relay(request.id, relay[REQUESTER])),
            Send(target, Leg(number, relay[TARGET], peer.name, timeout)),
        ]

    def _refusal(self, peer: Joined, request: Request) -> Refusal | None:
        limits, errands = self.limits, self._errands
        if request.contact not in self._targets:
            return "not-registered", f'no target is registered as "{request.contact[:64]}"'
        if errands.requests[peer.node] >= limits.requests_per_member:
            count = errands.requests[peer.node]
            return "quota", f"{peer.node} has {count} requests in flight here, its limit"
        if len(errands) >= limits.requests:
            return "busy", f"{len(errands)} requests are in flight here, the limit"
        if request.way != "relay":
            return None
        for owner in (peer.node, self._peers[self._targets[request.contact]].node):
            if errands.shares[owner] >= limits.streams_per_member:
                return "quota", f"{owner} has {errands.shares[owner]} relayed streams, its limit"
        if errands.relayed >= limits.streams:
            return "busy", f"{errands.relayed} streams are relayed here, the limit"
        return None

    def _answered(self, peer: Joined, message: Done | Failed, now: float) -> list[Effect]:
        errand = self._errands.get(message.id)
        if errand is None or errand.target != peer.peer:
            return []  # too late, or nobody asked
        if isinstance(message, Failed):
            code = message.code if _CODE.fullmatch(message.code) else "failed"
            return self._fail(errand, now, code, message.why[:MAX_WHY])
        if errand.tokens is not None:
            return []  # its leg says more
        self._errands.drop(errand)
        return [Send(errand.peer, Done(errand.request.id))]

    def _fail(
        self, errand: Errand, now: float, code: str, why: str, final: bool = False
    ) -> list[Effect]:
        """End an errand without success, telling everybody who waits. A requester that holds the
        token of a leg is told there; until it comes the reason is kept, unless ``final``."""
        if errand.tokens is None:
            self._errands.drop(errand)
            return [Send(errand.peer, Failed(errand.request.id, code, why))]
        code, why = errand.failure or (code, why)
        refusals: list[Effect] = [RefuseLeg(leg, code, why) for leg in errand.waiting]
        if final or errand.legs[REQUESTER] is not None:
            self._errands.drop(errand)
        else:
            errand.failure = (code, why)
            self._errands.hasten(errand, now + LEG_WAIT)
            for leg in errand.waiting:
                self._errands.take_leg(leg)
        return refusals

    # --- legs -----------------------------------------------------------------------------------

    def _leg_arrived(self, token: bytes, leg: int, now: float) -> list[Effect]:
        found = self._errands.redeem(token)
        if found is None:
            why = "this relay token is not known here: it was used, or its time is over"
            return [RefuseLeg(leg, "unknown-token", why)]
        errand, side = found
        if errand.failure is not None:
            if side == REQUESTER:
                self._errands.drop(errand)
            return [RefuseLeg(leg, *errand.failure)]
        other = errand.legs[1 - side]
        if other is None:
            self._errands.wait(errand, side, leg)
            self._errands.hasten(errand, now + LEG_WAIT)
            return []
        self._errands.become_stream(errand)
        legs = (leg, other) if side == REQUESTER else (other, leg)
        return [Join(errand.number, legs, errand.owners)]

    def _leg_lost(self, leg: int, now: float) -> list[Effect]:
        found = self._errands.take_leg(leg)
        if found is None:
            return []
        errand, side = found
        if side == REQUESTER:  # it knows, and its token is used
            return self._fail(errand, now, "gone", "the requester hung up", final=True)
        return self._fail(errand, now, "target-lost", f"{errand.contact} hung up")
