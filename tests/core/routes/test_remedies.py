"""What would make it reachable is what makes it reachable, and no more than that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.routes import Endpoint, Policy, Verdict, can_reach
from glasnost.core.routes.remedies import added, reasons, remedies
from tests.core.routes.endpoints import ENDPOINTS, KINDS, endpoint

V4, V6 = "public/ip4:192.0.2.1:9618/service:a", "public/ip6:[2001:db8::1]:9618/service:a"
BROKER = "public/ip4:192.0.2.9:9618/service:broker/ccb:n1/service:a"
CASES = [
    # name, source, target, what is enough
    (
        "an IPv4-only machine and an IPv6-only one",
        endpoint(V4, "ip4@public"),
        endpoint(V6, "ip6@public"),
        [
            "a way out to ip6@public for a (NAT will do)",
            "a broker for b that is met on ip4@public, ip6@public",
            "an address on ip4@public for b, that others can connect to",
            "a network that a and b are both on (a VPN, say)",
        ],
    ),
    (
        "a target in a private network",
        endpoint("", "ip4@public"),
        endpoint("lab/ip4:10.0.0.7:9618/service:b", "ip4@public+ip4@lab"),
        [
            "a way out to ip4@lab for a (NAT will do)",
            "a broker for b that is met on ip4@public",
            "an address on ip4@public for b, that others can connect to",
            "a network that a and b are both on (a VPN, say)",
        ],
    ),
    (
        "a broker that may not relay to a client behind NAT",
        endpoint("", "ip4@public"),
        endpoint(BROKER, "ip4@public", relay=False),
        [
            "a record of b that lets brokers relay",
            "an address on ip4@public for a, that others can connect to",
            "an address on ip4@public for b, that others can connect to",
            "a network that a and b are both on (a VPN, say)",
        ],
    ),
    (
        "a target that says nothing of its reach",
        endpoint(V4, "ip4@public"),
        endpoint(BROKER, None, relay=False),
        [
            "a record of b that lets brokers relay",
            "a way out to ip4@public for b (NAT will do)",
            "a network that a and b are both on (a VPN, say)",
        ],
    ),
]


@pytest.mark.parametrize(
    ("source", "target", "enough"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_would_be_enough_for(source: Endpoint, target: Endpoint, enough: list[str]) -> None:
    found = remedies(source, target, kinds=KINDS)
    assert [one.text("a", "b") for one in found] == enough


@given(ENDPOINTS, ENDPOINTS, st.booleans())
def test_each_addition_is_enough_and_what_is_enough_already_needs_none(
    source: Endpoint, target: Endpoint, relay: bool
) -> None:
    policy = Policy(relay=relay)
    before = can_reach(source, target, policy, kinds=KINDS)
    found = remedies(source, target, policy, kinds=KINDS)
    assert bool(found) is (before is not Verdict.YES)
    for one in found:
        after = can_reach(*added(one, source, target), policy, kinds=KINDS)
        assert after is Verdict.YES


@given(ENDPOINTS, ENDPOINTS)
def test_who_cannot_be_reached_has_a_reason_for_each_route(
    source: Endpoint, target: Endpoint
) -> None:
    if can_reach(source, target, kinds=KINDS) is Verdict.NO:
        told = {one.route for one in reasons(source, target, kinds=KINDS)}
        assert told == set(target.routes)
