"""Where an endpoint seems to stand, seen by who knows nothing of it but its record."""

from __future__ import annotations

from glasnost.core.address import Landing, Route
from glasnost.core.routes.endpoint import Endpoint
from glasnost.core.routes.limits import MAX_EXITS, MAX_RETURNS
from glasnost.core.routes.vantage import Exit, Vantage

#: What no record says, so what a plan made from one cannot know.
CANNOT_KNOW = (
    "its proxies and what its exits cost",
    "its own settings: what it prefers, avoids or switches off",
    "what it remembers of earlier attempts",
    "return routes that it offers without publishing them",
)


def vantage_of(endpoint: Endpoint) -> Vantage:
    """The vantage that follows from what an endpoint publishes.

    It comes out on the landings of its reach, and on the machines it has a door on. Where its
    reach is unknown, it is taken to reach the networks on which it can itself be met. It can be
    dialled back at its own literals, which it would also connect from.
    """
    doors = dict.fromkeys(Route(one.network, one.stages[:1]) for one in endpoint.returns)
    sources: dict[Landing, list[str]] = {}
    for door in doors:
        origin = door.stages[0]
        if origin.kind != "unix":
            sources.setdefault(Landing(origin.kind, door.network), []).append(origin.args[0])
    lands = endpoint.landings if endpoint.reach is not None else endpoint.landings.union(sources)
    exits = [Exit(one, sources=tuple(sources.get(one, ()))) for one in sorted(lands)]
    return Vantage(tuple(exits[:MAX_EXITS]), tuple(doors)[:MAX_RETURNS])
