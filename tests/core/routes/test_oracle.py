"""Planning agrees with the talk's own sentences.

    A route is usable if the client has an outbound path ending on the same protocol and network
    that the route begins with; and, for each of its reversing stages, if that stage's reachable
    set holds a protocol and network that one of the client's return paths begins with. Each usable
    route, joined to such an outbound path, is a complete path.

The oracle is written from these sentences and knows nothing of the planner's parts. Relaying is
off, and every reachable set is known, as in the talk.
"""

from hypothesis import given

from glasnost.core.address import Address, Landing, Route, Stage
from glasnost.core.routes import Policy, Target, Vantage, plan
from tests.core.routes.worlds import ADDRESSES, KINDS, REACHES, VANTAGES


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
    vantage: Vantage, address: Address, reach: frozenset[Landing]
) -> set[tuple[int, int]]:
    return_paths_begin = {begins_with(route) for route in vantage.returns}
    paths = set()
    for route_number, route in enumerate(address, 1):
        reversing = [index for index, stage in enumerate(route.stages) if stage.kind == "ccb"]
        if any(
            not reachable_set(route, reversing, index, reach) & return_paths_begin
            for index in reversing
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


@given(VANTAGES, ADDRESSES.filter(with_known_reach), REACHES)
def test_planning_finds_exactly_the_complete_paths(
    vantage: Vantage, address: Address, reach: frozenset[Landing]
) -> None:
    answer = plan(vantage, Target(address, reach), Policy(relay=False), kinds=KINDS)
    found = [(path.exit_number, path.route_number) for path in answer.candidates]
    assert len(found) == len(set(found))
    assert set(found) == complete_paths(vantage, address, reach)
