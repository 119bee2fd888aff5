"""The broker's errands: every request that is not over, and what stands for it meanwhile.

Tokens, waiting legs, shares and deadlines change only here, together with their errand, so none of
them outlives it. What an errand's fate means to its two sides is decided in `broker`.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from glasnost.core.protocols.leases import Leases
from glasnost.core.wire.messages import Request

REQUESTER: Final = 0
TARGET: Final = 1


@dataclass(slots=True, eq=False)
class Errand:
    """One request that is not over: ``peer`` asked, ``target`` is to act. The number is our own;
    the target answers with it. ``owners`` are the two members, the requester's first."""

    number: int
    peer: int
    target: int
    owners: tuple[str, str]
    request: Request
    until: float
    #: Relay only: the two tokens, and the legs that came and wait.
    tokens: tuple[bytes, bytes] | None = None
    legs: list[int | None] = field(default_factory=lambda: [None, None])
    #: Relay only: why it failed, kept for a requester's leg that is still on its way.
    failure: tuple[str, str] | None = None

    @property
    def contact(self) -> str:
        """The target in a sentence."""
        return f'"{self.request.contact}"'

    @property
    def waiting(self) -> list[int]:
        return [leg for leg in self.legs if leg is not None]


class Errands:
    """All of them, found by number, by peer, by token and by leg; and the streams that came of
    them. ``requests`` counts those in flight by requester, ``shares`` relayed streams (also those
    still being arranged) by each of their two owners."""

    def __init__(self) -> None:
        self.streams: dict[int, tuple[str, str]] = {}
        self.requests: Counter[str] = Counter()
        self.shares: Counter[str] = Counter()
        self._errands: dict[int, Errand] = {}
        self._asked: defaultdict[int, set[int]] = defaultdict(set)
        self._served: defaultdict[int, set[int]] = defaultdict(set)
        self._tokens: dict[bytes, tuple[int, int]] = {}
        self._legs: dict[int, tuple[int, int]] = {}
        self._deadlines = Leases()
        self._numbers = itertools.count(1)
        self._arranging = 0

    def __len__(self) -> int:
        return len(self._errands)

    @property
    def relayed(self) -> int:
        """Streams, those included that are still being arranged."""
        return self._arranging + len(self.streams)

    @property
    def counts(self) -> dict[str, int]:
        """How much there is of everything; all zero when nothing is left."""
        return {
            "requests": len(self._errands),
            "tokens": len(self._tokens),
            "waiting_legs": len(self._legs),
            "streams": len(self.streams),
            "shares": len(self.requests) + len(self.shares) + self._arranging,
            "indexed": len(self._asked) + len(self._served),
        }

    # --- finding --------------------------------------------------------------------------------

    def get(self, number: int) -> Errand | None:
        return self._errands.get(number)

    def asked_by(self, peer: int) -> Iterator[Errand]:
        """What this peer asked for, oldest first. May be dropped while one goes through them."""
        return self._these(self._asked.get(peer, ()))

    def served_by(self, peer: int) -> Iterator[Errand]:
        """What this target is to do, oldest first."""
        return self._these(self._served.get(peer, ()))

    def next(self) -> float | None:
        """The first deadline."""
        return self._deadlines.next()

    def due(self, now: float) -> list[Errand]:
        """Those whose time is over."""
        return [self._errands[int(number)] for number in self._deadlines.due(now)]

    # --- changing -------------------------------------------------------------------------------

    def begin(
        self,
        peer: int,
        target: int,
        owners: tuple[str, str],
        request: Request,
        until: float,
        tokens: tuple[bytes, bytes] | None,
    ) -> Errand:
        """A new one; with ``tokens`` it leads to a relayed stream, whose place is taken now, so
        that neither side finds out later that there is none."""
        number = next(self._numbers)
        errand = Errand(number, peer, target, owners, request, until, tokens)
        self._errands[number] = errand
        self._asked[peer].add(number)
        self._served[target].add(number)
        self.requests[owners[REQUESTER]] += 1
        self._deadlines.set(str(number), until)
        for side, token in enumerate(tokens or ()):
            self._tokens[_key(token)] = (number, side)
        if tokens is not None:
            self._arranging += 1
            self.shares.update(owners)
        return errand

    def hasten(self, errand: Errand, at: float) -> None:
        """Let it end at ``at``, unless it ends before."""
        errand.until = min(errand.until, at)
        self._deadlines.set(str(errand.number), errand.until)

    def redeem(self, token: bytes) -> tuple[Errand, int] | None:
        """Whose token this is, and of which side; it is used up by asking."""
        number, side = self._tokens.get(_key(token), (0, 0))
        errand = self._errands.get(number)
        if errand is None or errand.tokens is None:
            return None
        if not hmac.compare_digest(errand.tokens[side], token):
            return None
        del self._tokens[_key(token)]
        return errand, side

    def wait(self, errand: Errand, side: int, leg: int) -> None:
        """A leg came, before the other."""
        errand.legs[side] = leg
        self._legs[leg] = (errand.number, side)

    def take_leg(self, leg: int) -> tuple[Errand, int] | None:
        """A leg waits no longer: whose it was."""
        number, side = self._legs.pop(leg, (0, 0))
        errand = self._errands.get(number)
        if errand is None:
            return None
        errand.legs[side] = None
        return errand, side

    def become_stream(self, errand: Errand) -> None:
        """Both legs are here: the errand is over, its place in the shares is the stream's."""
        self.streams[errand.number] = errand.owners
        self._forget(errand)
        self._arranging -= 1

    def end_stream(self, number: int) -> None:
        owners = self.streams.pop(number, None)
        if owners is not None:
            _subtract(self.shares, owners)

    def drop(self, errand: Errand) -> None:
        """It is over, without a stream."""
        self._forget(errand)
        if errand.tokens is not None:
            self._arranging -= 1
            _subtract(self.shares, errand.owners)

    def _forget(self, errand: Errand) -> None:
        number = errand.number
        del self._errands[number]
        self._deadlines.drop(str(number))
        _subtract(self.requests, errand.owners[:TARGET])
        for index, peer in ((self._asked, errand.peer), (self._served, errand.target)):
            index[peer].discard(number)
            if not index[peer]:
                del index[peer]
        for token in errand.tokens or ():
            self._tokens.pop(_key(token), None)
        for leg in errand.waiting:
            self._legs.pop(leg, None)

    def _these(self, numbers: set[int] | tuple[()]) -> Iterator[Errand]:
        for number in sorted(numbers):
            if (errand := self._errands.get(number)) is not None:
                yield errand


def _key(token: bytes) -> bytes:
    """What tokens are found by: how long a lookup takes then says nothing about a token."""
    return hashlib.sha256(token).digest()


def _subtract(counter: Counter[str], names: tuple[str, ...]) -> None:
    for name in names:
        counter[name] -= 1
        if not counter[name]:
            del counter[name]
