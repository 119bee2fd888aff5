"""Which paths are found, and the reasons given for the routes that are not used."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.address import Address, Landing, Route, Stage
from glasnost.core.routes import Exit, Policy, Target, Vantage, plan
from glasnost.core.routes.limits import MAX_PATHS_PER_ROUTE
from tests.core.routes.worlds import (
    KINDS,
    ODD_ADDRESSES,
    ODD_VANTAGES,
    POLICIES,
    REACHES,
    target,
    vantage,
)

HERE = "public/ip4:192.0.2.1:9618"
CCB = f"{HERE}/ccb:node7"
RETURN4 = "public/ip4:192.0.2.9:9618/service:reply"
RETURN6 = "public/ip6:[2001:db8::9]:9618/service:reply"

REJECTED = [
    # name, exits, returns, address, reach, relay, reason
    ("no such kind", "ip4@public", "", f"{HERE}/carrier-pigeon:7", None, True,
     'stage 2 (carrier-pigeon:7): nobody here can cross a "carrier-pigeon" stage'),
    ("no such kind at the door", "ip4@public", "", "public/quic:cm.example.org:9618", None, True,
     'stage 1 (quic:cm.example.org:9618): nobody here can cross a "quic" stage'),
    ("too many arguments", "ip4@public", "", f"{HERE}/service:a:b", None, True,
     'stage 2 (service:a:b): it has more arguments than a "service" stage has here'),
    ("a critical option", "ip4@public", "", f"{HERE}/service:a:Must=1", None, True,
     'stage 2 (service:a:Must=1): the option "Must" must be understood, and nobody here knows it'),
    ("a check that fails", "ip4@public", "", "public/knock:x/ip4:192.0.2.1:1", None, True,
     "stage 1 (knock:x): our settings know no such knock"),
    ("what only we may ask for", "ip4@public", "", "public/setup:vpn/ip4:192.0.2.1:1", None, True,
     "stage 1 (setup:vpn): only an exit of our own settings may ask for it"),
    ("nothing opens a connection", "ip4@public", "", "public/service:a", None, True,
     "stage 1 (service:a): "
     "a route must begin by opening a connection, as an ip4 or ip6 stage does"),
    ("a knock at nothing", "ip4@public", "", "public/knock:fw", None, True,
     "stage 1 (knock:fw): no stage that opens a connection follows it"),
    ("a knock at a service", "ip4@public", "", "public/knock:fw/service:a", None, True,
     "stage 2 (service:a): what stands before it may only precede opening a connection"),
    ("a proxy to nowhere", "ip4@public", "", f"{HERE}/socks5", None, True,
     "stage 2 (socks5): no stage that opens a connection follows it"),
    ("a proxy to a service", "ip4@public", "", f"{HERE}/socks5/service:a", None, True,
     "stage 3 (service:a): a proxy must be told here where to connect to"),
    ("a proxy to a knock", "ip4@public", "", f"{HERE}/socks5/knock:fw/{HERE[7:]}", None, True,
     "stage 3 (knock:fw): a proxy must be told here where to connect to"),
    ("a second connection", "ip4@public", "", f"{HERE}/service:a/ip4:10.0.0.1:1", None, True,
     "stage 3 (ip4:10.0.0.1:1): only behind a proxy can a further connection be opened"),
    ("a knock in between", "ip4@public", "", f"{HERE}/knock:fw/service:a", None, True,
     "stage 2 (knock:fw): only behind a proxy can a further connection be opened"),
    ("an unreadable reach", "ip4@public", RETURN4, f"{HERE}/mirror:reach=ip4", None, True,
     'stage 2 (mirror:reach=ip4): its "reach" cannot be read: '
     'column 4: expected "@" and a network'),
    ("no such protocol", "ip4@public", "", "public/ip6:[2001:db8::1]:1", None, True,
     "no exit comes out on ip6@public: this host has no IPv6 there"),
    ("no such protocol on a site", "ip6@lab", "", "lab/ip4:10.0.0.1:1", None, True,
     "no exit comes out on ip4@lab: this host has no IPv4 there"),
    ("no such network", "ip4@public", "", "lab/ip4:10.0.0.1:1", None, True,
     "no exit comes out on ip4@lab: this host is not on the network lab"),
    ("neither protocol is ours", "unix@host.a", "", "public/dns:cm.example.org:1", None, True,
     "no exit comes out on ip6@public or ip4@public: this host has no IPv6 and no IPv4 there"),
    ("another machine", "unix@host.a", "", "host.b/unix:%2Frun%2Fp", None, True,
     "no exit comes out on unix@host.b: that is another machine"),
    ("a Unix socket on a network", "unix@public", "", "public/unix:%2Frun%2Fp", None, True,
     "no exit comes out on unix@public: "
     "a Unix socket is on one machine, a network called host.<id>"),
    ("dial back elsewhere", "ip4@public", RETURN4, CCB, "ip6@public", False,
     "stage 2 (ccb:node7): the target can dial back to ip6@public only "
     "and we can be reached on ip4@public; relaying is refused by the record"),
    ("dial back to nobody", "ip4@public", RETURN4, CCB, "none", False,
     "stage 2 (ccb:node7): the target can dial back to nobody "
     "and we can be reached on ip4@public; relaying is refused by the record"),
    ("we cannot be reached", "ip4@public", "", CCB, None, False,
     "stage 2 (ccb:node7): nobody knows what the target can dial back to "
     "and we can be reached nowhere; relaying is refused by the record"),
    ("a broker that only mirrors", "ip4@public", RETURN4, f"{HERE}/mirror", "none", True,
     "stage 2 (mirror): the target can dial back to nobody and we can be reached on ip4@public; "
     'relaying is not what a "mirror" stage offers'),
]  # fmt: skip


@pytest.mark.parametrize(
    "name, exits, returns, address, reach, relay, reason", REJECTED, ids=[c[0] for c in REJECTED]
)
def test_a_route_that_cannot_be_used_says_why(
    name: str, exits: str, returns: str, address: str, reach: str | None, relay: bool, reason: str
) -> None:
    answer = plan(vantage(exits, returns), target(address, reach, relay), kinds=KINDS)
    assert answer.candidates == ()
    assert [one.reason for one in answer.rejected] == [reason]
    assert all(one.hint and not one.part for one in answer.rejected)


def test_our_own_settings_can_refuse_relaying() -> None:
    answer = plan(vantage("ip4@public"), target(CCB), Policy(relay=False), kinds=KINDS)
    assert "relaying is switched off in our settings" in answer.rejected[0].reason


def ways(exits: str, returns: str, address: str, reach: str | None) -> list[list[str]]:
    answer = plan(vantage(exits, returns), target(address, reach), kinds=KINDS)
    return [[one.way for one in path.crossings] for path in answer.candidates]


def test_one_path_for_each_way_of_a_reversing_stage() -> None:
    assert ways("ip4@public", RETURN4, CCB, "ip4@public") == [["dial-back"], ["relay"]]
    assert ways("ip4@public", RETURN4, CCB, "none") == [["relay"]]
    assert ways("ip4@public", "", CCB, "ip4@public") == [["relay"]]


def test_nested_brokers_multiply() -> None:
    found = ways("ip4@public", RETURN4, f"{CCB}/service:broker/ccb:node8", None)
    assert found == [
        ["dial-back", "dial-back"],
        ["dial-back", "relay"],
        ["relay", "dial-back"],
        ["relay", "relay"],
    ]


def test_an_exit_listed_twice_makes_two_paths() -> None:
    answer = plan(vantage("ip4@public ip4@public"), target(HERE), kinds=KINDS)
    assert [path.exit_number for path in answer.candidates] == [1, 2]


def test_the_reach_of_the_record_is_that_of_the_last_reversing_stage() -> None:
    nested = f"{HERE}/ccb:gate2/service:broker/ccb:node7"
    answer = plan(
        vantage("ip4@public", f"{RETURN4} {RETURN6}"),
        target(nested, "ip6@public", relay=False),
        kinds=KINDS,
    )
    first, last = answer.candidates[0].crossings
    assert (len(first.returns), first.unknown_reach) == (2, True)
    assert (list(map(str, last.returns)), last.unknown_reach) == ([RETURN6], False)
    assert answer.candidates[0].unknown_reach


def test_what_the_stage_says_goes_before_what_the_record_says() -> None:
    answer = plan(
        vantage("ip4@public", f"{RETURN4} {RETURN6}"),
        target(f"{CCB}:reach=ip4@public", "ip6@public", relay=False),
        kinds=KINDS,
    )
    assert [str(route) for route in answer.candidates[0].crossings[0].returns] == [RETURN4]


LOCAL = "host.a/ip4:127.0.0.1:9618 host.a/unix:%2Frun%2Fp"


def test_a_way_back_inside_this_machine_is_offered_only_to_who_is_said_to_reach_it() -> None:
    here = vantage("ip4@public", f"{LOCAL} {RETURN4}")
    unknown = plan(here, target(CCB, None, relay=False), kinds=KINDS)
    assert [str(one) for one in unknown.candidates[0].crossings[0].returns] == [RETURN4]
    known = plan(here, target(CCB, "ip4@host.a+unix@host.a", relay=False), kinds=KINDS)
    assert [str(one) for one in known.candidates[0].crossings[0].returns] == LOCAL.split()


def test_a_relayed_path_does_not_depend_on_what_the_target_reaches() -> None:
    (path,) = plan(vantage("ip4@public"), target(CCB), kinds=KINDS).candidates
    assert not path.unknown_reach


def test_an_exit_that_cannot_be_crossed_is_named_and_the_others_serve() -> None:
    lands = Landing("ip4", "public")
    proxy = (Stage.ip("198.51.100.4", 1080), Stage("warp"))
    answer = plan(Vantage((Exit(lands, proxy), Exit(lands))), target(HERE), kinds=KINDS)
    assert [path.exit_number for path in answer.candidates] == [2]
    (rejected,) = answer.rejected
    assert (rejected.part, rejected.reason) == (
        "exit 1",
        'it cannot be crossed: stage 2 (warp): nobody here can cross a "warp" stage',
    )
    assert "[[exits]]" in rejected.hint


def test_an_exit_leads_through_no_broker() -> None:
    lands = Landing("ip4", "public")
    through = (Stage.ip("198.51.100.4", 1080), Stage.ccb("gate"))
    answer = plan(Vantage((Exit(lands, through), Exit(lands))), target(HERE), kinds=KINDS)
    assert [path.exit_number for path in answer.candidates] == [2]
    (rejected,) = answer.rejected
    assert rejected.reason.endswith("stage 2 (ccb:gate): a way out leads through no broker")


def test_a_proxy_opens_only_what_its_kind_can() -> None:
    route = "public/ip4:198.51.100.4:1080/socks5/unix:%2Frun%2Fp"
    (rejected,) = plan(vantage("ip4@public"), target(route), kinds=KINDS).rejected
    says = "stage 3 (unix:%2Frun%2Fp): the proxy before it opens only dns, ip4, ip6"
    assert rejected.reason == says


def test_an_exit_may_end_in_a_prelude_to_the_routes_own_origin() -> None:
    exits = (Exit(Landing("ip4", "lab"), (Stage("knock", ("fw",)),)),)
    answer = plan(Vantage(exits), target("lab/ip4:10.0.0.1:1"), kinds=KINDS)
    assert [str(stage) for stage in answer.candidates[0].stages] == ["knock:fw", "ip4:10.0.0.1:1"]


def test_an_exit_may_bring_something_up_first_and_explains_it() -> None:
    exits = (Exit(Landing("ip4", "lab"), (Stage("setup", ("vpn",)),)),)
    answer = plan(Vantage(exits), target("lab/ip4:10.0.0.1:1"), kinds=KINDS)
    assert "brings up vpn first, unless it is up" in answer.why(1)
    assert answer.candidates[0].how == "through setup:vpn"


def test_an_option_somebody_understands_and_a_knock_that_is_known_do_no_harm() -> None:
    route = "public/knock:fw/ip4:192.0.2.1:9618/service:a:Version=2:hint=x"
    assert plan(vantage("ip4@public"), target(route), kinds=KINDS).candidates


def test_one_may_knock_twice() -> None:
    route = "public/knock:fw/knock:fw/ip4:192.0.2.1:9618"
    assert plan(vantage("ip4@public"), target(route), kinds=KINDS).candidates


def test_a_unix_route_is_for_the_same_machine() -> None:
    here = vantage("unix@host.a ip4@public")
    (path,) = plan(here, target("host.a/unix:%2Frun%2Fp"), kinds=KINDS).candidates
    assert path.exit_number == 1


def test_the_paths_of_one_route_are_bounded_and_the_best_are_kept() -> None:
    brokers = tuple(Stage.ccb(f"n{number}") for number in range(15))
    address = Address((Route("public", (Stage.ip("192.0.2.1", 1), *brokers)),))
    answer = plan(vantage("ip4@public:2 ip4@public:1", RETURN4), Target(address), kinds=KINDS)
    assert len(answer.candidates) == MAX_PATHS_PER_ROUTE
    best = answer.candidates[0]
    assert (best.relays, best.exit_number) == (0, 2)
    # No relay, then one at each of the fifteen: two exits each make 32.
    assert max(path.relays for path in answer.candidates) == 1
    assert [one.reason for one in answer.rejected] == [
        f"only {MAX_PATHS_PER_ROUTE} of the paths over this route are considered"
    ]


def test_as_many_paths_as_are_considered_are_not_too_many() -> None:
    answer = plan(vantage("ip4@public " * MAX_PATHS_PER_ROUTE), target(HERE), kinds=KINDS)
    assert (len(answer.candidates), answer.rejected) == (MAX_PATHS_PER_ROUTE, ())


def test_of_too_many_exits_the_cheapest_are_kept() -> None:
    exits = "ip4@public:5 " * MAX_PATHS_PER_ROUTE + "ip4@public:1"
    answer = plan(vantage(exits), target(HERE), kinds=KINDS)
    assert answer.candidates[0].exit.cost == 1
    assert len(answer.candidates) == MAX_PATHS_PER_ROUTE


@given(ODD_VANTAGES, ODD_ADDRESSES, st.none() | REACHES, st.booleans(), POLICIES)
def test_every_route_is_kept_or_rejected_with_a_reason(
    here: Vantage, address: Address, reach: frozenset[Landing] | None, relay: bool, policy: Policy
) -> None:
    answer = plan(here, Target(address, reach, relay), policy, kinds=KINDS)
    kept = {path.route_number for path in answer.candidates}
    rejected = {one.route_number for one in answer.rejected}
    assert kept | rejected == set(range(1, len(address) + 1))
    wholly = {one.route_number for one in answer.rejected if not one.part}
    limited = {one.route_number for one in answer.rejected if one.reason.startswith("only ")}
    assert not (wholly - limited) & kept
    assert all(one.reason and one.hint for one in answer.rejected)
    assert all(answer.why(number) for number in range(1, len(answer.candidates) + 1))
    assert str(answer)
    assert json.dumps(answer.as_dict())


HINTS = [
    # name, exits, address, what the hint says
    ("another network", "ip4@public", "lab/ip4:10.0.0.1:1", "up --network lab"),
    ("another protocol", "ip4@public", "public/ip6:[2001:db8::1]:1", "met on ip4@public"),
    (
        "no IPv4",
        "ip6@public",
        "public/ip4:192.0.2.1:1",
        "for IPv4 (and enable_ipv4 not false), name a proxy in [[exits]] that lands on ip4@public, "
        "or have the target registered with a broker that is met on ip6@public",
    ),
    (
        "no socket here",
        "ip4@host.a",
        "host.a/unix:%2Fp",
        'name an exit that leads there: [[exits]] with lands = ["unix@host.a"]',
    ),
    (
        "two to dial back to",
        "ip4@public",
        f"{HERE}/mirror:reach=ip6@lab+ip4@lab",
        "give this host an address on ip4@lab or ip6@lab, or advertise one that leads to its port",
    ),
    ("any protocol", "unix@host.a", "public/dns:a.example.org:1", "met on ip4@public"),
    ("no machine of ours", "ip4@public", "host.b/ip4:127.0.0.1:1", "for programs there"),
    ("nowhere to dial back", "ip4@public", f"{HERE}/mirror:reach=ip6@lab", "address on ip6@lab"),
    ("nobody dials back", "ip4@public", f"{HERE}/mirror:reach=none", "has no way out"),
    ("perhaps", "ip4@public", f"{HERE}/mirror", "advertise its address"),
    ("a strange stage", "ip4@public", f"{HERE}/pigeon", "install what crosses"),
]


@pytest.mark.parametrize(
    "exits, address, says", [one[1:] for one in HINTS], ids=[h[0] for h in HINTS]
)
def test_a_hint_says_what_to_change(exits: str, address: str, says: str) -> None:
    (rejected,) = plan(vantage(exits), target(address), kinds=KINDS).rejected
    assert says in rejected.hint


def test_a_name_of_either_protocol_is_tried_by_both() -> None:
    answer = plan(vantage("ip4@public ip6@public"), target("public/dns:a:1"), kinds=KINDS)
    assert [path.exit.lands.protocol for path in answer.candidates] == ["ip6", "ip4"]
    only = plan(vantage("ip4@public"), target("public/dns:a:1"), kinds=KINDS)
    assert [path.exit.lands.protocol for path in only.candidates] == ["ip4"]
    assert only.rejected == ()


def test_a_host_on_several_networks_uses_each_for_its_own_routes() -> None:
    address = "lab/ip4:10.0.0.1:1,site/ip4:10.0.0.1:1,cell/ip4:10.0.0.1:1"
    answer = plan(vantage("ip4@lab ip4@site"), target(address), kinds=KINDS)
    assert [(one.route_number, one.exit_number) for one in answer.candidates] == [(1, 1), (2, 2)]
    assert [one.route_number for one in answer.rejected] == [3]
