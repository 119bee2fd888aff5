"""Which paths lead from a vantage to a target, and why the others do not.

The first three steps of the design's section 4; ``order.py`` does the fourth, and ``net/race.py``
walks what comes out. Facts in, an explained answer out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

from glasnost.core.address import Landing, Route
from glasnost.core.routes.explain import Plan
from glasnost.core.routes.history import NOTHING, History
from glasnost.core.routes.limits import MAX_PATHS_PER_ROUTE
from glasnost.core.routes.order import order
from glasnost.core.routes.path import Path, Rejected, Target
from glasnost.core.routes.policy import Policy
from glasnost.core.routes.reasons import (
    Why,
    bad_exit,
    no_exit,
    proxied_meeting,
    spared,
    too_many,
    unusable,
)
from glasnost.core.routes.reversing import Facts, Ways, begins, combined, ways_over
from glasnost.core.routes.spared import spares
from glasnost.core.routes.traits import Traits
from glasnost.core.routes.usable import origin_of, why_no_exit, why_unusable
from glasnost.core.routes.vantage import Exit, Vantage

DEFAULT_POLICY: Final = Policy()

#: Exits with their numbers, and reasons with the part of a route that each is about.
_Exits = list[tuple[int, Exit]]
_Whys = list[tuple[str, Why]]


def plan(
    vantage: Vantage,
    target: Target,
    policy: Policy = DEFAULT_POLICY,
    history: History = NOTHING,
    now: float = 0.0,
    *,
    kinds: Mapping[str, Traits],
) -> Plan:
    """Every path that leads to the target, best first, and a reason for every one that does not.

    ``now`` is in seconds of the clock that ``history`` was written by.
    """
    facts = Facts(vantage, begins(vantage.returns), target, policy, kinds)
    exits = _by_landing(vantage)
    paths: list[Path] = []
    rejected: list[Rejected] = []
    for number, route in enumerate(target.address, 1):
        found, whys = _over(route, number, exits, facts)
        paths += found
        rejected += [Rejected(route, number, why.reason, why.hint, part) for part, why in whys]
    standings = order(paths, policy, history, now)
    return Plan(tuple([one.path for one in standings]), tuple(rejected), standings)


def _by_landing(vantage: Vantage) -> dict[tuple[str, str], _Exits]:
    """The exits by where they come out, in the vantage's order."""
    found: dict[tuple[str, str], _Exits] = {}
    for number, way_out in enumerate(vantage.exits, 1):
        lands = way_out.lands
        # A Unix socket can be opened on one machine only, whatever an exit claims.
        if lands.protocol != "unix" or lands.network.startswith("host."):
            found.setdefault((lands.protocol, lands.network), []).append((number, way_out))
    return found


def _over(
    route: Route, number: int, exits: Mapping[tuple[str, str], _Exits], facts: Facts
) -> tuple[list[Path], _Whys]:
    """The paths over one route, and what is to be said about those that are left out."""
    reason = why_unusable(route.stages, facts.kinds)
    if reason is not None:
        return [], [("", unusable(reason))]
    fits, whys = _reach(route, exits, facts)
    if not fits:
        return [], whys
    ways = ways_over(route, facts)
    if ways.refused is not None:
        return [], [*whys, ("", ways.refused)]
    if ways.choices:
        whys += ways.left
        whys += [(f"meet through exit {one}", proxied_meeting()) for one in _no_meeting(fits, ways)]
    paths = list(islice(_construct(route, number, fits, ways), MAX_PATHS_PER_ROUTE + 1))
    if len(paths) > MAX_PATHS_PER_ROUTE:
        whys.append(("", too_many(MAX_PATHS_PER_ROUTE)))
    return paths[:MAX_PATHS_PER_ROUTE], whys


def _reach(
    route: Route, exits: Mapping[tuple[str, str], _Exits], facts: Facts
) -> tuple[_Exits, _Whys]:
    """Step 1: the exits that come out where the route begins, cheapest first."""
    origin = origin_of(route, facts.kinds)
    protocols = facts.kinds[origin.kind].protocols
    near: _Exits = []
    for protocol in protocols:
        near += exits.get((protocol, route.network), ())
    if not near:
        lands = [Landing(protocol, route.network) for protocol in protocols]
        return [], [("", no_exit(lands, facts.vantage))]
    fits: _Exits = []
    whys: _Whys = []
    for one in near:
        # The route is usable, so a reason can only be about the exit's own stages.
        stages = one[1].stages
        reason = why_no_exit(stages, route.stages, facts.kinds) if stages else None
        if reason is not None:
            whys.append((f"exit {one[0]}", bad_exit(reason)))
        elif spares(one[1].not_for, origin):
            whys.append((f"exit {one[0]}", spared(origin)))
        else:
            fits.append(one)
    return sorted(fits, key=lambda one: one[1].cost), whys


def _no_meeting(fits: _Exits, ways: Ways) -> list[int]:
    """The exits that lead through others, where the route has a meeting to offer."""
    meets = any(one.way == "meet" for few in ways.choices for one in few)
    return [number for number, way_out in fits if way_out.stages] if meets else []


def _construct(route: Route, number: int, exits: _Exits, ways: Ways) -> Iterable[Path]:
    """Step 3: each exit joined to the route, one path for each way of crossing it.

    Few relays come before many and cheap exits before dear ones, so that a limit cuts off the
    paths that would be tried last.
    """
    if not ways.choices:
        return [Path(way_out, exit_number, route, number) for exit_number, way_out in exits]
    return (
        Path(way_out, exit_number, route, number, crossings)
        for crossings in combined(ways.choices)
        for exit_number, way_out in exits
        if not (way_out.stages and any(one.way == "meet" for one in crossings))
    )
