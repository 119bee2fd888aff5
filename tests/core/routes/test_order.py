"""In which order paths are tried; one row for each rule."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.address import Address, Landing, Stage
from glasnost.core.routes import RULES, Exit, Policy, Target, Vantage, plan
from glasnost.core.routes.order import Place, deciding
from tests.core.routes.worlds import (
    KINDS,
    ODD_ADDRESSES,
    ODD_VANTAGES,
    POLICIES,
    REACHES,
    target,
    vantage,
)

RETURN4 = "public/ip4:192.0.2.9:9618"
DIRECT = "public/ip4:192.0.2.1:1"
LAB = "lab/ip4:10.0.0.1:1"

RULE_CASES = [
    # rule                 exits                     address; the second route goes first
    ("same machine", "ip4@public unix@host.a", f"{DIRECT},host.a/unix:%2Fp/service:a"),
    ("no relay", "ip4@public ip4@lab", f"{LAB}/ccb:n:reach=none,{DIRECT}/ccb:n:reach=ip4@public"),
    ("fewest reversals", "ip4@public ip4@lab", f"{LAB}/ccb:n:reach=ip4@public,{DIRECT}"),
    ("known reach", "ip4@public ip4@lab", f"{LAB}/ccb:n,{DIRECT}/ccb:n:reach=ip4@public"),
    ("network order", "ip4@public ip4@lab:9", f"{DIRECT},{LAB}/service:a"),
    ("cost", "ip4@public:2 ip6@public:1", f"{DIRECT},public/ip6:[::1]:1/service:a"),
    ("fewer stages", "ip4@public", f"{DIRECT}/service:a,{DIRECT}"),
]


@pytest.mark.parametrize("rule, exits, address", RULE_CASES, ids=[case[0] for case in RULE_CASES])
def test_a_rule_puts_the_later_route_first(rule: str, exits: str, address: str) -> None:
    answer = plan(vantage(exits, RETURN4), target(address), kinds=KINDS)
    assert [path.route_number for path in answer.candidates[:2]] == [2, 1]
    assert answer.decided_by(1, 2) == answer.decided_by(2, 1) == rule
    assert answer.placed(2).startswith(f"after path 1 by {rule}: ")


def test_otherwise_the_owners_order_holds() -> None:
    address = target(f"{DIRECT},public/ip4:192.0.2.2:1")
    answer = plan(vantage("ip4@public"), address, kinds=KINDS)
    assert [path.route_number for path in answer.candidates] == [1, 2]
    assert answer.placed(2) == "after path 1 by the owner's order: route 2, there route 1"


def test_exits_that_cost_the_same_keep_their_order() -> None:
    answer = plan(vantage("ip4@public ip4@public"), target(DIRECT), kinds=KINDS)
    assert answer.placed(2) == "after path 1 by the order of exits: exit 2, there exit 1"


def test_of_two_brokers_the_later_one_relays_first() -> None:
    nested = target(f"{DIRECT}/ccb:a:reach=ip4@public/ccb:b:reach=ip4@public")
    answer = plan(vantage("ip4@public", RETURN4), nested, kinds=KINDS)
    assert [one.way for one in answer.candidates[1].crossings] == ["dial-back", "relay"]
    assert answer.placed(3) == (
        "after path 2 by the order of ways: stage 2: relay, stage 3: dial-back, "
        "there stage 2: dial-back, stage 3: relay"
    )


PREFERENCES = [
    # prefer                  the networks, in the order of trying
    ((), ["alpha", "beta", "public"]),
    (("public",), ["public", "alpha", "beta"]),
    (("beta", "public"), ["beta", "public", "alpha"]),
    (("public", "beta"), ["public", "beta", "alpha"]),
    (("be*",), ["beta", "alpha", "public"]),
]


@pytest.mark.parametrize("prefer, networks", PREFERENCES)
def test_the_policy_says_which_networks_go_first(
    prefer: tuple[str, ...], networks: list[str]
) -> None:
    address = ",".join(f"{one}/ip4:192.0.2.1:1" for one in ("public", "alpha", "beta"))
    here = vantage("ip4@public ip4@alpha ip4@beta")
    answer = plan(here, target(address), Policy(prefer), kinds=KINDS)
    assert [path.route.network for path in answer.candidates] == networks


def test_a_path_is_not_put_before_itself() -> None:
    answer = plan(vantage("ip4@public"), target(DIRECT), kinds=KINDS)
    with pytest.raises(ValueError, match="the same path"):
        answer.decided_by(1, 1)


def test_the_first_path_says_what_it_is() -> None:
    answer = plan(vantage("ip4@public", RETURN4), target(DIRECT), kinds=KINDS)
    assert answer.why(1) == ("tried first", "leaves by exit 1: ip4@public")


def test_an_avoided_network_goes_last_and_a_dear_one_later() -> None:
    address = ",".join(f"{one}/ip4:192.0.2.1:1" for one in ("alpha", "beta", "public"))
    here = vantage("ip4@public ip4@alpha ip4@beta")
    avoiding = plan(here, target(address), Policy(avoid=("alpha",)), kinds=KINDS)
    assert [one.route.network for one in avoiding.candidates] == ["beta", "public", "alpha"]
    assert avoiding.decided_by(2, 3) == "network order"
    dear = plan(here, target(address), Policy(costs={"al*": 2}), kinds=KINDS)
    assert [one.route.network for one in dear.candidates] == ["beta", "alpha", "public"]
    assert dear.placed(2) == "after path 1 by cost: it costs 2, there it costs 0"


def test_the_costs_of_exit_and_network_add_up() -> None:
    answer = plan(
        vantage("ip4@lab:1 ip4@site:2"),
        target("lab/ip4:10.0.0.1:1,site/ip4:10.0.0.1:1"),
        Policy(costs={"lab": 2}),
        kinds=KINDS,
    )
    assert [one.place.cost for one in answer.standings] == [2, 3]


def test_ip6_goes_first_unless_the_settings_say_otherwise() -> None:
    here, there = vantage("ip4@public ip6@public"), target(f"{DIRECT},public/ip6:[2001:db8::1]:1")
    usual = plan(here, there, kinds=KINDS)
    assert [path.exit.lands.protocol for path in usual.candidates] == ["ip6", "ip4"]
    assert usual.placed(2) == "after path 1 by protocol preference: over ip4, there over ip6"
    other = plan(here, there, Policy(protocol="ip4"), kinds=KINDS)
    assert [path.exit.lands.protocol for path in other.candidates] == ["ip4", "ip6"]


def test_a_unix_socket_is_of_no_protocol_that_could_be_preferred() -> None:
    here = vantage("unix@host.a ip4@host.a")
    there = target("host.a/unix:%2Fp,host.a/ip4:127.0.0.1:1")
    for protocol in ("ip4", "ip6"):
        answer = plan(here, there, Policy(protocol=protocol), kinds=KINDS)
        assert str(answer.candidates[0].route) == "host.a/unix:%2Fp"


# RFC 6724 between literals: the addresses the host would connect from, two literals, and the rule
# that puts the second first.
LITERALS = [
    ("rule 2 (matching scope)", "fe80::9 198.51.100.9", "[2001:db8::1]", "198.51.100.1"),
    ("rule 5 (matching label)", "fd00::9 198.51.100.9", "[2001:db8::1]", "198.51.100.1"),
    ("rule 6 (higher precedence)", "fd00::9 2001:db8::9", "[fd00::1]", "[2001:db8::1]"),
    ("rule 8 (smaller scope)", "2001:db8::9 fe80::9", "[2001:db8::1]", "[fe80::1]"),
    ("rule 9 (longest matching prefix)", "2001:db8::9", "[2001:dc8::1]", "[2001:db8::1]"),
]


@pytest.mark.parametrize("rule, sources, one, other", LITERALS, ids=[case[0] for case in LITERALS])
def test_literals_are_ordered_as_rfc_6724_says(
    rule: str, sources: str, one: str, other: str
) -> None:
    own = tuple(sources.split())
    exits = [Exit(Landing(protocol, "lab"), sources=own) for protocol in ("ip4", "ip6")]
    routes = [f"lab/{'ip6' if '[' in text else 'ip4'}:{text}:1" for text in (one, other)]
    answer = plan(Vantage(tuple(exits)), target(",".join(routes)), kinds=KINDS)
    assert [path.route_number for path in answer.candidates] == [2, 1]
    assert answer.decided_by(1, 2) == f"RFC 6724 {rule}"
    assert answer.placed(2).startswith(f"after path 1 by RFC 6724 {rule}: ")


def test_the_source_that_an_exit_binds_counts_alone() -> None:
    lands = Landing("ip6", "lab")
    bound = Exit(lands, source="fd00::9", sources=("2001:db8::9",))
    there = target("lab/ip6:[2001:db8::1]:1,lab/ip6:[fd00::1]:1")
    answer = plan(Vantage((bound,)), there, kinds=KINDS)
    assert [path.route_number for path in answer.candidates] == [2, 1]
    assert answer.placed(2) == (
        "after path 1 by RFC 6724 rule 5 (matching label): "
        "our source has another label, there our source has the same label"
    )


def test_what_a_proxy_dials_has_none_of_our_sources() -> None:
    proxy = (Stage.ip("198.51.100.4", 1080), Stage("socks5"))
    here = Vantage((Exit(Landing("ip6", "lab"), proxy, sources=("fd00::9",)),))
    there = target("lab/ip6:[2001:db8::1]:1,lab/ip6:[fd00::1]:1")
    assert plan(here, there, kinds=KINDS).decided_by(1, 2) == "the owner's order"


@given(ODD_VANTAGES, ODD_ADDRESSES, st.none() | REACHES, POLICIES)
def test_the_order_is_total_and_every_pair_is_explained(
    here: Vantage, address: Address, reach: frozenset[Landing] | None, policy: Policy
) -> None:
    answer = plan(here, Target(address, reach), policy, kinds=KINDS)
    for ahead, behind in combinations(answer.standings, 2):
        assert ahead.place < behind.place
        rule = deciding(ahead, behind)
        assert rule is deciding(behind, ahead)
        assert rule.says(ahead) != rule.says(behind)


def test_there_is_a_rule_for_every_key() -> None:
    assert len(RULES) == len(Place._fields) == len({rule.name for rule in RULES})


SENTENCES = [
    # exits, address, what is said of the second path
    ("unix@host.a ip4@public", f"host.a/unix:%2Fp,{DIRECT}",
     "by same machine: on public, there on host.a"),
    ("ip4@public", f"{DIRECT}/ccb:n:reach=ip4@public,{DIRECT}/ccb:m/service:a",
     "by known reach: the target's reach is unknown, there the target's reach is known"),
    ("ip4@public ip4@lab", f"{LAB},{DIRECT}", "by network order: on public, there on lab"),
    ("ip4@public", f"{DIRECT},{DIRECT}/service:a", "by fewer stages: 2 stages, there 1 stage"),
]  # fmt: skip


@pytest.mark.parametrize("exits, address, says", SENTENCES)
def test_a_rule_speaks_of_both_paths(exits: str, address: str, says: str) -> None:
    there = target(address, relay=False)
    answer = plan(vantage(exits, RETURN4), there, kinds=KINDS)
    assert answer.placed(2) == f"after path 1 {says}"


RFC_SENTENCES = [
    # sources, two destinations, what is said of the second
    ("fe80::9 198.51.100.9", "198.51.100.1 [2001:db8::1]",
     "2 (matching scope): our source is of another scope, there our source is of the same scope"),
    ("fd00::9 2001:db8::9", "[2001:db8::1] [fd00::1]",
     "6 (higher precedence): ip6:[fd00::1]:1 has precedence 3, "
     "there ip6:[2001:db8::1]:1 has precedence 40"),
    ("2001:db8::9 fe80::9", "[fe80::1] [2001:db8::1]",
     "8 (smaller scope): ip6:[2001:db8::1]:1 has scope 14, there ip6:[fe80::1]:1 has scope 2"),
    ("2001:db8::9", "[2001:db8::1] [2001:db9::1]",
     "9 (longest matching prefix): ip6:[2001:db9::1]:1 shares 31 bits with our source, "
     "there ip6:[2001:db8::1]:1 shares 64 bits with our source"),
]  # fmt: skip


@pytest.mark.parametrize("sources, literals, says", RFC_SENTENCES)
def test_the_rules_of_rfc_6724_speak_of_both_literals(
    sources: str, literals: str, says: str
) -> None:
    own = tuple(sources.split())
    exits = tuple(Exit(Landing(protocol, "lab"), sources=own) for protocol in ("ip4", "ip6"))
    routes = [f"lab/{'ip6' if '[' in one else 'ip4'}:{one}:1" for one in literals.split()]
    answer = plan(Vantage(exits), target(",".join(routes)), kinds=KINDS)
    assert answer.placed(2) == f"after path 1 by RFC 6724 rule {says}"


@pytest.mark.parametrize("literal", ["ip4:192.0.2.1:1", "ip6:[2001:db8::1]:1"])
def test_a_name_stands_where_an_ordinary_literal_does(literal: str) -> None:
    protocol = literal[:3]
    for first, second in ((literal, "dns:a:1"), ("dns:a:1", literal)):
        there = target(f"public/{first},public/{second}")
        answer = plan(vantage(f"{protocol}@public"), there, kinds=KINDS)
        assert answer.decided_by(1, 2) == "the owner's order"
