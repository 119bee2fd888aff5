"""Whether one endpoint reaches another, by what their records say."""

import pytest
from hypothesis import given

from glasnost.core.address import Address, Landing, Route
from glasnost.core.routes import Endpoint, Exit, Policy, Target, Vantage, Verdict, can_reach, plan
from glasnost.core.wire.messages import Record
from tests.core.routes.endpoints import ENDPOINTS, KINDS, endpoint

NO, MAYBE, YES = Verdict.NO, Verdict.MAYBE, Verdict.YES
DOOR4, DOOR6 = "public/ip4:192.0.2.1:9618/service:a", "public/ip6:[2001:db8::1]:9618/service:a"
BROKER = "public/ip4:192.0.2.9:9618/service:broker/ccb:n1"
MACHINE = "host.a/unix:%2Frun%2Fport/service:a"

CASES = [
    # name, source, target, verdict
    ("a common protocol", endpoint("", "ip4@public"), endpoint(DOOR4), YES),
    ("no common protocol", endpoint("", "ip6@public"), endpoint(DOOR4), NO),
    ("another network", endpoint("", "ip4@lab"), endpoint(DOOR4), NO),
    ("a name for either protocol", endpoint("", "ip4@lab"), endpoint("lab/dns:a.example:1"), YES),
    ("a source that says nothing may reach it", endpoint(""), endpoint(DOOR4), MAYBE),
    ("a source that reaches nothing", endpoint("", "none"), endpoint(DOOR4), NO),
    ("a target without routes", endpoint("", "ip4@public"), endpoint(""), NO),
    # Through a broker that does not relay: the target must dial back.
    (
        "the target dials back",
        endpoint(DOOR4, "ip4@public"),
        endpoint(BROKER, "ip4@public", relay=False),
        YES,
    ),
    (
        "the source has no door",
        endpoint("", "ip4@public"),
        endpoint(BROKER, "ip4@public", relay=False),
        NO,
    ),
    (
        "its door is a shared port of HTCondor's",
        endpoint("public/ip4:192.0.2.1:9618/condor.sock:schedd_1", "ip4@public"),
        endpoint(BROKER, "ip4@public", relay=False),
        YES,
    ),
    (
        "its door is where the target does not reach",
        endpoint(DOOR6, "ip4@public"),
        endpoint(BROKER, "ip4@public", relay=False),
        NO,
    ),
    (
        "its door is a broker's",
        endpoint(BROKER, "ip4@public"),
        endpoint(BROKER, "ip4@public", relay=False),
        NO,
    ),
    (
        "its door is on its own machine",
        endpoint(MACHINE, "ip4@public"),
        endpoint(BROKER, "ip4@public", relay=False),
        NO,
    ),
    (
        "nobody knows where the target reaches",
        endpoint(DOOR4, "ip4@public"),
        endpoint(BROKER, relay=False),
        MAYBE,
    ),
    ("the broker relays", endpoint("", "ip4@public"), endpoint(BROKER, "none"), YES),
    (
        "the stage says more than the record",
        endpoint(DOOR4, "ip4@public"),
        endpoint(BROKER + ":reach=ip4@public", "none", relay=False),
        YES,
    ),
    # On one machine.
    ("one machine", endpoint(MACHINE, "none"), endpoint(MACHINE, "none"), YES),
    ("a machine that is reached", endpoint("", "unix@host.a"), endpoint(MACHINE, "none"), YES),
    (
        "another machine",
        endpoint(MACHINE.replace("host.a", "host.b"), "ip4@public"),
        endpoint(MACHINE, "none"),
        NO,
    ),
    ("a source that says nothing is on no machine", endpoint(""), endpoint(MACHINE), NO),
    (
        "a broker's machine is not the source's",
        endpoint("host.a/unix:%2Frun%2Fport/service:broker/ccb:n1", "none"),
        endpoint(MACHINE, "none"),
        NO,
    ),
]


@pytest.mark.parametrize(
    ("source", "target", "verdict"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_reach(source: Endpoint, target: Endpoint, verdict: Verdict) -> None:
    assert can_reach(source, target, kinds=KINDS) is verdict


def test_reaching_is_not_mutual() -> None:
    """Behind NAT one can dial out and not be dialled."""
    near, far = endpoint("", "ip4@public"), endpoint(DOOR4, "ip4@public")
    assert can_reach(near, far, kinds=KINDS) is YES
    assert can_reach(far, near, kinds=KINDS) is NO


def test_the_policy_of_the_source_counts() -> None:
    near, far = endpoint("", "ip4@public"), endpoint(BROKER, "ip4@public")
    assert can_reach(near, far, kinds=KINDS) is YES
    assert can_reach(near, far, Policy(relay=False), kinds=KINDS) is NO


def test_an_endpoint_is_read_from_its_record() -> None:
    record = Record("a.n1.lab", DOOR4, ("ip4@public", "ip6@lab"), protection="plain")
    reach = frozenset({Landing("ip4", "public"), Landing("ip6", "lab")})
    assert Endpoint.of_record(record) == Endpoint((Route.parse(DOOR4),), reach, relay=False)
    assert Endpoint.of_record(Record("a.n1.lab", DOOR4)).reach is None
    assert Endpoint.of_record(Record("a.n1.lab", DOOR4, ())).reach == frozenset()


def test_a_client_without_a_record_is_met_at_its_return_routes() -> None:
    back = Route.parse("public/ip4:192.0.2.1:9618")
    client = Endpoint.of_vantage(Vantage((Exit(Landing("ip4", "public")),), (back,)))
    assert can_reach(client, endpoint(BROKER, "ip4@public", relay=False), kinds=KINDS) is YES
    assert can_reach(endpoint("", "ip4@public"), client, kinds=KINDS) is YES


@given(ENDPOINTS, ENDPOINTS)
def test_it_says_what_planning_says_of_the_same_facts(source: Endpoint, target: Endpoint) -> None:
    """For a source whose reach is known, all of its exits and return routes at once."""
    if source.reach is None or not target.routes:
        return
    from_ = Vantage(tuple(map(Exit, sorted(source.landings))), source.returns)
    what = Target(Address(target.routes), target.reach, relay=target.relay)
    paths = plan(from_, what, kinds=KINDS).candidates
    sure = any(not path.unknown_reach for path in paths)
    verdict = YES if sure else MAYBE if paths else NO
    assert can_reach(source, target, kinds=KINDS) is verdict
