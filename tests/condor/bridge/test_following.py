"""What a bridge asks, tells and says, second by second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.bridge.following import (
    EVERY,
    FIRST_WAIT,
    HOLD,
    REFUSED_AGAIN,
    RETURN,
    Answered,
    Ask,
    Effect,
    Event,
    Following,
    Lost,
    Say,
    Silent,
    Tell,
    There,
    Told,
)
from glasnost.condor.bridge.gathering import Found
from tests.condor.bridge.ads import ad, collector, found

SUBMIT1, SUBMIT2 = "schedd-submit1", "schedd-submit2"


def pool(*names: str, started: int = 1, address: str = "<128.105.1.2:1>") -> Found:
    """The collector, and schedds of these names."""
    ads = [ad(name=f"{name}.example.org", address=address) for name in names]
    return found(collector(started), *ads, roles=("schedd",))


def tells(effects: list[Effect]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What the agent is to withdraw and to announce."""
    return [
        (one.gone, tuple(entry.name for entry in one.entries))
        for one in effects
        if isinstance(one, Tell)
    ]


def says(effects: list[Effect]) -> list[str]:
    return [one.text for one in effects if isinstance(one, Say)]


def started(*names: str) -> Following:
    """At 0 the agent has been told of these."""
    bridge = Following()
    assert bridge.handle(There(), 0) == [Ask()]
    assert tells(bridge.handle(Answered(pool(*names)), 0)) == [
        ((), tuple(f"schedd-{name}" for name in names))
    ]
    assert bridge.handle(Told({}), 0) == []
    return bridge


def again(bridge: Following, answer: Found, now: float) -> list[Effect]:
    """The next answer, after the question that is due."""
    assert bridge.deadline() is not None
    due = bridge.tick(now)
    due.remove(Ask())
    return due + bridge.handle(Answered(answer), now)


def test_a_pool_is_asked_told_of_and_asked_again() -> None:
    bridge = started("submit1")
    assert bridge.published == 1
    assert bridge.deadline() == EVERY
    assert again(bridge, pool("submit1"), EVERY) == []


def test_the_agent_hears_what_has_changed_and_no_more() -> None:
    bridge = started("submit1", "submit2")
    moved = pool("submit2", "submit3")
    assert tells(again(bridge, moved, 60)) == [((SUBMIT1,), ("schedd-submit3",))]
    bridge.handle(Told({}), 60)
    other = pool("submit2", "submit3", address="<128.105.1.2:2>")
    assert tells(again(bridge, other, 120)) == [((), (SUBMIT2, "schedd-submit3"))]


def test_one_thing_is_told_at_a_time() -> None:
    bridge = Following()
    bridge.handle(There(), 0)
    bridge.handle(Answered(pool("submit1")), 0)
    assert tells(again(bridge, pool("submit2"), 60)) == []
    assert tells(bridge.handle(Told({}), 61)) == [((SUBMIT1,), (SUBMIT2,))]


def test_an_agent_that_comes_back_is_told_of_everything() -> None:
    bridge = started("submit1", "submit2")
    assert bridge.handle(Lost(), 10) == []
    assert bridge.published == 0
    assert tells(bridge.handle(There(), 12)) == [((), (SUBMIT1, SUBMIT2))]


def test_an_agent_that_is_lost_while_it_is_told_is_told_anew() -> None:
    bridge = Following()
    bridge.handle(There(), 0)
    bridge.handle(Answered(pool("submit1")), 0)
    bridge.handle(Lost(), 1)
    assert tells(bridge.handle(There(), 2)) == [((), (SUBMIT1,))]


def test_a_record_that_is_refused_is_offered_again_later_or_when_it_is_another() -> None:
    bridge = Following()
    bridge.handle(There(), 0)
    bridge.handle(Answered(pool("submit1", "submit2")), 0)
    effects = bridge.handle(Told({SUBMIT1: "taken: by another"}), 0)
    assert says(effects) == [f"{SUBMIT1} is not published: taken: by another"]
    assert tells(effects) == []
    assert tells(again(bridge, pool("submit1", "submit2"), REFUSED_AGAIN)) == [((), (SUBMIT1,))]
    bridge.handle(Told({SUBMIT1: "taken: by another"}), 70)
    other = pool("submit1", "submit2", address="<128.105.1.2:2>")
    assert tells(again(bridge, other, 120)) == [((), (SUBMIT1, SUBMIT2))]


def test_a_replacement_that_is_refused_leaves_what_is_to_be_withdrawn() -> None:
    bridge = started("submit1")
    again(bridge, pool("submit1", address="<128.105.1.2:2>"), 60)
    bridge.handle(Told({SUBMIT1: "too-large: it is"}), 70)
    assert tells(again(bridge, pool(), 120)) == [((SUBMIT1,), ())]


# --- collectors that are away ---------------------------------------------------------------------


