"""Keeps a node's agent announcing what a pool's collector tells of.

Asks the collector again and again, and tells the agent what is new, what has changed and what is
gone. While the collector is away, what it said holds for as long as ads do; one that has just come
back does not know yet who is there, so then nobody is taken to be gone for what it does not say.
An agent that comes back is told of everything. Knows no sockets, no clock and no randomness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from glasnost.condor.bridge.daemon import LIFETIME
from glasnost.condor.bridge.gathering import MAX_BRIDGED, Found
from glasnost.core.wire.messages import Entry

#: A collector is asked so often, seconds: HTCondor's daemons speak up every 300 s, and at once
#: when they come or go. Three attributes of ten thousand ads cost it 50 ms.
EVERY: Final = 60.0
#: The first wait for a collector that cannot be asked, doubled each time up to `EVERY`.
FIRST_WAIT: Final = 5.0
#: How long a collector that was started again may take to hear of everybody, seconds: twice
#: UPDATE_INTERVAL, of which daemons let the first pass where they do not notice.
RETURN: Final = 600.0
#: How long what a collector has said holds while it says nothing, seconds.
HOLD: Final = float(LIFETIME)
#: A record that the agent does not take is offered again after so many seconds.
REFUSED_AGAIN: Final = 60.0


@dataclass(frozen=True)
class Answered:
    """Event: the collector's whole answer."""

    found: Found


@dataclass(frozen=True)
class Silent:
    """Event: there was none. ``jitter`` is a random number from 0 to 1."""

    why: str
    jitter: float


@dataclass(frozen=True)
class There:
    """Event: the agent can be told; it knows nothing yet."""


@dataclass(frozen=True)
class Lost:
    """Event: the agent has gone, and with it all that it was told."""


@dataclass(frozen=True)
class Told:
    """Event: the agent has heard; ``refused`` says why of what it did not take, by label."""

    refused: Mapping[str, str]


@dataclass(frozen=True)
class Ask:
    """Effect: ask the collector, then say `Answered` or `Silent`."""


@dataclass(frozen=True)
class Tell:
    """Effect: have the agent withdraw and announce these, then say `Told` or `Lost`."""

    gone: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Say:
    """Effect: somebody may want to know; ``bad``: it is not as it should be."""

    text: str
    bad: bool = True


Event = Answered | Silent | There | Lost | Told
Effect = Ask | Tell | Say


class Following:
    """One pool, and one agent."""

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._ask_at: float | None = 0.0  # None: being asked
        self._failures = 0
        self._heard_at: float | None = None
        self._incarnation: tuple[object, ...] | None = None
        self._young_until = 0.0
        self._wanted: dict[str, Entry] = {}
        self._agent = False
        self._telling: Tell | None = None
        self._told: dict[str, Entry] = {}
        self._refused: dict[str, tuple[Entry, float]] = {}
        self._said: frozenset[str] = frozenset()
        self.away = ""  # why the collector does not answer at the moment

    def __repr__(self) -> str:
        state = f"away: {self.away}" if self.away else "answers"
        return f"<Following {len(self._wanted)} wanted, {len(self._told)} told, collector {state}>"

    @property
    def published(self) -> int:
        """Records that the agent has taken."""
        return len(self._told)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """What to do about an event."""
        effects: list[Effect] = []
        match event:
            case Answered(found):
                effects += self._hear(found, now)
            case Silent(why, jitter):
                effects += self._wait(why, jitter, now)
            case There():
                self._agent = True
            case Lost():
                self._agent, self._telling = False, None
                self._told.clear()
                self._refused.clear()
            case Told(refused):
                effects += self._taken(refused, now)
        return effects + self._next(now)

    def deadline(self) -> float | None:
        """When `tick` should be called."""
        times = [until for _, until in self._refused.values()]
        if self._ask_at is not None:
            times.append(self._ask_at)
        if (end := self._end()) is not None:
            times.append(end)
        return min(times, default=None)

    def tick(self, now: float) -> list[Effect]:
        """Do what is due."""
        effects: list[Effect] = []
        end = self._end()
        if end is not None and now >= end:
            gone, self._wanted = len(self._wanted), {}
            effects.append(
                Say(f"the collector has said nothing for {HOLD:g} s: {_daemons(gone)} withdrawn")
            )
        return effects + self._next(now)

    def _end(self) -> float | None:
        """When what the collector has said does not hold any more, if it stays away."""
        if not self.away or not self._wanted or self._heard_at is None:
            return None
        return self._heard_at + HOLD

    def _next(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self._ask_at is not None and now >= self._ask_at:
            self._ask_at = None
            effects.append(Ask())
        self._refused = {
            name: (entry, until)
            for name, (entry, until) in self._refused.items()
            if until > now and self._wanted.get(name) == entry
        }
        if self._agent and self._telling is None:
            gone = tuple(name for name in self._told if name not in self._wanted)
            new = tuple(
                entry
                for name, entry in self._wanted.items()
                if self._told.get(name) != entry and name not in self._refused
            )
            if gone or new:
                self._telling = Tell(gone, new)
                effects.append(self._telling)
        return effects

    # --- the collector --------------------------------------------------------------------------

    def _hear(self, found: Found, now: float) -> list[Effect]:
        back = self.away
        self._failures, self.away, self._heard_at = 0, "", now
        self._ask_at = now + self._every
        first = self._incarnation is None
        if found.incarnation != self._incarnation:
            self._incarnation = found.incarnation
            if not first:
                self._young_until = now + RETURN
        said = frozenset(found.said)
        effects: list[Effect] = [Say(one) for one in found.said if one not in self._said]
        self._said = said
        before, there = self._wanted, found.entries
        if now < self._young_until:  # some have not come back to it yet
            kept = [name for name in before if name not in there]
            there |= {name: before[name] for name in kept[: max(0, MAX_BRIDGED - len(there))]}
        self._wanted = there
        if first or back or before.keys() != there.keys():
            effects.append(Say(f"the pool has {_daemons(len(there))} to publish", bad=False))
        return effects

    def _wait(self, why: str, jitter: float, now: float) -> list[Effect]:
        longest = min(self._every, FIRST_WAIT * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        self._ask_at = now + longest * (0.5 + 0.5 * jitter)
        already, self.away = self.away, why
        return [] if already else [Say(f"the collector does not answer: {why}")]

    # --- the agent ------------------------------------------------------------------------------

    def _taken(self, refused: Mapping[str, str], now: float) -> list[Effect]:
        assert self._telling is not None, "an answer to nothing"
        told, self._telling = self._telling, None
        for name in told.gone:
            self._told.pop(name, None)
        effects: list[Effect] = []
        for entry in told.entries:
            if why := refused.get(entry.name):
                self._refused[entry.name] = entry, now + REFUSED_AGAIN
                effects.append(Say(f"{entry.name} is not published: {why}"))
            else:
                self._told[entry.name] = entry
        return effects


def _daemons(count: int) -> str:
    return "1 daemon" if count == 1 else f"{count:,} daemons"
