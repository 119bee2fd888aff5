"""Several directories, watched as one: what appears, changes, goes, and what merely seems to."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols.views import (
    GRACE,
    Appeared,
    Away,
    Back,
    Changed,
    Gone,
    News,
    Present,
    Views,
)
from glasnost.core.wire.messages import Record
from tests.core.protocols.directory_records import record as signed_record


def record(short: str, sequence: int = 1, **said: Any) -> Record:
    return signed_record(f"{short}.n1", sequence, **said).record


def views(*directories: str) -> Views:
    found = Views(())
    for directory in directories or ("one",):
        found.add(directory)
    return found


A, B = record("a"), record("b")


def test_one_directory_is_told_of_as_it_is() -> None:
    one = views()
    assert one.present() == Present(())
    assert one.all_of("one", [B, A], 0) == [Appeared(A), Appeared(B)]
    assert one.heard and one.present() == Present((A, B))
    newer = record("a", 2, labels={"role": "db"}, address="ip4:192.0.2.2:9618")
    said = one.some_of("one", [newer], {B.name: "withdrawn"}, 1)
    assert said == [Changed(A, newer, ("address", "labels")), Gone(B, "withdrawn")]
    assert one.present() == Present((newer,))


def test_a_record_that_is_only_signed_anew_is_no_news() -> None:
    one = views()
    one.all_of("one", [A], 0)
    anew = record("a", 2, not_after=2_000_000)
    assert one.some_of("one", [anew, anew], {}, 1) == []
    assert one.present() == Present((anew,))


def test_nobody_goes_back() -> None:
    one = views("one", "two")
    newer = record("a", 5, labels={"v": "5"})
    one.all_of("one", [newer], 0)
    assert one.all_of("two", [record("a", 4, labels={"v": "4"})], 0) == []
    assert one.present() == Present((newer,))


def test_what_a_clock_ahead_has_numbered_or_has_expired_binds_nobody() -> None:
    one, now = views(), 1_000.0
    ahead = record("a", 2_000_000_000, labels={"v": "ahead"})
    one.all_of("one", [ahead], now)
    right = record("a", 1_000_000_000, labels={"v": "right"})
    assert one.some_of("one", [right], {}, now) == [Changed(ahead, right, ("labels",))]
    brief = record("b", 9, not_after=1_010)
    one.some_of("one", [brief], {}, now)
    again = record("b", 8, labels={"v": "again"})
    assert one.some_of("one", [again], {}, now) == []
    assert one.some_of("one", [again], {}, now + 11) == [Changed(brief, again, ("labels",))]


def test_after_a_restart_only_what_was_missed_is_told() -> None:
    one = views()
    one.all_of("one", [A, B], 0)
    assert one.away("one", "connection refused", 1) == [Away("one", "connection refused")]
    assert one.away("one", "again", 2) == []
    c = record("c")
    gone = Gone(B, "no directory has it any more")
    assert one.all_of("one", [A, c], 3) == [Back("one"), gone, Appeared(c)]


def test_a_name_is_gone_when_no_directory_has_it() -> None:
    two = views("one", "two")
    two.all_of("one", [A], 0)
    assert two.all_of("two", [A], 0) == []
    assert two.some_of("one", [], {A.name: "expired"}, 1) == []
    assert two.some_of("two", [], {A.name: "withdrawn"}, 2) == [Gone(A, "withdrawn")]


def test_a_directory_that_dies_takes_no_name_along() -> None:
    """For as long as the owners may need to renew them at the other one."""
    two = views("one", "two")
    two.all_of("one", [A, B], 0)
    two.all_of("two", [B], 0)
    two.away("one", "dead", 10)
    assert two.tick(10 + GRACE - 0.1) == []
    assert two.tick(10 + GRACE) == [Gone(A, "no directory has it any more")]
    assert two.present() == Present((B,))


def test_what_is_withdrawn_at_the_living_is_gone_though_the_dead_had_it() -> None:
    two = views("one", "two")
    two.all_of("one", [A], 0)
    two.all_of("two", [A], 0)
    two.away("one", "dead", 1)
    assert two.some_of("two", [], {A.name: "withdrawn"}, 2) == [Gone(A, "withdrawn")]


def test_while_none_can_be_asked_nothing_changes() -> None:
    two = views("one", "two")
    two.all_of("one", [A], 0)
    two.all_of("two", [A, B], 0)
    two.away("one", "dead", 1)
    two.away("two", "dead", 1)
    assert two.tick(1 + 10 * GRACE) == []
    # The first one back knows nothing yet: its word does not count for what the others had.
    back = 2 + 10 * GRACE
    assert two.all_of("one", [], back) == [Back("one")]
    assert two.tick(back + GRACE - 0.1) == []
    why = "no directory has it any more"
    assert two.tick(back + GRACE) == [Gone(A, why), Gone(B, why)]


def test_a_directory_that_the_pool_has_no_longer_is_forgotten() -> None:
    two = views("one", "two")
    two.all_of("one", [A, B], 0)
    two.all_of("two", [B], 0)
    assert two.drop("one", 0) == [Gone(A, "no directory has it any more")]
    assert two.drop("one", 0) == [] and two.heard


DIRECTORIES = ("one", "two", "three")
STEP = st.tuples(
    st.sampled_from(DIRECTORIES),
    st.sampled_from(["all", "here", "gone", "away", "tick"]),
    st.sets(st.sampled_from("abc")),
)


@given(st.lists(STEP, max_size=30))
def test_the_news_add_up_to_what_is_there(steps: list[tuple[str, str, set[str]]]) -> None:
    """Who hears only the news knows what is there, and is told nothing twice."""
    many, known, away = views(*DIRECTORIES), dict[str, Record](), set[str]()

    def hear(news: list[News]) -> None:
        for one in news:
            match one:
                case Appeared(found):
                    assert found.name not in known
                    known[found.name] = found
                case Changed(before, found, what):
                    assert what and known[found.name].sequence <= before.sequence < found.sequence
                    known[found.name] = found
                case Gone(last, why):
                    assert why
                    del known[last.name]
                case Away(directory):
                    assert directory not in away
                    away.add(directory)
                case Back(directory):
                    away.remove(directory)

    for number, (directory, step, shorts) in enumerate(steps, 1):
        now = number * GRACE / 3
        found = [record(short, number, labels={"v": str(number)}) for short in sorted(shorts)]
        match step:
            case "all":
                hear(many.all_of(directory, found, now))
            case "here":
                hear(many.some_of(directory, found, {}, now))
            case "gone":
                hear(many.some_of(directory, [], {one.name: "why" for one in found}, now))
            case "away":
                hear(many.away(directory, "why", now))
            case "tick":
                hear(many.tick(now))
        assert many.present() == Present(tuple(known[name] for name in sorted(known)))
