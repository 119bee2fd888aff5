"""Judges of routes: each asks planning once for every kind of source that it meets.

What of a source counts for a route is little: by which protocols it comes out on the route's
network, and whether it is met on any landing that a broker of the route can dial back to. Sources
that agree in that share one answer, so planning is asked a few times for each route.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from glasnost.core.address import Landing, Route, Stage
from glasnost.core.routes.endpoint import HOST, Endpoint, on_host, protocols
from glasnost.core.routes.match import Verdict, by_route
from glasnost.core.routes.policy import Policy
from glasnost.core.routes.shapes import Shaper
from glasnost.core.routes.traits import Traits
from glasnost.errors import AddressError

#: The name that every machine has while a route that begins on it is judged.
SAME_HOST: Final = f"{HOST}same"

NO_EXITS: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Source:
    """What of a source counts for any route: its protocols by network, and where it is met."""

    endpoint: Endpoint
    exits: Mapping[str, frozenset[str]]
    met: frozenset[Landing]

    @classmethod
    def of(cls, endpoint: Endpoint, kinds: Mapping[str, Traits]) -> Source:
        """An endpoint, as a source."""
        opened = protocols(kinds)
        exits: dict[str, frozenset[str]] = {}
        for one in endpoint.landings:
            if one.protocol in opened:
                exits[one.network] = exits.get(one.network, NO_EXITS) | {one.protocol}
        returns = (route.landing() for route in endpoint.returns)
        return cls(endpoint, exits, frozenset(one for one in returns if one is not None))


@dataclass(slots=True, eq=False)
class Judge:
    """Judges the routes of one shape, to targets with one reach. ``behind`` is, for each reversing
    stage, what is behind it; None: nobody knows."""

    target: Endpoint
    behind: tuple[frozenset[Landing] | None, ...]
    policy: Policy
    kinds: Mapping[str, Traits]
    _known: dict[object, Verdict] = field(default_factory=dict)

    def ask(self, source: Source, exits: frozenset[str]) -> Verdict:
        """Does this source reach the target by this route, if it comes out by the protocols
        ``exits`` on the network on which the route begins?"""
        key = (
            exits,
            source.endpoint.reach is None,
            # By which of several return routes a dial-back comes is all the same here.
            *[
                bool(source.met) if reach is None else not reach.isdisjoint(source.met)
                for reach in self.behind
            ],
        )
        verdict = self._known.get(key)
        if verdict is None:
            verdict = self._known[key] = self._judge(source, exits)
        return verdict

    def _judge(self, source: Source, exits: frozenset[str]) -> Verdict:
        (route,) = self.target.routes
        seen = source.endpoint
        if on_host(route.network):
            reach = frozenset(Landing(protocol, SAME_HOST) for protocol in exits)
            seen = Endpoint(seen.returns, reach)
        return by_route(seen, route, self.target, self.policy, kinds=self.kinds)


class Court:
    """The judges of one question, found by what they judge."""

    def __init__(self, policy: Policy, kinds: Mapping[str, Traits], shaper: Shaper) -> None:
        self._policy, self._kinds, self._shaper = policy, kinds, shaper
        self._reversing = frozenset(
            kind for kind, traits in kinds.items() if traits.role == "reversing"
        )
        self._judges: dict[object, Judge] = {}

    def judge(self, route: Route, target: Endpoint) -> Judge:
        """Who judges this route of this target."""
        network, marks = self._shaper.route(route)
        if on_host(network):
            network = SAME_HOST
        reversing = [one for one in route.stages if one.kind in self._reversing]
        key = (network, marks, (target.reach, target.relay) if reversing else None)
        judge = self._judges.get(key)
        if judge is None:
            behind = [_reach(stage) for stage in reversing]
            if behind and behind[-1] is None:
                behind[-1] = target.reach  # as planning does
            what = Endpoint((Route(network, route.stages),), target.reach, target.relay)
            judge = self._judges[key] = Judge(what, tuple(behind), self._policy, self._kinds)
        return judge


def _reach(stage: Stage) -> frozenset[Landing] | None:
    """What is behind a reversing stage; one that cannot be read is of no use anyway."""
    try:
        return stage.reach
    except AddressError:
        return None
