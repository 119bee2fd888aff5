"""The shape of an endpoint: all that decides whom it reaches, and nothing that is only its own.

Literals, ports, names of services and contacts are set aside, as planning never looks at them; so
is ``host.*``, which matters between endpoints on one machine only and is told apart for them. A
pool of tens of thousands has a few hundred shapes, and endpoints of one shape reach the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from glasnost.core.address import Landing, Route, Stage, parse_reach, reach_text
from glasnost.core.routes.endpoint import Endpoint, on_host
from glasnost.core.routes.traits import Traits
from glasnost.errors import AddressError

#: What of a stage decides whether it can be crossed: its kind alone, for nearly all stages.
Mark: TypeAlias = "str | tuple[str, bool, tuple[tuple[str, str], ...], str | None]"
RouteShape: TypeAlias = tuple[str, tuple[Mark, ...]]
#: Routes (in any order), reach, relay. A plain tuple, as it is hashed once for each endpoint.
Shape: TypeAlias = tuple[frozenset[RouteShape], "frozenset[Landing] | None", bool]


class Shaper:
    """Finds the shapes of endpoints, for planning with certain stage kinds."""

    def __init__(self, kinds: Mapping[str, Traits]) -> None:
        self._kinds = kinds
        #: Kinds of which a stage without options is judged by its kind alone.
        self._plain = frozenset(kind for kind, traits in kinds.items() if traits.check is None)

    def shape(self, endpoint: Endpoint) -> Shape:
        """One endpoint's."""
        routes = frozenset(
            [self.route(route) for route in endpoint.routes if not on_host(route.network)]
        )
        reach = endpoint.reach
        if reach and any(on_host(one.network) for one in reach):
            reach = frozenset(one for one in reach if not on_host(one.network))
        return routes, reach, endpoint.relay

    def route(self, route: Route) -> RouteShape:
        """One route's, with its network."""
        plain = self._plain
        return route.network, tuple(
            [
                stage.kind
                if stage.kind in plain and not stage.options and not stage.overfull
                else self._mark(stage)
                for stage in route.stages
            ]
        )

    def _mark(self, stage: Stage) -> Mark:
        traits = self._kinds.get(stage.kind)
        if traits is None:
            return stage.kind, stage.overfull, (), None  # nobody can cross it, whatever it says
        options = tuple(
            (key, _without_hosts(value) if key == "reach" else value)
            for key, value in stage.options
            if key in traits.options
            or key[0].isupper()
            or (key == "reach" and traits.role == "reversing")
        )
        check = traits.check(stage) if traits.check and not stage.overfull else None
        return stage.kind, stage.overfull, options, check


def _without_hosts(reach: str) -> str:
    """A reachable set without machines; what cannot be read stays as it is."""
    if "@host." not in reach:
        return reach
    try:
        return reach_text(one for one in parse_reach(reach) if not on_host(one.network))
    except AddressError:
        return reach
