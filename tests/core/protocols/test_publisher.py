"""Scenarios of a publisher and one directory, with exact times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols.publisher import (
    FIRST_WAIT,
    LONGEST_WAIT,
    REFUSED_AGAIN,
    Answered,
    Ask,
    Away,
    Hurry,
    Publishing,
    Report,
    Wanted,
)
from glasnost.core.protocols.record_rules import MAX_PAGE
from glasnost.core.wire.messages import (
    Done,
    Publish,
    Published,
    Record,
    Renew,
    Renewed,
    Signed,
    Withdraw,
    decode_record,
    encode_record,
)


def made(name: str, sequence: int) -> Signed:
    return Signed(encode_record(Record(name, "", sequence=sequence)), b"s", b"c")


def renew(**sequences: int) -> Renew:
    return Renew(names=tuple(sequences), sequences=tuple(sequences.values()))


def read(signed: Signed) -> Record:
    return decode_record(signed.payload)


A, A2, B = made("a", 1), made("a", 2), made("b", 5)


def published(**wanted: Signed) -> Publishing:
    """One whose records the directory took at time 0."""
    publishing = Publishing()
    publishing.handle(Wanted(wanted), 0)
    publishing.handle(taken(len(wanted)), 0)
    assert publishing.settled
    return publishing


def taken(count: int) -> Answered:
    return Answered(Published(lease=60, refused=("",) * count))


def test_what_is_wanted_is_published_at_once_and_renewed_each_third_of_the_lease() -> None:
    publishing = Publishing()
    assert publishing.deadline() is None
    wanted = Wanted({"a": A, "b": B})
    assert publishing.handle(wanted, 100) == [Ask(Publish(records=(A, B)))]
    assert publishing.handle(taken(2), 101) == []
    assert publishing.deadline() == 120
    assert publishing.tick(120) == [Ask(renew(a=1, b=5))]
    assert publishing.deadline() is None, "the answer comes first"
    assert publishing.handle(Answered(Renewed(lease=30)), 121) == []
    assert publishing.deadline() == 130


def test_who_has_slept_asks_again_at_once_and_not_all_in_one_moment() -> None:
    publishing = published(a=A)
    assert publishing.tick(20) == [Ask(renew(a=1))]
    assert publishing.handle(Hurry(jitter=0.0), 21) == []  # it is asking
    for _ in range(8):
        publishing.handle(Away("no route to host", jitter=1.0), 30)
        publishing.tick(publishing.deadline() or 0)
    publishing.handle(Away("no route to host", jitter=1.0), 100)
    assert publishing.deadline() == 100 + LONGEST_WAIT
    assert publishing.handle(Hurry(jitter=0.5), 101) == []
    assert publishing.deadline() == 101 + FIRST_WAIT / 2
    assert publishing.tick(102) == [Ask(renew(a=1))]


def test_only_what_changed_is_published() -> None:
    publishing = published(a=A, b=B)
    assert publishing.handle(Wanted({"a": A2, "b": B}), 5) == [Ask(Publish(records=(A2,)))]
    publishing.handle(taken(1), 5)
    assert publishing.handle(Wanted({"a": A2, "b": B}), 6) == []
    assert publishing.deadline() == 20, "the oldest lease says when"


def test_what_is_wanted_no_longer_is_withdrawn() -> None:
    publishing = published(a=A, b=B)
    assert publishing.handle(Wanted({"b": B}), 5) == [Ask(Withdraw(names=("a",)))]
    assert publishing.handle(Answered(Done()), 5) == []
    assert publishing.tick(20) == [Ask(renew(b=5))]


def test_what_the_directory_has_lost_is_published_again() -> None:
    publishing = published(a=A, b=B)
    publishing.tick(20)
    again = publishing.handle(Answered(Renewed(lease=60, unknown=("b",))), 21)
    assert again == [Ask(Publish(records=(B,)))]
    publishing.handle(taken(1), 21)
    assert publishing.deadline() == 40


def test_a_change_during_a_question_waits_for_its_answer() -> None:
    publishing = Publishing()
    publishing.handle(Wanted({"a": A}), 0)
    assert publishing.handle(Wanted({"a": A2}), 0) == []
    assert publishing.handle(taken(1), 1) == [Ask(Publish(records=(A2,)))]


def test_a_record_is_withdrawn_even_if_nobody_knows_whether_it_arrived() -> None:
    publishing = Publishing()
    publishing.handle(Wanted({"a": A}), 0)
    publishing.handle(Away("cut", jitter=1), 1)
    assert publishing.handle(Wanted({}), 1) == []
    assert not publishing.settled
    assert publishing.tick(1 + FIRST_WAIT) == [Ask(Withdraw(names=("a",)))]


def test_while_a_directory_is_away_the_waits_grow_and_are_jittered() -> None:
    publishing = Publishing()
    publishing.handle(Wanted({"a": A}), 0)
    waits, now = [], 0.0
    for jitter in (1, 0, 1, 1, 1, 1, 1, 1):
        publishing.handle(Away("nobody listens", jitter), now)
        assert publishing.away == "nobody listens"
        at = publishing.deadline()
        assert at is not None
        waits.append(at - now)
        assert publishing.tick(at - 0.01) == []
        assert publishing.tick(at) == [Ask(Publish(records=(A,)))]
        now = at
    assert waits == [0.5, 0.5, 2, 4, 8, 16, LONGEST_WAIT, LONGEST_WAIT]
    publishing.handle(taken(1), now)
    assert publishing.away == ""
    publishing.tick(now + 20)
    publishing.handle(Away("again", 1), now + 20)
    assert publishing.deadline() == now + 20 + FIRST_WAIT, "the count began anew"


def test_back_from_a_break_it_asks_first_what_is_still_there() -> None:
    publishing = published(a=A, b=B)
    publishing.handle(Wanted({"a": A2, "b": B}), 5)
    publishing.handle(Away("restarting", 1), 5)
    assert publishing.tick(5.5) == [Ask(renew(b=5))]
    again = publishing.handle(Answered(Renewed(lease=60, unknown=("b",))), 6)
    assert again == [Ask(Publish(records=(A2, B)))]


def test_a_refused_record_is_reported_and_offered_again_later_or_when_it_changes() -> None:
    publishing = Publishing()
    publishing.handle(Wanted({"a": A, "b": B}), 0)
    quota = Answered(Published(lease=60, refused=("quota: enough", "")))
    assert publishing.handle(quota, 1) == [Report("a", "quota: enough")]
    assert publishing.settled
    assert publishing.refused == ("a",)
    publishing.tick(20)
    publishing.handle(Answered(Renewed(lease=600)), 20)
    assert publishing.deadline() == 1 + REFUSED_AGAIN
    assert publishing.tick(1 + REFUSED_AGAIN) == [Ask(Publish(records=(A,)))]
    publishing.handle(Answered(Published(lease=60, refused=("quota: enough",))), 61)
    assert publishing.handle(Wanted({"a": A2, "b": B}), 62) == [Ask(Publish(records=(A2,)))]


def test_a_refused_change_does_not_keep_the_old_record_alive() -> None:
    publishing = published(a=A)
    publishing.handle(Wanted({"a": A2}), 5)
    publishing.handle(Answered(Published(lease=60, refused=("stale: too old",))), 5)
    assert publishing.tick(20) == []


def test_many_records_go_in_messages_of_a_page() -> None:
    publishing = Publishing()
    wanted = Wanted({str(number): A for number in range(MAX_PAGE + 1)})
    (first,) = publishing.handle(wanted, 0)
    (second,) = publishing.handle(taken(MAX_PAGE), 0)
    assert [len(ask.message.records) for ask in (first, second)] == [MAX_PAGE, 1]  # type: ignore[union-attr]


@pytest.mark.parametrize("lease", [0.0, -1.0, float("nan"), 1e-9, float("inf")])
def test_a_senseless_lease_makes_no_busy_loop(lease: float) -> None:
    publishing = Publishing()
    publishing.handle(Wanted({"a": A}), 0)
    publishing.handle(Answered(Published(lease=lease, refused=("",))), 0)
    at = publishing.deadline()
    assert at is None or at >= 0.1


EVENTS = st.lists(
    st.tuples(st.sets(st.sampled_from("abcd")), st.integers(0, 2), st.sampled_from(["ok", "away"])),
    max_size=30,
)


@given(EVENTS)
def test_whatever_happens_in_the_end_the_directory_has_what_is_wanted(
    events: list[tuple[set[str], int, str]],
) -> None:
    publishing, there, now = Publishing(), dict[str, Signed](), 0.0
    asks: list[Ask] = []

    def answer(fate: str) -> None:
        nonlocal asks
        ask, asks = asks[0], asks[1:]
        assert not asks, "one question at a time"
        reply: Published | Renewed | Done
        match ask.message:
            case Publish(records=records):
                there.update({read(signed).name: signed for signed in records})
                reply = Published(lease=60, refused=("",) * len(records))
            case Renew(names=names, sequences=sequences):
                unknown = tuple(
                    name
                    for name, sequence in zip(names, sequences, strict=True)
                    if name not in there or read(there[name]).sequence < sequence
                )
                reply = Renewed(lease=60, unknown=unknown)
            case _:
                for name in ask.message.names:
                    there.pop(name, None)
                reply = Done()
        event = Answered(reply) if fate == "ok" else Away("lost", 0.5)
        asks += [effect for effect in publishing.handle(event, now) if isinstance(effect, Ask)]

    def run(fate: str) -> None:
        nonlocal now
        if asks:
            answer(fate)
        elif (at := publishing.deadline()) is not None:
            now = at
            asks.extend(effect for effect in publishing.tick(now) if isinstance(effect, Ask))

    wanted: dict[str, Signed] = {}
    for number, (names, version, fate) in enumerate(events, 1):
        wanted = {name: wanted.get(name, made(name, number)) for name in names}
        wanted |= {name: made(name, number) for name in sorted(wanted)[:version]}
        effects = publishing.handle(Wanted(wanted), now)
        asks.extend(effect for effect in effects if isinstance(effect, Ask))
        run(fate)
        there.pop("a", None)  # the directory loses something now and then, or has an old copy
        if "b" in there:
            there["b"] = made("b", 0)
    for _ in range(20):
        run("ok")
    assert there == wanted
    assert publishing.settled
