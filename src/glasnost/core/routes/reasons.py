"""Why a route was rejected, in sentences that a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from glasnost.core.address import PUBLIC, Landing, Route, Stage
from glasnost.core.routes.path import Policy, Target
from glasnost.core.routes.traits import Traits
from glasnost.core.routes.vantage import Vantage

#: How people call the protocols.
_CALLED = {"ip4": "IPv4", "ip6": "IPv6", "unix": "Unix sockets"}


def no_exit(lands: Landing, vantage: Vantage) -> str:
    """No exit comes out where the route begins: is it the network we lack, or the protocol?"""
    head = f"no exit comes out on {lands}"
    if lands.protocol == "unix" and not lands.network.startswith("host."):
        return f"{head}: a Unix socket is on one machine, a network called host.<id>"
    others = {one.lands.protocol for one in vantage.exits if one.lands.network == lands.network}
    if others or lands.network == PUBLIC:
        return f"{head}: this host has no {_called(lands.protocol)} there"
    if lands.network.startswith("host."):
        return f"{head}: that is another machine"
    return f"{head}: this host is not on the network {lands.network}"


def no_way(
    stage: Stage,
    reach: frozenset[Landing] | None,
    vantage: Vantage,
    target: Target,
    policy: Policy,
    traits: Traits,
) -> str:
    """A reversing stage can neither dial back to us nor relay."""
    parts = [_no_dial_back(reach, vantage)] if "dial-back" in traits.ways else []
    if "relay" not in traits.ways:
        parts.append(f'relaying is not what a "{stage.kind}" stage offers')
    elif not target.relay:
        parts.append("relaying is refused by the record")
    elif not policy.relay:
        parts.append("relaying is switched off in our settings")
    return "; ".join(parts)


def _no_dial_back(reach: frozenset[Landing] | None, vantage: Vantage) -> str:
    returns = reached_on(vantage.returns)
    if reach is None:
        can = "nobody knows what the target can dial back to"
    elif not reach:
        can = "the target can dial back to nobody"
    else:
        can = f"the target can dial back to {listed(reach)} only"
    return f"{can} and we can be reached {f'on {listed(returns)}' if returns else 'nowhere'}"


def reached_on(returns: Sequence[Route]) -> set[Landing]:
    """The landings that return routes start on."""
    return {landing for route in returns if (landing := route.landing()) is not None}


def listed(landings: Iterable[Landing]) -> str:
    """Landings for a sentence: ``ip4@lab, ip4@public``."""
    return ", ".join(map(str, sorted(landings)))


def _called(protocol: str) -> str:
    return _CALLED.get(protocol, protocol)
