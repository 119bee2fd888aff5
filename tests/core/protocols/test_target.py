"""Staying registered: arithmetic on pauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols.target import (
    ATTEMPT,
    LONGEST_PAUSE,
    STEADY,
    TRANSITIONS,
    Connect,
    Drop,
    Lost,
    Registrations,
    State,
    Stop,
    Welcomed,
)


def connected(now: float = 0) -> Registrations:
    registrations = Registrations(["b1"], now)
    assert registrations.tick(now) == [Connect("b1")]
    return registrations


def registered(now: float = 0) -> Registrations:
    registrations = connected(now)
    registrations.handle("b1", Welcomed("node7", "203.0.113.7:4711"), now)
    return registrations


def test_all_brokers_are_tried_at_once_and_each_once() -> None:
    registrations = Registrations(["b1", "b2", "b1"], now=0)
    assert registrations.deadline() == 0
    assert registrations.tick(0) == [Connect("b1"), Connect("b2")]
    assert registrations.deadline() is None


def test_a_registration_says_how_we_are_seen() -> None:
    [status] = registered(now=5).status()
    assert (status.state, status.since) == (State.REGISTERED, 5)
    assert (status.contact, status.observed) == ("node7", "203.0.113.7:4711")


def test_the_pause_doubles_and_is_never_long() -> None:
    registrations, now, pauses = connected(), 0.0, []
    for _ in range(9):
        registrations.handle("b1", Lost("Connection refused", jitter=1.0), now)
        due = registrations.deadline()
        assert due is not None
        pauses.append(due - now)
        now = due
        assert registrations.tick(now) == [Connect("b1")]
    assert pauses == [0.5, 1, 2, 4, 8, 8, 8, 8, 8]


def test_who_has_slept_tries_again_at_once_and_not_all_in_one_moment() -> None:
    registrations, now = connected(), 0.0
    for _ in range(6):
        registrations.handle("b1", Lost("no route to host", jitter=1.0), now)
        now = registrations.deadline() or 0.0
        registrations.tick(now)
    registrations.handle("b1", Lost("no route to host", jitter=1.0), now)
    assert registrations.deadline() == now + LONGEST_PAUSE
    assert registrations.hurry(now + 1, jitter=0.5) == []
    assert registrations.deadline() == now + 1.25
    assert registrations.hurry(now + 1.1, jitter=1.0) == []  # later is no hurry
    assert registrations.deadline() == now + 1.25
    assert registrations.tick(now + 1.25) == [Connect("b1")]
    assert registrations.hurry(now + 2, jitter=0.0) == []  # it is trying
    assert registered().hurry(1, jitter=0.0) == []


@given(st.integers(1, 5000), st.floats(0, 1))
def test_every_pause_is_bounded_and_never_nothing(failures: int, jitter: float) -> None:
    registrations = connected()
    registrations._registrations["b1"].failures = failures - 1
    registrations.handle("b1", Lost("", jitter), 0)
    assert 0.25 <= (registrations.deadline() or 0) <= LONGEST_PAUSE


@pytest.mark.parametrize("missed", [0, 1, 3, 7])
def test_a_broker_that_returns_is_called_within_ten_seconds(missed: float) -> None:
    """However long it was away, and even where it was so silent that attempts hang: it returns
    just after the kernel has asked for it, so many seconds into an attempt."""
    asked_again = next(at for at in (1, 3, 7, 15) if at > missed)
    registrations, called = connected(), float(asked_again)
    if asked_again > ATTEMPT:
        registrations._registrations["b1"].failures = 1000
        registrations.handle("b1", Lost("timeout", jitter=1.0), ATTEMPT)
        called = registrations.deadline() or 0
    assert called - missed <= 10


def test_jitter_spreads_those_who_lost_the_same_broker() -> None:
    pauses = []
    for jitter in (0.0, 0.5, 1.0):
        registrations = registered(0)
        registrations.handle("b1", Lost("gone", jitter), 100)
        pauses.append((registrations.deadline() or 0) - 100)
    assert pauses == [0.25, 0.375, 0.5]


def test_a_registration_that_held_starts_the_pauses_anew() -> None:
    registrations = connected(0)
    for _ in range(5):
        registrations.handle("b1", Lost("no", 1.0), 0)
        registrations.tick(100)
    registrations.handle("b1", Welcomed(), 100)
    registrations.handle("b1", Lost("restarted", 1.0), 100 + STEADY)
    assert registrations.deadline() == 100 + STEADY + 0.5


def test_one_that_is_replaced_at_once_backs_off() -> None:
    registrations, now, pauses = connected(), 0.0, []
    for _ in range(4):
        registrations.handle("b1", Welcomed(), now)
        registrations.handle("b1", Lost("replaced", 1.0), now)
        due = registrations.deadline() or 0
        pauses.append(due - now)
        now = due
        registrations.tick(now)
    assert pauses == [0.5, 1, 2, 4]


def test_one_broker_does_not_hold_up_another() -> None:
    registrations = Registrations(["b1", "b2"], now=0)
    registrations.tick(0)
    registrations.handle("b1", Lost("no", 1.0), 0)
    registrations.handle("b2", Welcomed(), 0)
    assert registrations.tick(0.4) == []
    assert registrations.tick(0.5) == [Connect("b1")]
    assert [s.state for s in registrations.status()] == [State.CONNECTING, State.REGISTERED]


def test_the_reason_is_kept_for_people() -> None:
    registrations = connected()
    registrations.handle("b1", Lost("Connection refused", 1.0), 0)
    [status] = registrations.status()
    assert (status.state, status.failures, status.why) == (State.WAITING, 1, "Connection refused")
    assert repr(registrations) == "<Registrations b1 waiting>"


def test_stopping_drops_what_stands_and_what_is_being_made() -> None:
    registrations = Registrations(["b1", "b2", "b3"], now=0)
    registrations.tick(0)
    registrations.handle("b1", Welcomed(), 0)
    registrations.handle("b3", Lost("no", 1.0), 0)
    assert registrations.stop(1) == [Drop("b1"), Drop("b2")]
    assert registrations.deadline() is None
    assert registrations.handle("b2", Welcomed(), 2) == []
    assert registrations.handle("b1", Lost("closed", 0.5), 2) == []
    assert registrations.tick(1e9) == []
    assert registrations.stop(3) == []


def test_the_list_of_brokers_may_change() -> None:
    registrations = registered()
    assert registrations.follow(["b1", "b2"], 5) == []
    assert registrations.tick(5) == [Connect("b2")]
    assert registrations.follow(["b2"], 6) == [Drop("b1")]
    assert [status.broker for status in registrations.status()] == ["b2"]
    assert registrations.follow(["b1", "b2"], 7) == []
    assert registrations.tick(7) == [Connect("b1")]


def test_what_the_table_does_not_have_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="Welcomed while registered is a bug"):
        registered().handle("b1", Welcomed(), 1)


def test_every_state_can_be_stopped_and_nothing_leaves_stopped() -> None:
    for state, row in TRANSITIONS.items():
        assert (row.get(Stop) is State.STOPPED) == (state is not State.STOPPED)
    assert TRANSITIONS[State.STOPPED] == {}