def test_while_the_collector_is_away_what_it_said_holds_for_as_long_as_ads_do() -> None:
    bridge = started("submit1")
    bridge.tick(60)
    assert says(bridge.handle(Silent("refused", 1.0), 60)) == [
        "the collector does not answer: refused"
    ]
    now, effects = 60.0, list[Effect]()
    while now < HOLD:
        at = bridge.deadline()
        assert at is not None and now < at <= now + EVERY
        now = at
        effects = bridge.tick(now)
        if Ask() in effects:
            assert says(bridge.handle(Silent(f"refused at {now}", 1.0), now)) == [], "said once"
    assert bridge.published == 1 or tells(effects) == [((SUBMIT1,), ())]
    assert now == HOLD
    assert any("has said nothing for 900 s: 1 daemon withdrawn" in one for one in says(effects))


def test_a_collector_that_comes_back_in_time_finds_all_as_it_was() -> None:
    bridge = started("submit1")
    bridge.tick(60)
    bridge.handle(Silent("refused", 0.0), 60)
    assert bridge.deadline() == 60 + FIRST_WAIT / 2
    assert tells(again(bridge, pool("submit1"), 62.5)) == []
    assert not bridge.away


def test_a_collector_that_was_started_again_does_not_know_yet_who_is_gone() -> None:
    bridge = started("submit1", "submit2")
    empty = pool(started=2)
    assert tells(again(bridge, empty, 60)) == []
    assert tells(again(bridge, pool("submit2", "submit3", started=2), 120)) == [
        ((), ("schedd-submit3",))
    ]
    bridge.handle(Told({}), 120)
    late = pool("submit2", "submit3", started=2)
    assert tells(again(bridge, late, 60 + RETURN - 1)) == []
    assert tells(again(bridge, late, 60 + RETURN + 60)) == [((SUBMIT1,), ())]


def test_what_is_kept_for_a_young_collector_stays_within_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from glasnost.condor.bridge import following

    monkeypatch.setattr(following, "MAX_BRIDGED", 2)
    bridge = started("submit1", "submit2")
    assert tells(again(bridge, pool("submit3", started=2), 60)) == [
        ((SUBMIT2,), ("schedd-submit3",))
    ]


def test_a_sentence_about_the_pool_is_said_while_it_is_new() -> None:
    bridge = started("submit1")
    odd = found(collector(), ad(), ad(name="x.example.org", address=None), roles=("schedd",))
    assert says(again(bridge, odd, 60)) == ["schedd x.example.org has no address"]
    assert says(again(bridge, odd, 120)) == []
    assert says(again(bridge, pool("submit1"), 180)) == []
    assert says(again(bridge, odd, 240)) == ["schedd x.example.org has no address"]


# --- anything -------------------------------------------------------------------------------------

ANSWERS = [
    Answered(pool(*names, started=life))
    for names in ((), ("submit1",), ("submit1", "submit2"), ("submit2",))
    for life in (1, 2)
]
STEPS = st.lists(
    st.tuples(st.sampled_from(["collector", "agent", "wait"]), st.integers(0, 7), st.booleans()),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_the_agent_ends_up_with_what_the_collector_says(
    steps: list[tuple[str, int, bool]],
) -> None:
    """An agent that is played here has, after quiet, what the last answer said."""
    bridge, now = Following(), 0.0
    asked, telling, there = False, None, False
    has: dict[str, str] = {}

    def carry_out(effects: list[Effect]) -> None:
        nonlocal asked, telling
        for effect in effects:
            if isinstance(effect, Ask):
                assert not asked
                asked = True
            elif isinstance(effect, Tell):
                assert telling is None and there
                telling = effect

    def take() -> None:
        nonlocal telling
        assert telling is not None
        for name in telling.gone:
            assert name in has
            del has[name]
        has.update((one.name, one.address) for one in telling.entries)
        telling = None
        handle(Told({}))

    def handle(event: Event) -> None:
        carry_out(bridge.handle(event, now))

    for who, number, fine in steps:
        if who == "collector" and asked:
            asked = False
            handle(ANSWERS[number] if fine else Silent("away", 0.5))
        elif who == "agent" and telling is not None and fine:
            take()
        elif who == "agent":
            there, telling = not there, None
            has.clear()
            handle(There() if there else Lost())
        elif (at := bridge.deadline()) is not None:
            now = max(now, at)
            carry_out(bridge.tick(now))
    if not there:
        there = True
        handle(There())
    while True:  # until the collector is old enough to be believed
        if telling is not None:
            take()
        at = bridge.deadline()
        if asked:
            asked = False
            handle(ANSWERS[4])
        elif now > 10 * RETURN:
            break
        else:
            assert at is not None
            now = max(now, at)
            carry_out(bridge.tick(now))
    assert set(has) == {SUBMIT1, SUBMIT2}
