"""Planning agrees with the talk's own sentences.

    A route is usable if the client has an outbound path ending on the same protocol and network
    that the route begins with; and, for each of its reversing stages, if that stage's reachable
    set holds a protocol and network that one of the client's return paths begins with. Each usable
    route, joined to such an outbound path, is a complete path.

The oracle is written from these sentences and knows nothing of the planner's parts. Relaying,
meeting and names are off, and every reachable set is known, as in the talk; then each is switched
on, and only what the design states is added.
"""

from dataclasses import replace

from hypothesis import given, settings

from glasnost.core.address import Address, Landing, Route, Stage
from glasnost.core.routes import Plan, Policy, Target, Vantage, plan
from tests.core.routes.worlds import ADDRESSES, KINDS, ORIGINS, POLICIES, REACHES, VANTAGES


def begins_with(route: Route) -> tuple[str, str]:
    return route.stages[0].kind, route.network


def reachable_set(
    route: Route, reversing: list[int], index: int, of_record: frozenset[Landing]
) -> set[tuple[str, str]]:
    stage: Stage = route.stages[index]
    landings = stage.reach
    if landings is None:
        landings = of_record if index == reversing[-1] else frozenset()
    return {(landing.protocol, landing.network) for landing in landings}


def complete_paths(
    vantage: Vantage, address: Address, reach: frozenset[Landing], *, but_first: bool = False
) -> set[tuple[int, int]]:
    return_paths_begin = {begins_with(route) for route in vantage.returns}
    paths = set()
    for route_number, route in enumerate(address, 1):
        reversing = [index for index, stage in enumerate(route.stages) if stage.kind == "ccb"]
        if any(
            not reachable_set(route, reversing, index, reach) & return_paths_begin
            for index in reversing[1:] + ([] if but_first else reversing[:1])
        ):
            continue
        for exit_number, outbound in enumerate(vantage.exits, 1):
            if (outbound.lands.protocol, outbound.lands.network) == begins_with(route):
                paths.add((exit_number, route_number))
    return paths


def with_known_reach(address: Address) -> bool:
    """Whether only the last reversing stage of each route leaves its reachable set out."""
    return all(
        stage.reach is not None
        for route in address
        for stage in [stage for stage in route.stages if stage.kind == "ccb"][:-1]
    )


def found_by(plan: Plan) -> set[tuple[int, int]]:
    return {(path.exit_number, path.route_number) for path in plan.candidates}


SMALL = settings(max_examples=1000)
STRICT = Policy(relay=False, meet=False)


@SMALL
@given(VANTAGES, ADDRESSES.filter(with_known_reach), REACHES, POLICIES)
def test_planning_finds_exactly_the_complete_paths(
    vantage: Vantage, address: Address, reach: frozenset[Landing], policy: Policy
) -> None:
    strict = replace(policy, relay=False, meet=False)
    answer = plan(vantage, Target(address, reach), strict, kinds=KINDS)
    assert len(answer.candidates) == len(found_by(answer))
    assert found_by(answer) == complete_paths(vantage, address, reach)


# The stated additions (design, section 4). Each is one sentence of its own, and adds nothing else.


@SMALL
@given(VANTAGES, ADDRESSES.filter(with_known_reach), REACHES)
def test_relaying_adds_the_routes_whose_brokers_cannot_have_us_dialled_back(
    vantage: Vantage, address: Address, reach: frozenset[Landing]
) -> None:
    """ "it can relay if the broker offers it and the record and policy allow it": then only the
    outbound path counts, and a path that relays nowhere is one without relaying."""
    strict = complete_paths(vantage, address, reach)
    answer = plan(vantage, Target(address, reach), kinds=KINDS)
    assert found_by(answer) == reachable_outbound(vantage, address)
    unrelayed = [path for path in answer.candidates if not path.relays]
    assert {(path.exit_number, path.route_number) for path in unrelayed} == strict
    refused = plan(vantage, Target(address, reach, relay=False), kinds=KINDS)
    assert found_by(refused) == strict


@SMALL
@given(VANTAGES, ADDRESSES.filter(with_known_reach), REACHES)
def test_meeting_adds_the_routes_whose_first_broker_is_one_to_meet_at(
    vantage: Vantage, address: Address, reach: frozenset[Landing]
) -> None:
    """ "it can meet if the broker offers it": at the first broker alone, as a connection of our
    own must lead there. So whatever its reachable set, that one is crossed."""
    offering = {**KINDS, "ccb": KINDS["hub"]}
    answer = plan(vantage, Target(address, reach), Policy(relay=False), kinds=offering)
    strict = complete_paths(vantage, address, reach)
    forgiving = complete_paths(vantage, address, reach, but_first=True)
    assert found_by(answer) == forgiving
    met = [path for path in answer.candidates if any(c.way == "meet" for c in path.crossings)]
    assert all(path.crossings[0].way == "meet" for path in met)
    assert {
        (path.exit_number, path.route_number) for path in answer.candidates if path not in met
    } == strict


@SMALL
@given(VANTAGES, ADDRESSES.filter(with_known_reach), REACHES)
def test_a_name_adds_the_outbound_paths_of_the_other_protocol(
    vantage: Vantage, address: Address, reach: frozenset[Landing]
) -> None:
    """ "`dns` counts as either IP protocol"."""
    dns = Stage("dns", ("node7.example.org", "9618"))
    named = Address(tuple(Route(route.network, (dns, *route.stages[1:])) for route in address))
    found = set()
    for kind, origin in ORIGINS.items():
        if kind != "unix":
            literal = tuple(Route(route.network, (origin, *route.stages[1:])) for route in address)
            found |= complete_paths(vantage, Address(literal), reach)
    answer = plan(vantage, Target(named, reach), STRICT, kinds=KINDS)
    assert found_by(answer) == found
    assert len(answer.candidates) == len(found)


def reachable_outbound(vantage: Vantage, address: Address) -> set[tuple[int, int]]:
    return {
        (exit_number, route_number)
        for route_number, route in enumerate(address, 1)
        for exit_number, outbound in enumerate(vantage.exits, 1)
        if (outbound.lands.protocol, outbound.lands.network) == begins_with(route)
    }
