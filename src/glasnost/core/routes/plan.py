"""Which paths lead from a vantage to a target, and why the others do not.

The first three steps of the design's section 4; ``order.py`` does the fourth, and ``net/race.py``
walks what comes out. Facts in, an explained answer out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Final

from glasnost.core.address import Landing, Route
from glasnost.core.routes.explain import Plan
from glasnost.core.routes.limits import MAX_PATHS_PER_ROUTE
from glasnost.core.routes.order import order
from glasnost.core.routes.path import Crossing, Path, Policy, Rejected, Target
from glasnost.core.routes.reasons import no_exit, no_way
from glasnost.core.routes.traits import Traits
from glasnost.core.routes.usable import landing_of, why_unusable
from glasnost.core.routes.vantage import Exit, Vantage

DEFAULT_POLICY: Final = Policy()


def plan(
    vantage: Vantage,
    target: Target,
    policy: Policy = DEFAULT_POLICY,
    *,
    kinds: Mapping[str, Traits],
) -> Plan:
    """Every path that leads to the target, best first, and a reason for every one that does not."""
    paths: list[Path] = []
    rejected: list[Rejected] = []
    for number, route in enumerate(target.address, 1):
        found, reasons = _paths(route, number, vantage, target, policy, kinds)
        paths += found
        rejected += [Rejected(route, number, reason) for reason in reasons]
    return Plan(order(paths, policy), tuple(rejected))


def _paths(
    route: Route,
    number: int,
    vantage: Vantage,
    target: Target,
    policy: Policy,
    kinds: Mapping[str, Traits],
) -> tuple[list[Path], list[str]]:
    """The paths over one route, and what is to be said about those that are left out."""
    if (reason := why_unusable(route.stages, kinds)) is not None:
        return [], [reason]
    exits, reasons = _reach(route, vantage, kinds)
    if not exits:
        return [], reasons
    choices, reason = _return(route, vantage, target, policy, kinds)
    if reason is not None:
        return [], [*reasons, reason]
    paths = list(islice(_construct(route, number, exits, choices), MAX_PATHS_PER_ROUTE + 1))
    if len(paths) > MAX_PATHS_PER_ROUTE:
        reasons.append(f"only {MAX_PATHS_PER_ROUTE} of the paths over this route are considered")
    return paths[:MAX_PATHS_PER_ROUTE], reasons


def _reach(
    route: Route, vantage: Vantage, kinds: Mapping[str, Traits]
) -> tuple[list[tuple[int, Exit]], list[str]]:
    """Step 1: the exits that come out where the route begins, cheapest first."""
    lands = landing_of(route, kinds)
    # A Unix socket can be opened on one machine only, whatever an exit claims.
    absurd = lands.protocol == "unix" and not lands.network.startswith("host.")
    fits = [] if absurd else [one for one in enumerate(vantage.exits, 1) if one[1].lands == lands]
    if not fits:
        return [], [no_exit(lands, vantage)]
    exits, reasons = [], []
    for number, way_out in fits:
        # The route is usable, so a reason can only be about the exit's own stages.
        reason = why_unusable(way_out.stages + route.stages, kinds)
        if reason is None:
            exits.append((number, way_out))
        else:
            reasons.append(f"exit {number} to {lands} cannot be used: {reason}")
    return sorted(exits, key=lambda one: one[1].cost), reasons


def _return(
    route: Route, vantage: Vantage, target: Target, policy: Policy, kinds: Mapping[str, Traits]
) -> tuple[list[list[Crossing]], str | None]:
    """Step 2: how each reversing stage can be crossed; a reason if one cannot."""
    reversing = [
        index for index, one in enumerate(route.stages) if kinds[one.kind].role == "reversing"
    ]
    choices = []
    for index in reversing:
        stage = route.stages[index]
        traits = kinds[stage.kind]
        reach = stage.reach
        if reach is None and index == reversing[-1]:
            reach = target.reach  # what the record says is behind the last one
        ways = []
        returns = _usable_returns(vantage.returns, reach)
        if "dial-back" in traits.ways and returns:
            ways.append(Crossing(index, "dial-back", returns, unknown_reach=reach is None))
        if "relay" in traits.ways and target.relay and policy.relay:
            ways.append(Crossing(index, "relay"))
        if not ways:
            why = no_way(stage, reach, vantage, target, policy, traits)
            return [], f"stage {index + 1} ({stage}): {why}"
        choices.append(ways)
    return choices, None


def _usable_returns(
    returns: Sequence[Route], reach: frozenset[Landing] | None
) -> tuple[Route, ...]:
    """The return routes that the far side can dial; if nobody knows, all that it might."""
    return tuple(
        route
        for route in returns
        if (lands := route.landing()) is not None
        and (_leaves_the_machine(lands) if reach is None else lands in reach)
    )


def _leaves_the_machine(lands: Landing) -> bool:
    return lands.protocol != "unix" and not lands.network.startswith("host.")


def _construct(
    route: Route,
    number: int,
    exits: Sequence[tuple[int, Exit]],
    choices: Sequence[Sequence[Crossing]],
) -> Iterator[Path]:
    """Step 3: each exit joined to the route, one path for each way of crossing it.

    Dial-backs come before relays and cheap exits before dear ones, so that a limit cuts off the
    paths that would be tried last.
    """
    for crossings in product(*choices):
        for exit_number, way_out in exits:
            yield Path(way_out, exit_number, route, number, crossings)
