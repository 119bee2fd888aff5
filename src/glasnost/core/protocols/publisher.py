"""Keeps one directory saying what a node wants it to say.

Told which records are wanted, it publishes what changed, renews the rest every third of a lease,
publishes again what the directory has lost, withdraws what is wanted no longer, and waits, longer
each time, while the directory is away. One question is open at a time. Knows no sockets, no
clock, and no randomness.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from glasnost.core.protocols.record_rules import LEASE, MAX_NAMES, MAX_PAGE
from glasnost.core.wire.messages import (
    Done,
    Message,
    Publish,
    Published,
    Renew,
    Renewed,
    Signed,
    Withdraw,
    decode_record,
)

#: Seconds of the first wait for a directory that is away: it may be just restarting. Doubled
#: each time, and jittered down to half.
FIRST_WAIT: Final = 0.5
#: The longest wait. A directory that comes back keeps what it had for a lease of 60 s, so this is
#: soon enough; and 10,000 nodes that come back within 15 to 30 s do not exceed the 400 or so
#: handshakes per second that it can do.
LONGEST_WAIT: Final = 30.0
#: When a refused record is offered again, although nothing changed here: quotas get free.
REFUSED_AGAIN: Final = 60.0
#: Renewals come no faster, whatever lease a directory claims.
FASTEST_RENEWAL: Final = 0.1


@dataclass(frozen=True)
class Wanted:
    """Event: exactly these records, by full name, are to be published from now on."""

    records: Mapping[str, Signed]


@dataclass(frozen=True)
class Answered:
    """Event: the directory's answer to the last `Ask`."""

    message: Message


@dataclass(frozen=True)
class Away:
    """Event: the last `Ask` got no answer, or a refusal of the whole. ``jitter`` is a random
    number from 0 to 1."""

    why: str
    jitter: float


@dataclass(frozen=True)
class Ask:
    """Effect: ask the directory this, then say `Answered` or `Away`."""

    message: Publish | Renew | Withdraw


@dataclass(frozen=True)
class Report:
    """Effect: the owner of this record should know that the directory does not take it."""

    name: str
    why: str


@dataclass(frozen=True)
class Hurry:
    """Event: whatever kept us from a directory that is away may be over: this host has slept, or
    is on another network now. ``jitter`` is a random number from 0 to 1."""

    jitter: float


Event = Wanted | Answered | Away | Hurry
Effect = Ask | Report


