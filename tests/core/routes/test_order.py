"""In which order paths are tried; one row for each rule."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.address import Address, Landing
from glasnost.core.routes import RULES, Path, Policy, Target, Vantage, decided_by, plan
from tests.core.routes.worlds import ADDRESSES, KINDS, REACHES, VANTAGES, target, vantage

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
    ("exit cost", "ip4@public:2 ip6@public:1", f"{DIRECT},public/ip6:[::1]:1/service:a"),
    ("fewer stages", "ip4@public", f"{DIRECT}/service:a,{DIRECT}"),
]


@pytest.mark.parametrize("rule, exits, address", RULE_CASES, ids=[case[0] for case in RULE_CASES])
def test_a_rule_puts_the_later_route_first(rule: str, exits: str, address: str) -> None:
    one, other = plan(vantage(exits, RETURN4), target(address), kinds=KINDS).candidates[:2]
    assert (one.route_number, other.route_number) == (2, 1)
    assert decided_by(one, other) == decided_by(other, one) == rule
    assert other.why[0].startswith(f"after path 1 by {rule}: ")


def test_otherwise_the_owners_order_holds() -> None:
    one, other = plan(
        vantage("ip4@public"), target(f"{DIRECT},public/ip4:192.0.2.2:1"), kinds=KINDS
    ).candidates
    assert (one.route_number, other.route_number) == (1, 2)
    assert decided_by(one, other) == "the owner's order"


def test_exits_that_cost_the_same_keep_their_order() -> None:
    one, other = plan(vantage("ip4@public ip4@public"), target(DIRECT), kinds=KINDS).candidates
    assert decided_by(one, other) == "the order of exits"
    assert other.why[0] == "after path 1 by the order of exits: exit 2, there exit 1"


def test_of_two_brokers_the_later_one_relays_first() -> None:
    nested = target(f"{DIRECT}/ccb:a/ccb:b")
    _, one, other, _ = plan(vantage("ip4@public", RETURN4), nested, kinds=KINDS).candidates
    assert [crossing.way for crossing in one.crossings] == ["dial-back", "relay"]
    assert decided_by(one, other) == "later relays"


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
    (path,) = plan(vantage("ip4@public"), target(DIRECT), kinds=KINDS).candidates
    with pytest.raises(ValueError, match="the same path"):
        decided_by(path, path)


def test_the_first_path_says_what_it_is() -> None:
    (path,) = plan(vantage("ip4@public", RETURN4), target(DIRECT), kinds=KINDS).candidates
    assert path.why == ("tried first", "leaves by exit 1: ip4@public")


PREFERS = st.lists(st.sampled_from(["public", "lab", "host.*"]), unique=True).map(tuple)


def place(path: Path, policy: Policy) -> list[tuple[float, ...]]:
    return [rule.key(path, policy) for rule in RULES]


@given(VANTAGES, ADDRESSES, st.none() | REACHES, PREFERS)
def test_the_order_is_total_and_every_pair_is_explained(
    here: Vantage, address: Address, reach: frozenset[Landing] | None, prefer: tuple[str, ...]
) -> None:
    policy = Policy(prefer)
    paths = plan(here, Target(address, reach), policy, kinds=KINDS).candidates
    for ahead, behind in combinations(paths, 2):
        assert place(ahead, policy) < place(behind, policy)
        assert decided_by(ahead, behind, policy) in {rule.name for rule in RULES}
