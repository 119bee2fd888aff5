"""What earlier attempts have to say, and for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.address import Landing, Stage
from glasnost.core.routes import Exit, History, Outcome, Path, Vantage, plan
from glasnost.core.routes.history import (
    BANDS,
    HALF_LIFE,
    HYSTERESIS,
    LATENCY_LIFETIME,
    MAX_ENTRIES,
    MAX_FAILURES,
    NOT_SEEN,
    NOTHING,
    band_of,
)
from tests.core.routes.worlds import KINDS, target, vantage

HERE = vantage("ip4@public ip6@public", "public/ip4:192.0.2.9:1")
DIRECT = "public/ip4:192.0.2.1:1/service:a"
OTHER = "public/ip4:192.0.2.2:1/service:a"


def paths(address: str) -> tuple[Path, ...]:
    return plan(HERE, target(address), kinds=KINDS).candidates


(PATH,) = paths(DIRECT)


def routes(address: str, history: History, now: float) -> list[int]:
    found = plan(HERE, target(address), history=history, now=now, kinds=KINDS).candidates
    return [path.route_number for path in found]


def failures(history: History, path: Path, now: float) -> int:
    return history.seen(path, now).failures


def test_nothing_is_known_at_first() -> None:
    assert NOTHING.seen(PATH, 5) == NOT_SEEN == (0, None, None)


def test_a_failure_puts_a_path_last_until_it_has_faded() -> None:
    history = NOTHING.remember(Outcome(PATH, 1.0, failed_stage=1), now=100)
    assert routes(f"{DIRECT},{OTHER}", history, 100) == [2, 1]
    assert routes(f"{DIRECT},{OTHER}", history, 100 + HALF_LIFE - 1) == [2, 1]
    assert routes(f"{DIRECT},{OTHER}", history, 100 + HALF_LIFE + 1) == [1, 2]


def test_a_clock_that_stands_still_or_goes_back_fades_nothing() -> None:
    history = NOTHING.remember(Outcome(PATH, 1.0, failed_stage=1), now=100)
    assert failures(history, PATH, 100) == failures(history, PATH, 50) == 1


def test_a_failure_counts_whole_at_first_and_half_after_a_half_life() -> None:
    (entry,) = NOTHING.remember(Outcome(PATH, 1.0, failed_stage=1), now=7).entries.values()
    assert [entry.failures_at(now) for now in (0, 7, 7 + HALF_LIFE)] == [1.0, 1.0, 0.5]


def test_failures_add_up_fade_and_are_bounded() -> None:
    history = NOTHING
    for number in range(MAX_FAILURES + 3):
        assert failures(history, PATH, 0) == min(number, MAX_FAILURES)
        history = history.remember(Outcome(PATH, 1.0, failed_stage=1), now=0)
    assert failures(history, PATH, HALF_LIFE) == MAX_FAILURES / 2
    assert failures(history, PATH, 5 * HALF_LIFE) == 0


def test_a_success_forgives_all_that_was_crossed() -> None:
    history = NOTHING.remember(Outcome(PATH, 1.0, failed_stage=1), now=0)
    history = history.remember(Outcome(PATH, 1.0, failed_stage=2), now=0)
    assert failures(history.remember(Outcome(PATH, 0.1), now=0), PATH, 0) == 0


def test_what_was_overtaken_is_not_forgiven() -> None:
    history = NOTHING.remember(Outcome(PATH, 1.0, failed_stage=1), now=0)
    history = history.remember(Outcome(PATH, 0.5, failed_stage=2), now=0)
    history = history.remember(Outcome(PATH, 0.1, overtaken=True), now=0)
    assert history.seen(PATH, 0) == (1, 2, 0.1)


def test_a_broken_door_is_held_against_all_who_go_through_it() -> None:
    history = NOTHING.remember(Outcome(PATH, 1.0, failed_stage=1), now=0)
    (neighbour,) = paths(DIRECT.replace("service:a", "service:b"))
    assert failures(history, neighbour, 0) == 1
    assert failures(history, paths(OTHER)[0], 0) == 0


def test_a_missing_service_is_held_against_itself_alone() -> None:
    history = NOTHING.remember(Outcome(PATH, 1.0, failed_stage=2), now=0)
    (neighbour,) = paths(DIRECT.replace("service:a", "service:b"))
    assert (failures(history, PATH, 0), failures(history, neighbour, 0)) == (1, 0)


def test_a_stage_number_beyond_the_route_is_its_last() -> None:
    history = NOTHING.remember(Outcome(PATH, 1.0, failed_stage=9), now=0)
    assert history == NOTHING.remember(Outcome(PATH, 1.0, failed_stage=2), now=0)


def test_each_way_of_a_broker_has_its_own_past() -> None:
    dialled, relayed = paths("public/ip4:192.0.2.1:1/ccb:n")
    history = NOTHING.remember(Outcome(dialled, 1.0, failed_stage=2), now=0)
    assert (failures(history, dialled, 0), failures(history, relayed, 0)) == (1, 0)


def test_each_exit_has_its_own_past() -> None:
    here = vantage("ip4@public ip4@public")
    one, other = plan(here, target(DIRECT), kinds=KINDS).candidates
    history = NOTHING.remember(Outcome(one, 1.0, failed_stage=1), now=0)
    assert failures(history, other, 0) == 1, "exits that are alike are one"
    six, four = plan(HERE, target("public/dns:a:1"), kinds=KINDS).candidates
    history = NOTHING.remember(Outcome(six, 1.0, failed_stage=1), now=0)
    assert (failures(history, six, 0), failures(history, four, 0)) == (1, 0)


def test_the_faster_band_goes_first() -> None:
    one, other = paths(f"{DIRECT},{OTHER}")
    history = NOTHING.remember(Outcome(one, 0.3), now=0).remember(Outcome(other, 0.02), now=0)
    answer = plan(HERE, target(f"{DIRECT},{OTHER}"), history=history, now=1, kinds=KINDS)
    assert [path.route_number for path in answer.candidates] == [2, 1]
    assert answer.placed(2) == (
        "after path 1 by remembered latency: it took 300 ms, there it took 20 ms"
    )
    assert routes(f"{DIRECT},{OTHER}", history, LATENCY_LIFETIME) == [1, 2]


def test_within_a_band_other_rules_decide() -> None:
    one, other = paths(f"{DIRECT},{OTHER}")
    history = NOTHING.remember(Outcome(one, 0.03), now=0).remember(Outcome(other, 0.02), now=0)
    assert routes(f"{DIRECT},{OTHER}", history, 1) == [1, 2]


def test_an_unmeasured_path_stands_with_the_fastest() -> None:
    third = "public/ip4:192.0.2.3:1/service:a"
    one, other, _ = paths(f"{DIRECT},{OTHER},{third}")
    history = NOTHING.remember(Outcome(one, 0.3), now=0).remember(Outcome(other, 0.02), now=0)
    all_three = target(f"{DIRECT},{OTHER},{third}")
    answer = plan(HERE, all_three, history=history, now=1, kinds=KINDS)
    assert [path.route_number for path in answer.candidates] == [2, 3, 1]
    assert answer.placed(3) == (
        "after path 2 by remembered latency: it took 300 ms, there never measured"
    )
    answer = plan(HERE, target(f"{third},{DIRECT}"), history=history, now=1, kinds=KINDS)
    assert [path.route_number for path in answer.candidates] == [1, 2]


def test_the_unmeasured_says_so() -> None:
    one, other = paths(f"{DIRECT},{OTHER}")
    history = NOTHING.remember(Outcome(one, 0.3, failed_stage=None), now=0)
    history = history.remember(Outcome(other, 0.02, failed_stage=1), now=0)
    answer = plan(HERE, target(f"{DIRECT},{OTHER}"), history=history, now=1, kinds=KINDS)
    assert answer.placed(2) == (
        "after path 1 by remembered failures: 1 recent failure, there no recent failures"
    )
    assert [one.place.band for one in answer.standings] == [3, 3]


def test_one_slow_connect_moves_no_band() -> None:
    history = NOTHING.remember(Outcome(PATH, 0.030), now=0)
    assert history.seen(PATH, 0) == (0, 1, 0.030)
    history = history.remember(Outcome(PATH, 0.090), now=1)
    assert history.seen(PATH, 1).band == 1
    assert history.seen(PATH, 1).latency == pytest.approx(0.045)
    history = history.remember(Outcome(PATH, 0.090), now=2)
    assert history.seen(PATH, 2).band == 2
    assert history.seen(PATH, 2).latency == pytest.approx(0.05625)


def test_after_a_long_silence_a_measurement_counts_whole() -> None:
    history = NOTHING.remember(Outcome(PATH, 0.030), now=0)
    history = history.remember(Outcome(PATH, 0.5), now=LATENCY_LIFETIME)
    assert history.seen(PATH, LATENCY_LIFETIME).latency == 0.5


def test_what_was_overtaken_is_at_least_so_slow() -> None:
    history = NOTHING.remember(Outcome(PATH, 0.3, overtaken=True), now=0)
    assert history.seen(PATH, 0) == (0, 3, 0.3)
    history = history.remember(Outcome(PATH, 0.1, overtaken=True), now=0)
    assert history.seen(PATH, 0).latency == 0.3
    history = history.remember(Outcome(PATH, 0.9, overtaken=True), now=0)
    assert history.seen(PATH, 0).latency == 0.9


@pytest.mark.parametrize("band, edge", [*enumerate(BANDS, 1)])
def test_a_band_is_entered_at_its_edge_and_left_beyond_it(band: int, edge: float) -> None:
    assert (band_of(edge * 0.999), band_of(edge)) == (band - 1, band)
    assert band_of(edge * HYSTERESIS * 0.999, before=band - 1) == band - 1
    assert band_of(edge * HYSTERESIS, before=band - 1) == band
    assert band_of(edge / HYSTERESIS, before=band) == band
    assert band_of(edge / HYSTERESIS * 0.999, before=band) == band - 1


def test_the_outermost_bands_have_one_edge() -> None:
    assert (band_of(0.0, before=0), band_of(1e9, before=len(BANDS))) == (0, len(BANDS))


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(1, 2), st.booleans(),
                          st.floats(0, 3), st.floats(0, 300)), max_size=30))  # fmt: skip
def test_whatever_happens_history_stays_sound(
    steps: list[tuple[int, int | None, bool, float, float]],
) -> None:
    known = [paths(f"public/ip4:192.0.2.{number}:1/service:a")[0] for number in range(1, 7)]
    history, now = NOTHING, 0.0
    for which, failed, overtaken, seconds, later in steps:
        now += later
        before = dict(history.entries)
        after = history.remember(Outcome(known[which], seconds, failed, overtaken), now)
        assert dict(history.entries) == before, "a history is a value"
        history = after
        seen = history.seen(known[which], now)
        assert 0 <= seen.failures <= MAX_FAILURES
        assert seen.failures >= (failed is not None)
        assert seen.band is None or 0 <= seen.band <= len(BANDS)


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    history = NOTHING
    for number in range(MAX_ENTRIES + 5):
        (path,) = paths(f"public/ip4:192.0.{number // 256}.{number % 256}:1")
        history = history.remember(Outcome(path, 0.1), now=0)
    assert len(history.entries) == MAX_ENTRIES
    first, sixth = paths("public/ip4:192.0.0.0:1")[0], paths("public/ip4:192.0.0.5:1")[0]
    assert (history.seen(first, 0), history.seen(sixth, 0).latency) == (NOT_SEEN, 0.1)


def test_what_was_heard_of_again_is_not_the_oldest() -> None:
    history = NOTHING
    for number in (0, 1, 2):
        history = history.remember(Outcome(paths(f"public/ip4:192.0.2.{number}:1")[0], 0.1), now=0)
    (first,) = paths("public/ip4:192.0.2.0:1")
    for outcome in (Outcome(first, 0.1), Outcome(first, 0.1, failed_stage=1)):
        assert list(history.remember(outcome, 1).entries)[-1].endswith("192.0.2.0:1")


def test_what_is_too_old_to_count_is_dropped() -> None:
    history = NOTHING
    for number in range(4):
        history = history.remember(Outcome(paths(f"public/ip4:192.0.2.{number}:1")[0], 0.1), now=0)
    (late,) = paths("public/ip4:192.0.2.9:1")
    history = history.remember(Outcome(late, 0.1), now=LATENCY_LIFETIME)
    assert len(history.entries) == 3
    history = history.remember(Outcome(late, 0.1), now=LATENCY_LIFETIME)
    assert len(history.entries) == 1


def test_what_fails_on_the_way_out_is_held_against_every_path_by_that_exit() -> None:
    """A proxy that is gone: stages of an exit end at number 0."""
    exits = (
        Exit(Landing("ip4", "public"), (Stage.ip("192.0.2.80", 1080), Stage("socks5"))),
        Exit(Landing("ip4", "public")),
    )
    here = Vantage(exits)
    both = f"{DIRECT},{OTHER}"
    by_proxy, direct = plan(here, target(DIRECT), kinds=KINDS).candidates[::-1]
    assert (len(by_proxy.exit.stages), len(direct.exit.stages)) == (2, 0)
    for number in (0, -1):
        history = NOTHING.remember(Outcome(by_proxy, 1.0, failed_stage=number), now=0)
        failed = {
            (path.route_number, path.exit_number): failures(history, path, 0)
            for path in plan(here, target(both), kinds=KINDS).candidates
        }
        assert failed == {(1, 1): 1, (2, 1): 1, (1, 2): 0, (2, 2): 0}