class Publishing:
    """What one directory should have, and what it is known to have."""

    def __init__(self) -> None:
        self._wanted: dict[str, Signed] = {}
        # What the directory has; None where it may or may not have something.
        self._there: dict[str, Signed | None] = {}
        self._refused: dict[str, tuple[Signed, float]] = {}  # until when it is not offered again
        self._asked: tuple[Ask, tuple[str, ...], float] | None = None
        self._renew_at = math.inf
        self._retry_at: float | None = None
        self._failures = 0
        self.away = ""  # why the directory is not reached at the moment

    def __repr__(self) -> str:
        state = f"away: {self.away}" if self.away else f"{len(self._there)} there"
        return f"<Publishing {len(self._wanted)} wanted, {state}>"

    @property
    def settled(self) -> bool:
        """Is nothing to be told to the directory but renewals?"""
        asking = self._asked is not None and not isinstance(self._asked[0].message, Renew)
        return not asking and not self._unpublished() and not self._unwanted()

    @property
    def refused(self) -> tuple[str, ...]:
        """Names of wanted records that the directory did not take."""
        return tuple(
            name for name, signed in self._wanted.items() if self._is_refused(name, signed)
        )

    def handle(self, event: Event, now: float) -> list[Effect]:
        """What to do about an event."""
        effects: list[Effect] = []
        match event:
            case Wanted(records):
                self._wanted = dict(records)
            case Answered(message):
                effects += self._hear(message, now)
            case Away(why, jitter):
                self._wait(why, jitter, now)
            case Hurry(jitter) if self._retry_at is not None:
                self._failures = 0
                self._retry_at = min(self._retry_at, now + FIRST_WAIT * jitter)
        self._retry_refused(now)
        return effects + self._next(now)

    def deadline(self) -> float | None:
        """When `tick` should be called."""
        if self._asked is not None:
            return None
        if self._retry_at is not None:
            return self._retry_at
        again = (until for name, (_, until) in self._refused.items() if name in self._wanted)
        at = min(self._renew_at, *again, math.inf)
        return None if at == math.inf else at

    def tick(self, now: float) -> list[Effect]:
        """Do what is due."""
        self._retry_refused(now)
        return self._next(now)

    # --- what to ask ----------------------------------------------------------------------------

    def _next(self, now: float) -> list[Effect]:
        if self._asked is not None or (self._retry_at is not None and now < self._retry_at):
            return []
        self._retry_at = None
        if now >= self._renew_at and (names := self._renewable()[:MAX_NAMES]):
            sequences = tuple(_sequence(self._wanted[name]) for name in names)
            return self._ask(Renew(names=names, sequences=sequences), names, now)
        if names := self._unwanted()[:MAX_NAMES]:
            return self._ask(Withdraw(names=names), names, now)
        if names := self._unpublished()[:MAX_PAGE]:
            for name in names:
                self._there[name] = None
            records = tuple(self._wanted[name] for name in names)
            return self._ask(Publish(records=records), names, now)
        return []

    def _ask(
        self, message: Publish | Renew | Withdraw, names: tuple[str, ...], now: float
    ) -> list[Effect]:
        ask = Ask(message)
        self._asked = ask, names, now
        return [ask]

    def _renewable(self) -> tuple[str, ...]:
        return tuple(name for name, signed in self._wanted.items() if self._has(name, signed))

    def _unwanted(self) -> tuple[str, ...]:
        return tuple(name for name in self._there if name not in self._wanted)

    def _unpublished(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, signed in self._wanted.items()
            if not self._has(name, signed) and not self._is_refused(name, signed)
        )

    def _has(self, name: str, signed: Signed) -> bool:
        return self._there.get(name) == signed

    def _is_refused(self, name: str, signed: Signed) -> bool:
        return name in self._refused and self._refused[name][0] == signed

    def _retry_refused(self, now: float) -> None:
        self._refused = {
            name: (signed, until)
            for name, (signed, until) in self._refused.items()
            if until > now and self._wanted.get(name) == signed
        }

    # --- what was heard -------------------------------------------------------------------------

    def _hear(self, message: Message, now: float) -> list[Effect]:
        assert self._asked is not None, "an answer to nothing"
        (ask, names, asked_at), self._asked = self._asked, None
        self._failures, self.away = 0, ""
        reports: list[Effect] = []
        match ask.message, message:
            case Publish(records=records), Published(lease=lease, refused=refused):
                for number, name in enumerate(names):
                    why = refused[number] if number < len(refused) else ""
                    if why:
                        self._refused[name] = records[number], now + REFUSED_AGAIN
                        reports.append(Report(name, why))
                    else:
                        self._there[name] = records[number]
                # Renewals cover all; the oldest lease says when.
                self._renew_at = min(self._renew_at, asked_at + _third(lease))
            case Renew(), Renewed(lease=lease, unknown=unknown):
                # It has none of these, or older ones.
                self._there.update(dict.fromkeys(set(unknown) & self._there.keys()))
                self._renew_at = asked_at + _third(lease)
            case Withdraw(), Done():
                for name in names:
                    self._there.pop(name, None)
        return reports

    def _wait(self, why: str, jitter: float, now: float) -> None:
        """Come back later; and then first renew, to hear what the directory still has."""
        self._asked, self.away = None, why
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2**self._failures)
        self._failures = min(self._failures + 1, 16)  # 2**16 is far above the longest wait
        self._retry_at = now + longest * (0.5 + 0.5 * jitter)
        self._renew_at = now


def _sequence(signed: Signed) -> int:
    return decode_record(signed.payload).sequence


def _third(lease: float) -> float:
    """Seconds until the next renewal."""
    return max(FASTEST_RENEWAL, (lease or LEASE) / 3)
