"""When something is brought up and taken down, by the users that it has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols.setup import (
    LOOK_EVERY,
    NOBODY,
    Broke,
    Came,
    Down,
    Effect,
    End,
    Event,
    Left,
    Look,
    Looked,
    Phase,
    Quit,
    Ready,
    Say,
    Setup,
    Start,
    Stop,
)


def up(*users: int, grace: float = 30) -> Setup:
    """One that is up and has these users."""
    setup = Setup(grace, now=0)
    for user in users:
        setup.handle(Came(user), 0)
    setup.handle(Ready(), 0)
    return setup


def test_the_first_user_has_it_brought_up_and_all_that_came_meanwhile_are_told() -> None:
    setup = Setup(30, now=0)
    assert setup.handle(Came(1), 0) == [Start()]
    assert setup.handle(Came(2), 1) == []
    assert setup.handle(Ready(), 2) == [Say(1), Say(2)]
    assert setup.handle(Came(3), 3) == [Say(3)]
    assert setup.deadline() is None


def test_it_goes_down_a_grace_after_nobody_uses_it() -> None:
    setup = up(1, 2)
    assert setup.handle(Left(1), 5) == [] and setup.deadline() is None
    setup.handle(Left(2), 10)
    assert setup.tick(10) == [Look()]
    setup.handle(Looked(used=True), 10)
    assert setup.deadline() == 10 + LOOK_EVERY
    assert setup.tick(11) == [Look()]
    assert setup.handle(Looked(used=False), 11) == []
    assert setup.tick(12) == [Look()]
    assert setup.handle(Looked(used=False), 40.9) == []
    assert setup.deadline() == 41
    assert setup.tick(41) == [Look()]
    assert setup.handle(Looked(used=False), 41) == [Stop()]
    assert setup.handle(Down(), 42) == [End()]


def test_who_comes_within_the_grace_has_it_at_once_and_the_grace_begins_anew() -> None:
    setup = up(1, grace=5)
    setup.handle(Left(1), 0)
    setup.tick(0)
    setup.handle(Looked(used=False), 0)
    assert setup.handle(Came(2), 4) == [Say(2)]
    assert setup.handle(Looked(used=False), 4) == []  # asked before, and true no more
    setup.handle(Left(2), 6)
    assert setup.tick(6) == [Look()]
    assert setup.handle(Looked(used=False), 6) == []
    assert setup.handle(Looked(used=False), 11) == [Stop()]


def test_without_grace_it_goes_down_at_once() -> None:
    setup = up(1, grace=0)
    setup.handle(Left(1), 7)
    assert setup.tick(7) == [Look()]
    assert setup.handle(Looked(used=False), 7) == [Stop()]


def test_what_does_not_come_up_is_told_to_all_who_wait_and_cleaned_up() -> None:
    setup = Setup(30, now=0)
    setup.handle(Came(1), 0)
    setup.handle(Came(2), 0)
    assert setup.handle(Broke("no such host"), 1) == [
        Say(1, "no such host"),
        Say(2, "no such host"),
        Stop(),
    ]
    assert setup.handle(Down(), 2) == [End()]


def test_while_somebody_waits_the_start_goes_on_and_with_the_last_it_is_given_up() -> None:
    setup = Setup(30, now=0)
    setup.handle(Came(1), 0)
    setup.handle(Came(2), 0)
    assert setup.handle(Left(1), 1) == []
    assert setup.handle(Left(2), 1) == [Stop()]
    assert setup.handle(Ready(), 1) == []  # in the same moment: too late
    assert setup.handle(Down(), 2) == [End()]


def test_who_comes_while_it_goes_down_has_it_brought_up_anew() -> None:
    setup = up(1)
    setup.handle(Broke("signal 9"), 5)
    assert setup.handle(Came(2), 5) == []
    assert setup.handle(Down(), 6) == [Start()]
    assert setup.handle(Ready(), 7) == [Say(2)]
    assert setup.handle(Left(1), 8) == [] and setup.deadline() is None  # 2 holds it


def test_who_is_told_to_quit_takes_it_down_whoever_uses_it() -> None:
    setup = up(1)
    assert setup.handle(Quit(), 5) == [Stop()]
    assert setup.handle(Came(2), 5) == [Say(2, "it is being ended")]
    assert setup.handle(Down(), 6) == [End()]
    waiting = Setup(30, now=0)
    waiting.handle(Came(1), 0)
    assert waiting.handle(Quit(), 1) == [Say(1, "it is being ended"), Stop()]
    assert Setup(30, now=0).handle(Quit(), 1) == [End()]


def test_a_keeper_whose_starter_has_died_ends() -> None:
    setup = Setup(30, now=100)
    assert setup.deadline() == 100 + NOBODY
    assert setup.tick(100 + NOBODY) == [End()]


EVENTS = st.one_of(
    st.builds(Came, st.integers(0, 3)),
    st.builds(Left, st.integers(0, 3)),
    st.just(Ready()),
    st.builds(Broke, st.just("why")),
    st.just(Down()),
    st.builds(Looked, st.booleans()),
    st.just(Quit()),
)


@given(st.lists(EVENTS, max_size=40))
def test_whatever_happens_it_is_started_and_stopped_in_turn_and_everybody_is_told(
    events: list[Event],
) -> None:
    """The driver answers each `Start` once and each `Stop` once; users come before they go."""
    setup, now = Setup(2, now=0), 0.0
    running, present, told, ended = False, set[int](), set[int](), False
    for event in events:
        now += 1
        if not _can_happen(event, setup.phase, present) or ended:
            continue
        effects: list[Effect] = []
        if isinstance(event, Came):
            present.add(event.user)
        if isinstance(event, Left):
            present.discard(event.user)
            told.discard(event.user)
        effects += setup.handle(event, now)
        if (at := setup.deadline()) is not None and at <= now:
            effects += setup.tick(now)
        for effect in effects:
            if isinstance(effect, Start):
                assert not running
                running = True
            elif isinstance(effect, Stop):
                assert running
            elif isinstance(effect, Say):
                assert effect.user in present and effect.user not in told
                told.add(effect.user)
                if effect.why:
                    present.discard(effect.user)
                    told.discard(effect.user)
            ended = ended or isinstance(effect, End)
        if isinstance(event, Down):
            running = any(isinstance(one, Start) for one in effects)
        if setup.phase is Phase.UP:
            assert told == present
        assert not (ended and running)


def _can_happen(event: Event, phase: Phase, present: set[int]) -> bool:
    match event:
        case Came(user):
            return user not in present
        case Left(user):
            return user in present
        case Ready():
            return phase is Phase.STARTING
        case Broke():
            return phase in (Phase.STARTING, Phase.UP)
        case Down():
            return phase is Phase.STOPPING
        case _:
            return True
