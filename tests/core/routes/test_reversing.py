"""Dial-back, meeting and relaying as alternatives, at one reversing stage and at several."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.address import Address, Landing, Route, Stage
from glasnost.core.routes import Crossing, Exit, Policy, Target, Vantage, plan
from glasnost.core.routes.reversing import combined
from glasnost.core.routes.traits import WAYS, Way
from tests.core.routes.worlds import KINDS, PROXY, target, vantage

HERE = "public/ip4:192.0.2.1:9618"
HUB = f"{HERE}/hub:node7"
RETURN4 = "public/ip4:192.0.2.9:9618"
RETURN6 = "public/ip6:[2001:db8::9]:9618"

ALTERNATIVES = [
    # name                         reach         target.relay/meet policy.relay/meet   ways
    ("all three", "ip4@public", (True, True), (True, True), ["dial-back", "meet", "relay"]),
    ("nothing to dial back to", "none", (True, True), (True, True), ["meet", "relay"]),
    ("the record relays nothing", "none", (False, True), (True, True), ["meet"]),
    ("we relay nothing", "none", (True, True), (False, True), ["meet"]),
    ("the record meets nobody", "none", (True, False), (True, True), ["relay"]),
    ("we meet nobody", "none", (True, True), (True, False), ["relay"]),
    ("dialling back alone", "ip4@public", (False, False), (True, True), ["dial-back"]),
    ("nothing at all", "none", (False, True), (True, False), []),
]


@pytest.mark.parametrize(
    "reach, of_record, of_ours, ways", [one[1:] for one in ALTERNATIVES],
    ids=[one[0] for one in ALTERNATIVES],
)  # fmt: skip
def test_the_ways_of_a_broker(
    reach: str, of_record: tuple[bool, bool], of_ours: tuple[bool, bool], ways: list[str]
) -> None:
    base = target(HUB, reach)
    what = Target(base.address, base.reach, relay=of_record[0], meet=of_record[1])
    policy = Policy(relay=of_ours[0], meet=of_ours[1])
    answer = plan(vantage("ip4@public", RETURN4), what, policy, kinds=KINDS)
    assert [path.crossings[0].way for path in answer.candidates] == ways
    left = [one.part for one in answer.rejected if one.part]
    others = [way for way in ("dial-back", "meet", "relay") if way not in ways]
    assert left == ([f"{way} at stage 2" for way in others] if ways else [])


def test_what_is_left_out_says_why() -> None:
    what = target(HUB, "ip6@public", relay=False)
    answer = plan(vantage("ip4@public", RETURN4), what, Policy(meet=True), kinds=KINDS)
    assert [path.crossings[0].way for path in answer.candidates] == ["meet"]
    assert [(one.part, one.reason) for one in answer.rejected] == [
        (
            "dial-back at stage 2",
            "the target can dial back to ip6@public only and we can be reached on ip4@public",
        ),
        ("relay at stage 2", "relaying is refused by the record"),
    ]
    assert str(answer.rejected[1]) == (
        f"route 1 {HUB}: by relay at stage 2: relaying is refused by the record"
    )


def test_a_switch_of_our_own_is_named_in_the_hint() -> None:
    what = target(HUB, "none")
    answer = plan(vantage("ip4@public"), what, Policy(relay=False, meet=False), kinds=KINDS)
    (rejected,) = answer.rejected
    assert "meeting is switched off in our settings" in rejected.reason
    assert "set meet = true in the settings; or set relay = true" in rejected.hint


def test_nobody_meets_through_a_proxy() -> None:
    here = Vantage((Exit(Landing("ip4", "public"), PROXY), Exit(Landing("ip4", "public"))))
    answer = plan(here, target(HUB, "none"), kinds=KINDS)
    assert [(path.exit_number, path.crossings[0].way) for path in answer.candidates] == [
        (2, "meet"),
        (2, "relay"),
        (1, "relay"),
    ]
    assert "meet through exit 1" in [one.part for one in answer.rejected]


def test_nobody_meets_at_a_broker_behind_a_broker_or_a_proxy() -> None:
    nested = target(f"{HUB}/service:broker/hub:node8", "none", relay=False)
    answer = plan(vantage("ip4@public", RETURN4), nested, kinds=KINDS)
    assert answer.candidates == ()
    assert "meeting needs a connection of our own to the broker" in answer.rejected[0].reason
    proxied = target(f"{HERE}/socks5/ip4:10.0.0.1:1/hub:node7", "none", relay=False)
    assert plan(vantage("ip4@public"), proxied, kinds=KINDS).candidates == ()


def test_a_route_that_only_meets_says_so_where_no_exit_is_our_own() -> None:
    here = Vantage((Exit(Landing("ip4", "public"), PROXY),))
    answer = plan(here, target(HUB, "none", relay=False), kinds=KINDS)
    assert answer.candidates == ()
    assert "meet through exit 1" in [one.part for one in answer.rejected]


def test_each_of_three_brokers_is_crossed_by_its_own_reach() -> None:
    route = (
        f"{HERE}/ccb:gate:reach=ip4@public/service:broker"
        "/ccb:inner:reach=ip6@public/service:broker/ccb:node7"
    )
    here = vantage("ip4@public", f"{RETURN4} {RETURN6} lab/ip4:10.0.0.9:1")
    answer = plan(here, target(route, "ip4@lab", relay=False), kinds=KINDS)
    (path,) = answer.candidates
    assert [[str(one) for one in crossing.returns] for crossing in path.crossings] == [
        [RETURN4],
        [RETURN6],
        ["lab/ip4:10.0.0.9:1"],
    ]
    assert [crossing.stage_index for crossing in path.crossings] == [1, 3, 5]
    assert not path.unknown_reach


def test_the_one_broker_in_the_middle_that_cannot_be_crossed_is_named() -> None:
    route = f"{HERE}/ccb:gate/ccb:inner:reach=none/ccb:node7"
    answer = plan(vantage("ip4@public", RETURN4), target(route, relay=False), kinds=KINDS)
    assert answer.rejected[0].reason.startswith("stage 3 (ccb:inner:reach=none): ")


def test_a_chain_of_brokers_through_a_proxy_and_a_shared_port() -> None:
    route = f"{HERE}/socks5/ip4:10.0.0.1:9618/service:broker"
    route += "/ccb:a:reach=ip4@public/service:broker/ccb:b/service:db"
    answer = plan(vantage("ip4@public", RETURN4), target(route, "ip4@public"), kinds=KINDS)
    assert [[one.way for one in path.crossings] for path in answer.candidates] == [
        ["dial-back", "dial-back"],
        ["dial-back", "relay"],
        ["relay", "dial-back"],
        ["relay", "relay"],
    ]


@given(st.lists(st.lists(st.sampled_from(WAYS), unique=True, min_size=1),
                max_size=5))  # fmt: skip
def test_combining_ways_finds_each_once_and_those_with_fewer_relays_first(
    ways: list[list[Way]],
) -> None:
    choices = [
        [Crossing(index, way) for way in few]
        for index, few in enumerate(sorted(few, key=WAYS.index) for few in ways)
    ]
    found = list(combined(choices))
    assert len(found) == len(set(found))
    assert set(found) == set(product(*choices))
    relays = [sum(one.way == "relay" for one in few) for few in found]
    assert relays == sorted(relays)


def test_sixteen_stages_are_combined_as_far_as_somebody_looks() -> None:
    brokers = tuple(Stage("hub", (f"n{number}",)) for number in range(15))
    address = Address((Route("public", (Stage.ip("192.0.2.1", 1), *brokers)),))
    answer = plan(vantage("ip4@public"), Target(address), kinds=KINDS)
    # The first may be met at; everything behind it is relayed.
    assert [path.relays for path in answer.candidates] == [14, 15]


def test_of_two_brokers_all_that_relays_nowhere_comes_first() -> None:
    choices = [[Crossing(index, way) for way in WAYS] for index in range(2)]
    found = [[one.way for one in few] for few in combined(choices)]
    assert found == [
        ["dial-back", "dial-back"],
        ["dial-back", "meet"],
        ["meet", "dial-back"],
        ["meet", "meet"],
        ["dial-back", "relay"],
        ["meet", "relay"],
        ["relay", "dial-back"],
        ["relay", "meet"],
        ["relay", "relay"],
    ]


def test_a_unix_socket_is_no_way_back_for_who_is_not_said_to_reach_it() -> None:
    here = vantage("ip4@public", "lab/unix:%2Fp")
    answer = plan(here, target(f"{HERE}/mirror"), kinds=KINDS)
    assert answer.candidates == ()


def test_a_path_tells_how_each_of_its_stages_is_crossed() -> None:
    here = Vantage((Exit(Landing("ip4", "public"), PROXY),), (Route.parse(RETURN4),))
    there = target(f"{HERE}/ccb:a:reach=ip4@public/ccb:b", "none")
    path = plan(here, there, kinds=KINDS).candidates[0]
    assert [path.crossing(index) for index in range(3)] == [None, *path.crossings]
    ways, proxy = "stage 2 dials back, stage 3 relays", "ip4:198.51.100.4:1080/socks5"
    assert path.how == f"through {proxy}, {ways}"
    assert str(path) == f"{proxy} to {path.route} ({ways})"
    (direct,) = plan(vantage("ip4@public"), target(HERE), kinds=KINDS).candidates
    assert (direct.how, str(direct)) == ("direct", HERE)
    assert not Crossing(1, "relay").unknown_reach
