"""Step 2 of planning: in which ways each reversing stage of a route can be crossed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations, product
from typing import NamedTuple

from glasnost.core.address import Landing, Route, Stage
from glasnost.core.routes.path import Crossing, Target
from glasnost.core.routes.policy import Policy
from glasnost.core.routes.reasons import Why, no_dial_back, no_way, not_allowed, proxied_meeting
from glasnost.core.routes.traits import WAYS, Traits, Way
from glasnost.core.routes.vantage import Vantage


class Facts(NamedTuple):
    """Everything that one plan is made from, but its history; ``returns`` are the vantage's, with
    where they begin."""

    vantage: Vantage
    returns: tuple[tuple[Route, Landing], ...]
    target: Target
    policy: Policy
    kinds: Mapping[str, Traits]


@lru_cache(maxsize=64)
def begins(returns: tuple[Route, ...]) -> tuple[tuple[Route, Landing], ...]:
    """Return routes with the landing each begins on. Kept, as a host plans with the same ones
    until its addresses change."""
    return tuple([(one, lands) for one in returns if (lands := one.landing()) is not None])


class Ways(NamedTuple):
    """How one route can be crossed: for each reversing stage its crossings, best first. ``left``
    says why the other ways cannot be used; ``refused`` is why there is no way at all."""

    choices: tuple[tuple[Crossing, ...], ...] = ()
    left: tuple[tuple[str, Why], ...] = ()
    refused: Why | None = None


def ways_over(route: Route, facts: Facts) -> Ways:
    """What can be done at each reversing stage of a usable route."""
    kinds = facts.kinds
    reversing = [index for index, one in enumerate(route.stages) if kinds[one.kind].ways]
    if not reversing:
        return Ways()
    choices, left = [], []
    for index in reversing:
        stage = route.stages[index]
        reach = stage.reach
        if reach is None and index == reversing[-1]:
            reach = facts.target.reach  # what the record says is behind the last one
        found, whys = _ways_of(route, index, reach, facts)
        if not found:
            return Ways(refused=no_way(stage, index, kinds[stage.kind], [why for _, why in whys]))
        choices.append(found)
        left += [(f"{way} at stage {index + 1}", why) for way, why in whys]
    return Ways(tuple(choices), tuple(left))


def _ways_of(
    route: Route, index: int, reach: frozenset[Landing] | None, facts: Facts
) -> tuple[tuple[Crossing, ...], list[tuple[Way, Why]]]:
    """The ways of one stage that can be used, and a reason for each other that its kind offers."""
    vantage, back, target, policy, kinds = facts
    found: list[Crossing] = []
    whys: list[tuple[Way, Why]] = []
    for way in WAYS:
        if way not in kinds[route.stages[index].kind].ways:
            continue
        returns = _usable_returns(back, reach) if way == "dial-back" else ()
        if way == "dial-back":
            why = None if returns else no_dial_back(reach, vantage)
        else:
            why = not_allowed(way, target, policy)
        if why is None and way == "meet" and not _is_ours(route.stages[:index], kinds):
            why = proxied_meeting()
        if why is not None:
            whys.append((way, why))
        else:
            hoped = way == "dial-back" and reach is None
            found.append(Crossing(index, way, returns, unknown_reach=hoped))
    return tuple(found), whys


def _is_ours(before: Sequence[Stage], kinds: Mapping[str, Traits]) -> bool:
    """Whether what leads to a broker is one connection that we opened ourselves."""
    return not any(kinds[one.kind].ways or kinds[one.kind].onward for one in before)


def _usable_returns(
    returns: Sequence[tuple[Route, Landing]], reach: frozenset[Landing] | None
) -> tuple[Route, ...]:
    """The return routes that the far side can dial; if nobody knows, all that it might."""
    if reach is None:
        return tuple([route for route, lands in returns if _leaves_the_machine(lands)])
    return tuple([route for route, lands in returns if lands in reach])


def _leaves_the_machine(lands: Landing) -> bool:
    return lands.protocol != "unix" and not lands.network.startswith("host.")


def combined(choices: Sequence[Sequence[Crossing]]) -> Iterator[tuple[Crossing, ...]]:
    """Every way to cross all reversing stages, those with fewer relays first, so that a limit cuts
    off what would be tried last. Made as they are asked for: sixteen stages have millions."""
    if len(choices) == 1:  # as nearly always; the ways of one stage are in this order already
        yield from product(*choices)
        return
    without = [tuple([one for one in few if one.way != "relay"]) for few in choices]
    relays = [tuple([one for one in few if one.way == "relay"]) for few in choices]
    places = range(len(choices))
    for number in range(len(choices) + 1):
        # From the last: a relay is dearest where it carries the streams of every later stage.
        for relayed in combinations(reversed(places), number):
            yield from product(
                *[relays[place] if place in relayed else without[place] for place in places]
            )
