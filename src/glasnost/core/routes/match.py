"""Whether one endpoint reaches another, computed from their records by planning itself."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from glasnost.core.address import Address, Landing, Route
from glasnost.core.routes.endpoint import Endpoint
from glasnost.core.routes.path import Target
from glasnost.core.routes.plan import DEFAULT_POLICY, plan
from glasnost.core.routes.policy import Policy
from glasnost.core.routes.traits import Traits


class Verdict(IntEnum):
    """The larger, the better. `MAYBE` depends on what a record does not say."""

    NO = 0
    MAYBE = 1
    YES = 2

    def __str__(self) -> str:
        return self.name.lower()


def can_reach(
    source: Endpoint,
    target: Endpoint,
    policy: Policy = DEFAULT_POLICY,
    *,
    kinds: Mapping[str, Traits],
) -> Verdict:
    """Whether a path leads from ``source`` to ``target``, dialling back included: a reversing
    stage needs a landing that the target reaches and on which the source can be dialled."""
    best = Verdict.NO
    for route in target.routes:
        if best is not Verdict.YES:
            best = max(best, by_route(source, route, target, policy, kinds=kinds))
    return best


def by_route(
    source: Endpoint,
    route: Route,
    target: Endpoint,
    policy: Policy = DEFAULT_POLICY,
    *,
    kinds: Mapping[str, Traits],
) -> Verdict:
    """The same for one route of the target's."""
    vantage = source.towards(route.network, kinds)
    known: frozenset[Landing] = source.landings
    what = Target(Address((route,)), target.reach, relay=target.relay)
    paths = plan(vantage, what, policy, kinds=kinds).candidates
    if any(not path.unknown_reach and path.exit.lands in known for path in paths):
        return Verdict.YES
    return Verdict.MAYBE if paths else Verdict.NO
