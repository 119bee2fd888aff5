"""Keeps one agent registered with each of its brokers.

Per broker one line of a table; a lost registration is tried again after a pause that doubles and
is jittered, so that a broker that comes back is not run over by all its targets in one second.
Knows no sockets, no clock and no chance: ``now`` and ``jitter`` (0 to 1) are passed in.

The caller's part: on `Connect`, open a channel and register on it, at most `ATTEMPT` seconds for
both, and say `Welcomed` or `Lost`; on `Drop`, close what there is of it, and say no more about it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

#: How long one attempt may take: reaching the broker by several routes, a handshake, an answer.
#: The kernel asks an address that is silent after 1, 3 and 7 s again, and then only after 15 s.
ATTEMPT: Final = 8.0
#: The first pause. A broker restarts in about a second, and is tried again as it is back.
FIRST_PAUSE: Final = 0.5
#: The longest pause. However long a broker was away, it is called within 10 s of its return: an
#: attempt that just missed it ends 1 s later, or is answered 4 s later; then this at most. Those
#: of 20,000 targets cost the front door of a broker's host 3,400 refused connections a second,
#: a sixth of a core; and the broker shakes 400 hands a second, so past 4,000 targets it is its
#: own speed that counts.
LONGEST_PAUSE: Final = 8.0
#: A registration that held this long was a good one, and the next pause is the first again.
#: One that is lost sooner counts as failed: so do two agents of one name that replace each other.
STEADY: Final = 20.0


class State(enum.Enum):
    """What one registration is doing."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    REGISTERED = "registered"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Due:
    """The pause is over."""


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The broker took us; ``contact`` is how it calls us, ``observed`` the address it sees."""

    contact: str = ""
    observed: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no connection, or none any more. ``why``: a sentence."""

    why: str
    jitter: float


@dataclass(frozen=True, slots=True)
class Stop:
    """We do not want to be registered any more."""


Event = Due | Welcomed | Lost | Stop

TRANSITIONS: Final[Mapping[State, Mapping[type[Event], State]]] = {
    State.WAITING: {Due: State.CONNECTING, Stop: State.STOPPED},
    State.CONNECTING: {Welcomed: State.REGISTERED, Lost: State.WAITING, Stop: State.STOPPED},
    State.REGISTERED: {Lost: State.WAITING, Stop: State.STOPPED},
    State.STOPPED: {},
}


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a channel to this broker and register on it."""

    broker: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the channel to this broker, or the attempt to open one."""

    broker: str


Effect = Connect | Drop


@dataclass(frozen=True, slots=True)
class Status:
    """One registration, for people: its state since when, and why it was lost last."""

    broker: str
    state: State
    since: float
    failures: int = 0
    why: str = ""
    contact: str = ""
    observed: str = ""


@dataclass(slots=True)
class _Registration:
    broker: str
    state: State
    since: float
    due: float
    failures: int = 0
    why: str = ""
    welcome: Welcomed = Welcomed()


class Registrations:
    """One agent's registrations with ``brokers``, the first attempts at ``now``.

    >>> registrations = Registrations(["b1"], now=0)
    >>> registrations.tick(0)
    [Connect(broker='b1')]
    >>> registrations.handle("b1", Lost("Connection refused", jitter=1.0), now=1)
    []
    >>> registrations.deadline()
    1.5
    """

    def __init__(self, brokers: Iterable[str], now: float) -> None:
        self._registrations: dict[str, _Registration] = {}
        self.follow(brokers, now)

    def __repr__(self) -> str:
        states = ", ".join(f"{r.broker} {r.state.value}" for r in self._registrations.values())
        return f"<Registrations {states or 'none'}>"

    def status(self) -> tuple[Status, ...]:
        return tuple(
            Status(r.broker, r.state, r.since, r.failures, r.why, *_seen(r))
            for r in self._registrations.values()
        )

    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        waiting = (r.due for r in self._registrations.values() if r.state is State.WAITING)
        return min(waiting, default=None)

    def tick(self, now: float) -> list[Effect]:
        """Try those whose pause is over."""
        effects: list[Effect] = []
        for registration in self._registrations.values():
            if registration.state is State.WAITING and registration.due <= now:
                effects += self._step(registration, Due(), now)
        return effects

    def handle(self, broker: str, event: Event, now: float) -> list[Effect]:
        """What happened with one broker; of one that was left, nothing is to be done any more.
        What the table does not have is a bug of the caller."""
        registration = self._registrations.get(broker)
        return [] if registration is None else self._step(registration, event, now)

    def follow(self, brokers: Iterable[str], now: float) -> list[Effect]:
        """Register with these, and no others, from here on."""
        wanted = dict.fromkeys(brokers)
        effects: list[Effect] = []
        for broker in [broker for broker in self._registrations if broker not in wanted]:
            effects += self._step(self._registrations.pop(broker), Stop(), now)
        for broker in wanted:
            if broker not in self._registrations:
                new = _Registration(broker, State.WAITING, since=now, due=now)
                self._registrations[broker] = new
        return effects

    def hurry(self, now: float, jitter: float) -> list[Effect]:
        """Try all that are waiting within a first pause: what kept us from them may be over, since
        this host has slept, or is on another network now."""
        for registration in self._registrations.values():
            if registration.state is State.WAITING:
                registration.failures = 0
                registration.due = min(registration.due, now + FIRST_PAUSE * jitter)
        return self.tick(now)

    def stop(self, now: float) -> list[Effect]:
        """Leave all brokers, for good."""
        return self.follow((), now)

    def _step(self, registration: _Registration, event: Event, now: float) -> list[Effect]:
        before = registration.state
        after = TRANSITIONS[before].get(type(event))
        assert after is not None, f"{type(event).__name__} while {before.value} is a bug"
        held = now - registration.since
        if after is not before:
            registration.state, registration.since = after, now
        match event:
            case Due():
                return [Connect(registration.broker)]
            case Welcomed() if after is State.REGISTERED:
                registration.welcome = event
            case Lost(why, jitter) if after is State.WAITING:
                steady = before is State.REGISTERED and held >= STEADY
                registration.failures = 1 if steady else registration.failures + 1
                registration.why = why
                registration.due = now + _pause(registration.failures, jitter)
            case Stop() if before in (State.CONNECTING, State.REGISTERED):
                return [Drop(registration.broker)]
        return []


def _pause(failures: int, jitter: float) -> float:
    """Seconds until the next attempt: doubling, and of that the second half by chance."""
    # 2**16 first pauses are nine hours: beyond any bound, and no float overflows.
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + 0.5 * jitter)


def _seen(registration: _Registration) -> tuple[str, str]:
    if registration.state is not State.REGISTERED:
        return "", ""
    return registration.welcome.contact, registration.welcome.observed
