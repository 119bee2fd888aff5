"""Sessions are kept for their time, for their commands, and in bounded room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasnost.condor.security.sessions import (
    GRACE,
    STRANGERS_SHARE,
    ClientSessions,
    Identity,
    ServerSessions,
    Session,
)

A, B = "<192.0.2.1:1>", "<192.0.2.2:2>"


def session(name: str, *commands: int, duration: int = 60, lease: int = 0) -> Session:
    return Session(name, None, commands=frozenset(commands), duration=duration, lease=lease)


def test_a_server_keeps_one_for_its_time_and_some() -> None:
    kept = ServerSessions()
    kept.add(session("s"), now=0)
    assert kept.find("s", now=60 + GRACE - 1) is not None
    assert kept.find("s", now=60 + GRACE) is None
    assert len(kept) == 0


def test_a_server_forgets_one_that_is_idle_and_keeps_one_that_is_used() -> None:
    kept = ServerSessions()
    kept.add(session("s", duration=1000, lease=10), now=0)
    for now in (9, 18, 27):
        assert kept.find("s", now) is not None
    assert kept.find("s", 37) is None


def test_a_server_has_room_for_so_many_and_forgets_the_one_used_least_recently() -> None:
    kept = ServerSessions(limit=3 * STRANGERS_SHARE)
    for name in "abc":
        kept.add(session(name), now=0)
    kept.find("a", now=1)
    kept.add(session("d"), now=2)
    assert [name for name in "abcd" if kept.find(name, now=2)] == ["a", "c", "d"]
    kept.drop("a")
    kept.drop("nobody's")
    assert len(kept) == 2


def test_strangers_sessions_make_no_room_for_more_of_themselves() -> None:
    kept = ServerSessions(limit=10)
    known = replace(session("known"), identity=Identity("condor@pool", "IDTOKENS"))
    kept.add(known, now=0)
    for number in range(100):
        kept.add(session(str(number)), now=1)
    assert kept.find("known", now=2) == known
    assert kept.find("99", now=2) is not None
    assert len(kept) == 1 + 10 // STRANGERS_SHARE


def test_what_is_over_makes_room_first() -> None:
    kept = ServerSessions(limit=100 * STRANGERS_SHARE)
    for number in range(50):
        kept.add(session(str(number), duration=10), now=0)
    kept.add(session("new"), now=1000)
    assert len(kept) == 1


def test_a_client_finds_one_by_address_and_command() -> None:
    kept = ClientSessions()
    kept.add(A, session("one", 5, 6), now=0)
    kept.add(B, session("two", 7), now=0)
    found = [(a, c) for a in (A, B) for c in (5, 6, 7) if kept.find(a, c, now=59)]
    assert found == [(A, 5), (A, 6), (B, 7)]
    assert kept.find(A, 5, now=60) is None
    assert kept.find(A, 5, now=0, tag="somebody else") is None


def test_a_client_uses_the_newest_and_keeps_none_that_is_good_for_less() -> None:
    kept = ClientSessions()
    kept.add(A, session("reads", 5), now=0)
    kept.add(A, session("writes", 1), now=1)
    assert len(kept) == 2
    kept.add(A, session("both", 1, 5), now=2)
    assert len(kept) == 1
    both = kept.find(A, 1, now=2)
    assert both is not None
    assert both.name == "both"
    kept.drop(A, both)
    kept.drop(A, both)
    assert kept.find(A, 1, now=2) is None


@pytest.mark.parametrize(("lease", "good"), [(0, True), (100, True), (30, False), (5, False)])
def test_a_client_does_not_come_back_when_the_server_may_just_have_forgotten(
    lease: int, good: bool
) -> None:
    kept = ClientSessions()
    kept.add(A, session("s", 5, duration=1000, lease=lease), now=0)
    assert (kept.find(A, 5, now=15) is not None) is good


def test_a_client_has_room_for_so_many() -> None:
    kept = ClientSessions(limit=2)
    for number, address in enumerate((A, B, "<192.0.2.3:3>")):
        kept.add(address, session(f"s{number}", 5), now=0)
    assert len(kept) == 2
    assert kept.find(A, 5, now=0) is None
    assert kept.find(B, 5, now=0) is not None
